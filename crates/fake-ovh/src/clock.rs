//! The server's clock: the only place that reads the wall.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// Wall time as read once, plus what tokio's clock has measured since, plus the skew: a paused clock holds it, and a
/// step of the machine's clock does not reach it.
#[derive(Debug)]
pub(crate) struct Clock {
    base: Instant,
    /// Wall time at `base`, in nanoseconds since the Unix epoch (an `i64` of them reaches the year 2262).
    wall: AtomicI64,
    /// In seconds.
    skew: AtomicI64,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    pub(crate) fn system() -> Self {
        Self {
            base: Instant::now(),
            wall: AtomicI64::new(to_nanos(SystemTime::now())),
            skew: AtomicI64::new(0),
        }
    }

    /// Makes it this time now, before the skew.
    pub(crate) fn set(&self, now: SystemTime) {
        self.wall.store(to_nanos(now).saturating_sub(self.elapsed_nanos()), Ordering::Relaxed);
    }

    pub(crate) fn set_skew(&self, seconds: i64) {
        self.skew.store(seconds, Ordering::Relaxed);
    }

    /// Since the API was made; no skew and no [`set`](Self::set) moves it.
    pub(crate) fn age(&self) -> Duration {
        self.base.elapsed()
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub(crate) fn unix(&self) -> i64 {
        let nanos = self.wall.load(Ordering::Relaxed).saturating_add(self.elapsed_nanos());
        nanos.div_euclid(NANOS_PER_SECOND).saturating_add(self.skew.load(Ordering::Relaxed))
    }

    fn elapsed_nanos(&self) -> i64 {
        i64::try_from(self.base.elapsed().as_nanos()).unwrap_or(i64::MAX)
    }
}

fn to_nanos(wall: SystemTime) -> i64 {
    match wall.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos),
    }
}

/// As the API writes times: `2026-01-31T12:00:00Z`. What no calendar holds is written as the epoch.
pub(crate) fn iso(unix: i64) -> String {
    let time = time::OffsetDateTime::from_unix_timestamp(unix).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    time.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}

/// The reverse, of any offset; `None` if it is no time.
pub(crate) fn from_iso(text: &str) -> Option<i64> {
    time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339)
        .ok()
        .map(time::OffsetDateTime::unix_timestamp)
}

/// As HTTP headers write times (RFC 9110, 5.6.7); `None` before 1970 and after 9999.
pub(crate) fn http_date(unix: i64) -> Option<String> {
    /// 9999-12-31T23:59:59Z: `httpdate` takes no later year.
    const LAST: u64 = 253_402_300_799;
    let seconds = u64::try_from(unix).ok().filter(|seconds| *seconds <= LAST)?;
    Some(httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_goes_with_tokios_clock_and_the_skew() {
        let clock = Clock::system();
        clock.set(UNIX_EPOCH + Duration::from_millis(1_000_900));
        assert_eq!(clock.unix(), 1_000);
        tokio::time::advance(Duration::from_millis(100)).await;
        assert_eq!(clock.unix(), 1_001);
        clock.set_skew(-3_600);
        assert_eq!(clock.unix(), 1_001 - 3_600);
        clock.set_skew(i64::MAX);
        assert_eq!(clock.unix(), i64::MAX);
        clock.set_skew(0);
        clock.set(UNIX_EPOCH - Duration::from_millis(1));
        assert_eq!((clock.unix(), clock.age()), (-1, Duration::from_millis(100)));
    }

    #[test]
    fn times_are_written_as_iso_and_http_do() {
        assert_eq!(iso(1_566_485_767), "2019-08-22T14:56:07Z");
        assert_eq!(from_iso("2019-08-22T16:56:07+02:00"), Some(1_566_485_767));
        assert_eq!(from_iso("tomorrow"), None);
        assert_eq!(http_date(1_566_485_767).as_deref(), Some("Thu, 22 Aug 2019 14:56:07 GMT"));
        assert_eq!((http_date(-1), http_date(i64::MAX)), (None, None));
        assert!(http_date(253_402_300_799).is_some());
    }
}
