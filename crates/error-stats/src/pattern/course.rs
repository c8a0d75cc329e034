//! How the calls of the last hours went, one after the other.

use std::time::Duration;

use crate::history::span::Span;
use crate::pattern::sample::Ratio;
use crate::wall::Moment;

/// How many minutes without calls may have passed since: what was so an hour ago may not be so now.
const QUIET: u32 = 60;

/// Up to the second that is `now`.
pub(crate) struct Course {
    pub(crate) minutes: Vec<Span>,
    /// The last of them, each second by itself.
    pub(crate) seconds: Vec<Span>,
    /// The second in which the last call that went well ended, whenever it started.
    pub(crate) last_success: Option<u32>,
    /// How many have not ended.
    pub(crate) under_way: u64,
    pub(crate) now: u32,
    pub(crate) beginning: Moment,
}

impl Course {
    /// The minutes in which calls have ended. None if the last is too long ago.
    pub(crate) fn recent(&self) -> Option<Vec<Span>> {
        let minutes = with_ended(&self.minutes);
        let quiet = (self.now / 60).saturating_sub(minutes.last()?.number);
        (quiet <= QUIET).then_some(minutes)
    }

    /// The seconds since the last call that went well, in which calls have ended; and that call's.
    pub(crate) fn since_success(&self) -> Option<(Vec<Span>, u32)> {
        let last = self.last_success?;
        let mut seconds = with_ended(&self.seconds);
        seconds.retain(|second| second.number >= last);
        Some((seconds, last))
    }

    /// When a second began.
    pub(crate) fn at(&self, second: u32) -> Moment {
        self.beginning.later(Duration::from_secs(second.into()))
    }

    /// The calls from that minute on, so many of which have ended, if those under way go well. Where it takes longer to go well
    /// than to fail, only the failed of the last calls have ended. But if none has gone well since, those under way are no better.
    pub(crate) fn at_best(&self, from: &Span, ended: Ratio) -> Ratio {
        let goes_well = self.last_success.is_some_and(|second| second / 60 > from.number);
        let under_way = if goes_well { self.under_way } else { 0 };
        Ratio::new(ended.failed, ended.of + under_way)
    }
}

fn with_ended(spans: &[Span]) -> Vec<Span> {
    spans.iter().filter(|span| span.ended > 0).copied().collect()
}
