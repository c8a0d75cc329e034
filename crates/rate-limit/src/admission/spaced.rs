//! Even spacing: governor's GCRA, with a burst of one and our interval and clock.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

use super::Admit;

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

/// Releases at least `interval` apart.
pub(crate) struct Spaced {
    governor: Governor,
    /// The zero of governor's clock.
    begun: Instant,
    interval: Duration,
    last: Option<Instant>,
    /// When governor allows the next release: it has no way to ask without taking, but a refusal tells.
    next: Instant,
}

impl Spaced {
    pub(super) fn new(interval: Duration, now: Instant) -> Self {
        Self { governor: governor(interval), begun: now, interval, last: None, next: now }
    }

    /// Starts afresh, with a release allowed from `now` on.
    fn restart(&mut self, now: Instant) {
        *self = Self::new(self.interval, now);
    }
}

fn governor(interval: Duration) -> Governor {
    #[expect(clippy::expect_used, reason = "a quota's interval is never zero, and that is all it refuses")]
    let quota = Quota::with_period(interval).expect("an interval above zero");
    RateLimiter::direct_with_clock(quota, Told::default())
}

impl Admit for Spaced {
    fn available(&mut self, now: Instant) -> usize {
        usize::from(now >= self.next)
    }

    fn wait(&mut self, now: Instant, ahead: usize) -> Duration {
        let first = self.next.saturating_duration_since(now);
        let ahead = u32::try_from(ahead).unwrap_or(u32::MAX);
        first.saturating_add(self.interval.saturating_mul(ahead))
    }

    fn take(&mut self, now: Instant) {
        self.governor.clock().0.set(now.saturating_duration_since(self.begun));
        let taken = self.governor.check();
        debug_assert!(taken.is_ok(), "`next` is governor's own answer");
        self.last = Some(now);
        // The second question, at the same instant, is always refused, and takes nothing.
        if let Err(until) = self.governor.check() {
            self.next = self.begun + until.earliest_possible();
        }
    }

    fn give_back(&mut self, at: Instant) {
        // governor has no refund. But a release at `at` was allowed, so without it one is allowed from then
        // on; and if another has followed, the next does not depend on this one.
        if self.last == Some(at) {
            self.restart(at);
        }
    }

    fn rewind(&mut self, now: Instant) {
        if self.last.is_some_and(|last| last > now) {
            self.restart(now);
            self.take(now);
        }
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
