//! The exact window: no more than `n` permits in any stretch of time that long.

use std::time::Duration;

use tokio::time::Instant;

#[cfg(feature = "server")]
use super::Standing;
use super::log::Log;
use super::{Admit, Planned};
use crate::lane::Taken;

/// At most `n` permits in any `[t, t + window)`.
///
/// A release at `t` counts while `now < t + window`.
#[derive(Debug)]
pub(crate) struct Window {
    n: u32,
    window: Duration,
    log: Log,
}

impl Window {
    /// A window that takes an older one's log over.
    pub(super) fn new(n: u32, window: Duration, mut log: Log) -> Self {
        log.recall(n.into());
        Self { n, window, log }
    }

    /// Records a release if it is allowed. Returns whether another permit is free.
    #[inline]
    pub(super) fn try_take(&mut self, now: Instant, cost: u32) -> Option<bool> {
        self.log.forget(now, self.window);
        let (used, n) = (self.log.used() + u64::from(cost), u64::from(self.n));
        if used > n {
            return None;
        }
        self.log.push(now, cost, self.n);
        Some(used < n)
    }

    /// Records a release that is known to be allowed, if that takes no more memory. What counts no longer stays in the
    /// record meanwhile.
    #[inline]
    pub(super) fn record(&mut self, now: Instant, cost: u32) -> bool {
        let fits = !self.log.is_full();
        if fits {
            self.log.push(now, cost, self.n);
        }
        fits
    }

    /// Records releases of one permit each that are known to have been allowed, in order, up to now.
    pub(super) fn took(&mut self, now: Instant, taken: Taken<'_>) {
        self.log.extend(now, self.window, self.n, taken);
    }
}

impl Admit for Window {
    /// The call needs so many permits to have left the window that its own fit in: the last of these, recorded
    /// or planned, says when.
    fn earliest(&mut self, now: Instant, planned: &[Planned], cost: u32) -> Instant {
        self.log.forget(now, self.window);
        let ahead = planned.last().map_or(0, |last| last.upto);
        let over = (self.log.used() + ahead + u64::from(cost)).saturating_sub(self.n.into());
        let last = match over {
            0 => None,
            _ => self.log.used_at(over, planned),
        };
        last.map_or(now, |last| now.max(last + self.window))
    }

    fn fits(&mut self, now: Instant, ahead: u64, cost: u32) -> bool {
        self.log.forget(now, self.window);
        self.log.used() + ahead + u64::from(cost) <= u64::from(self.n)
    }

    /// Of calls that cost one permit, number `k` needs the one `n` before it to have left the window. For `k`
    /// below `n` that one is free or in the log; beyond, it is itself to come, and the pattern repeats one window
    /// later, whenever the first of them may come.
    fn wait(&mut self, now: Instant, from: Instant, ahead: u64) -> Option<Duration> {
        self.log.forget(now, self.window);
        let (rounds, place) = (ahead / u64::from(self.n), ahead % u64::from(self.n));
        let over = (self.log.used() + place + 1).saturating_sub(self.n.into());
        let first = match over {
            0 => from,
            _ => from.max(self.log.used_at(over, &[])? + self.window),
        };
        let first = first.saturating_duration_since(now);
        let rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
        Some(first.saturating_add(self.window.saturating_mul(rounds)))
    }

    fn free(&mut self, now: Instant) -> u64 {
        self.log.forget(now, self.window);
        u64::from(self.n).saturating_sub(self.log.used())
    }

    fn take(&mut self, now: Instant, cost: u32) -> bool {
        self.log.push(now, cost, self.n);
        self.log.used() < u64::from(self.n)
    }

    fn give_back(&mut self, at: Instant, cost: u32) {
        self.log.remove(at, cost);
    }

    fn rewind(&mut self, now: Instant) {
        self.log.rewind(now);
    }

    #[cfg(feature = "server")]
    fn standings(&mut self, now: Instant) -> Vec<Standing> {
        let free = self.free(now);
        let oldest = self.log.used_at(1, &[]);
        let more = oldest.map(|oldest| (oldest + self.window).saturating_duration_since(now));
        vec![Standing { free, more }]
    }

    fn is_idle(&mut self, now: Instant) -> bool {
        self.log.forget(now, self.window);
        self.log.used() == 0
    }

    fn log(&self) -> (Duration, &Log) {
        (self.window, &self.log)
    }

    fn slot(&self) -> Option<Instant> {
        None
    }
}
