//! A pause that somebody else has asked for.

use std::time::Duration;

use tokio::time::Instant;

/// Until when nobody is released. Several pauses at once are one, the longest.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    /// Until when calls wait.
    hold: Option<Instant>,
    /// A pause that was cut short: until when calls fail, and until when it was asked for.
    bar: Option<(Instant, Instant)>,
}

impl Pause {
    /// Calls wait for `asked`. If that is more than `most`, they fail for `most`.
    pub(crate) fn begin(&mut self, now: Instant, asked: Duration, most: Duration) {
        let asked_until = now + asked;
        if asked <= most {
            self.hold = self.hold.max(Some(asked_until));
        } else {
            // One that is over has no say in what is told of this one.
            let (until, asked) = self.bar.filter(|&(until, _)| until > now).unwrap_or((now, now));
            self.bar = Some((until.max(now + most), asked.max(asked_until)));
        }
    }

    #[inline]
    pub(crate) fn until(&self, now: Instant) -> Option<Instant> {
        self.hold.max(self.bar.map(|(until, _)| until)).filter(|&until| until > now)
    }

    /// How long it was asked for from now on, if calls fail meanwhile.
    #[inline]
    pub(crate) fn bars(&self, now: Instant) -> Option<Duration> {
        self.bar.filter(|&(until, _)| until > now).map(|(_, asked)| asked.saturating_duration_since(now))
    }

    /// The clock has gone back: it lasts as long as it would have lasted.
    pub(crate) fn rewind(&mut self, by: Duration) {
        self.hold = self.hold.and_then(|hold| hold.checked_sub(by));
        self.bar = self.bar.and_then(|(until, asked)| Some((until.checked_sub(by)?, asked.checked_sub(by)?)));
    }
}
