//! The exact window: a log of the releases it still holds.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::Admit;

/// What the log has room for from the start; a larger quota's log grows when it is used.
const ROOM: usize = 1024;

/// At most `n` releases in any `[t, t + window)`.
///
/// A release at `t` counts while `now < t + window`. The log holds those that count, oldest first, so never
/// more than `n` instants of 16 bytes. Each release leaves it once, so the cost per release is constant.
#[derive(Debug)]
pub(crate) struct Window {
    n: usize,
    window: Duration,
    log: VecDeque<Instant>,
}

impl Window {
    pub(super) fn new(n: usize, window: Duration) -> Self {
        Self { n, window, log: VecDeque::with_capacity(n.min(ROOM)) }
    }
}

impl Admit for Window {
    fn available(&mut self, now: Instant) -> usize {
        while self.log.front().is_some_and(|&oldest| now >= oldest + self.window) {
            self.log.pop_front();
        }
        self.n - self.log.len()
    }

    /// The release number `k` from now needs the one `n` before it to have left the window. For `k` below `n`
    /// that one is free or in the log; beyond, it is itself to come, and the pattern repeats one window
    /// later.
    fn wait(&mut self, now: Instant, ahead: usize) -> Duration {
        let free = self.available(now);
        let (rounds, place) = (ahead / self.n, ahead % self.n);
        let first = match place.checked_sub(free) {
            None => Duration::ZERO,
            // `place < n` and the log holds `n - free`, so the index is in it.
            Some(index) => (self.log[index] + self.window).saturating_duration_since(now),
        };
        let rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
        first.saturating_add(self.window.saturating_mul(rounds))
    }

    fn take(&mut self, now: Instant) {
        debug_assert!(self.log.len() < self.n && self.log.back().is_none_or(|&last| last <= now));
        self.log.push_back(now);
    }

    fn give_back(&mut self, at: Instant) {
        // It was recorded just now, so it is among the last. If it has left the window meanwhile, there is
        // nothing to do.
        if let Some(index) = self.log.iter().rposition(|&release| release == at) {
            self.log.remove(index);
        }
    }

    fn rewind(&mut self, now: Instant) {
        for release in self.log.iter_mut().rev().take_while(|release| **release > now) {
            *release = now;
        }
    }
}
