//! Even spacing: governor's GCRA, with a burst of one and our interval and clock.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

#[cfg(feature = "server")]
use super::Standing;
use super::log::Log;
use super::window::Window;
use super::{Admit, Planned};

type Governor = RateLimiter<NotKeyed, InMemoryState, Told, NoOpMiddleware<Duration>>;

/// The clock governor reads: time since `begun`, as it was last told.
#[derive(Debug, Default)]
struct Told(Cell<Duration>);

impl Clock for Told {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.get()
    }
}

/// Releases at least `interval` apart, for each permit of the earlier one.
///
/// Spacing alone keeps the window exact only for calls of one permit (one, and an interval later ten, are eleven),
/// so calls that cost more ask the window too. So do all, while releases count that were not spaced.
pub(crate) struct Spaced {
    governor: Governor,
    /// The zero of governor's clock.
    begun: Instant,
    interval: Duration,
    /// The last release since it began, and how many permits that took.
    last: Option<(Instant, u32)>,
    /// When governor allows the next release: it has no way to ask without taking, but a refusal tells.
    next: Instant,
    window: Window,
    /// Until when the window may hold releases that were not spaced.
    mixed_until: Instant,
}

impl Spaced {
    /// Allows the first release no earlier than `slot`, and than one interval after the last in the window.
    pub(super) fn new(interval: Duration, window: Window, slot: Instant) -> Self {
        let (length, log) = window.log();
        let (begun, mixed_until) = match log.last() {
            Some(last) => (slot.max(last + interval), last + length),
            None => (slot, slot),
        };
        Self { governor: governor(interval), begun, interval, last: None, next: begun, window, mixed_until }
    }

    /// Starts afresh, with a release allowed from `now` on.
    fn restart(&mut self, now: Instant) {
        (self.governor, self.begun, self.next, self.last) = (governor(self.interval), now, now, None);
    }

    fn record(&mut self, now: Instant, cost: u32) {
        // A call of `cost` permits takes as many cells, one after the other; governor sees the last of them.
        let ahead = self.interval.saturating_mul(cost.saturating_sub(1));
        self.governor.clock().0.set(now.saturating_duration_since(self.begun).saturating_add(ahead));
        let taken = self.governor.check();
        debug_assert!(taken.is_ok(), "`next` is governor's own answer");
        self.last = Some((now, cost));
        // The second question, at the same instant, is always refused, and takes nothing.
        if let Err(until) = self.governor.check() {
            self.next = self.begun + until.earliest_possible();
        }
    }
}

fn governor(interval: Duration) -> Governor {
    #[expect(clippy::expect_used, reason = "a quota's interval is never zero, and that is all it refuses")]
    let quota = Quota::with_period(interval).expect("an interval above zero");
    RateLimiter::direct_with_clock(quota, Told::default())
}

impl Admit for Spaced {
    fn earliest(&mut self, now: Instant, planned: &[Planned], cost: u32) -> Instant {
        let next = planned.last().map_or(self.next, |last| {
            last.at + self.interval.saturating_mul(u32::try_from(last.cost).unwrap_or(u32::MAX))
        });
        let spaced = now.max(next);
        if cost > 1 || now < self.mixed_until {
            spaced.max(self.window.earliest(now, planned, cost))
        } else {
            spaced
        }
    }

    fn fits(&mut self, now: Instant, ahead: u64, cost: u32) -> bool {
        // Whoever is ahead takes the one slot there can be now.
        ahead == 0
            && now >= self.next
            && ((cost <= 1 && now >= self.mixed_until) || self.window.fits(now, 0, cost))
    }

    fn wait(&mut self, now: Instant, from: Instant, ahead: u64) -> Option<Duration> {
        if now < self.mixed_until {
            return None;
        }
        let first = self.next.max(from).saturating_duration_since(now);
        let ahead = u32::try_from(ahead).unwrap_or(u32::MAX);
        Some(first.saturating_add(self.interval.saturating_mul(ahead)))
    }

    fn free(&mut self, now: Instant) -> u64 {
        u64::from(self.fits(now, 0, 1))
    }

    fn take(&mut self, now: Instant, cost: u32) -> bool {
        // What it no longer holds must leave it even if nobody asks it.
        self.window.free(now);
        self.window.take(now, cost);
        self.record(now, cost);
        false
    }

    fn give_back(&mut self, at: Instant, cost: u32) {
        self.window.give_back(at, cost);
        // governor has no refund. But a release at `at` was allowed, so without it one is allowed from then
        // on; and if another has followed, the next does not depend on this one.
        if self.last.is_some_and(|(last, _)| last == at) {
            self.restart(at);
        }
    }

    fn rewind(&mut self, now: Instant) {
        let (length, log) = self.window.log();
        // Those that were spaced are taken to have come at their intervals up to now; the others, all at once.
        let mixed = log.last().is_some_and(|last| last < self.mixed_until);
        self.mixed_until = self.mixed_until.min(if mixed { now + length } else { now });
        self.window.rewind(now);
        match self.last {
            Some((last, cost)) if last > now => {
                self.restart(now);
                self.record(now, cost);
            }
            None if self.next > now + self.interval => self.restart(now + self.interval),
            _ => {}
        }
    }

    #[cfg(feature = "server")]
    fn standings(&mut self, now: Instant) -> Vec<Standing> {
        let wait = self.earliest(now, &[], 1).saturating_duration_since(now);
        vec![Standing { free: self.free(now), more: (!wait.is_zero()).then_some(wait) }]
    }

    fn is_idle(&mut self, now: Instant) -> bool {
        now >= self.next && self.window.is_idle(now)
    }

    fn log(&self) -> (Duration, &Log) {
        self.window.log()
    }

    fn slot(&self) -> Option<Instant> {
        Some(self.next)
    }
}

impl fmt::Debug for Spaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spaced")
            .field("interval", &self.interval)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}
