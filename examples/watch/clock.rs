//! The time of day, for people.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use error_stats::Moment;
use tokio::time::Instant;

/// One reading of both clocks; tokio's carries the wall's on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Moment);

impl Clock {
    pub(crate) fn new(now: Moment) -> Self {
        Self(now)
    }

    pub(crate) fn at(self, instant: Instant) -> TimeOfDay {
        TimeOfDay(self.0.wall + instant.saturating_duration_since(self.0.instant))
    }
}

/// `14:03:55.214Z`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeOfDay(SystemTime);

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since_epoch = self.0.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = since_epoch.as_secs();
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        write!(f, "{hour:02}:{minute:02}:{second:02}.{:03}Z", since_epoch.subsec_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::{TimeOfDay, UNIX_EPOCH};
    use std::time::Duration;

    #[test]
    fn the_day_wraps() {
        let time = |millis| TimeOfDay(UNIX_EPOCH + Duration::from_millis(millis)).to_string();
        assert_eq!(time(0), "00:00:00.000Z");
        assert_eq!(time(86_399_999), "23:59:59.999Z");
        assert_eq!(time(86_400_000 + 3_723_004), "01:02:03.004Z");
    }
}
