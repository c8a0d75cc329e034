//! The limiter itself, for use without a service.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Instant;

use crate::bounds::Bounds;
use crate::error::{Bound, RateLimited};
use crate::quota::Quota;
use crate::shared::{Shared, State};
use crate::waiter::Waiter;

/// A rate limit, first come first served.
///
/// Cheap to clone; all clones share one quota and one queue, and may be used from several threads and Tokio
/// runtimes. Waiting takes one timer per runtime, however many wait, and no task. The memory used is at most
/// 16 bytes per call of the quota, and some 100 bytes per waiting call, at the most there ever were.
///
/// ```
/// use std::time::Duration;
///
/// use rate_limit::{Limiter, Quota};
/// use tokio::time::Instant;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limiter = Limiter::new(Quota::per_second(10)?);
/// let begun = Instant::now();
/// for _ in 0..25 {
///     limiter.acquire().await?;
///     // … one call …
/// }
/// // Ten at once, ten after a second, five after another.
/// assert_eq!(begun.elapsed(), Duration::from_secs(2));
/// # Ok(())
/// # }
/// ```
///
/// # Clone
///
/// A clone has the bounds ([`with_max_wait`](Self::with_max_wait), [`with_max_queue`](Self::with_max_queue))
/// of the limiter it was cloned from; bounds set later concern only that clone, and its clones. So callers of
/// one quota can be patient to different degrees.
///
/// # Clocks
///
/// Time is tokio's, so a paused clock moves it. Should the clock go back, because another runtime whose clock
/// had been paused was ahead of this one's, nobody waits longer than one window for that.
#[derive(Clone)]
pub struct Limiter {
    shared: Arc<Shared>,
    bounds: Bounds,
}

impl Limiter {
    /// A limiter with all its permits free.
    #[must_use]
    pub fn new(quota: Quota) -> Self {
        Self { shared: Shared::new(quota), bounds: Bounds::default() }
    }

    /// Refuses calls at once that would wait longer than `most`.
    ///
    /// How long a call waits is known when it arrives: exactly those are refused whose wait, as predicted
    /// then, is longer. It can turn out shorter, when callers ahead leave. By default calls wait as long
    /// as it takes.
    #[must_use]
    pub fn with_max_wait(mut self, most: Duration) -> Self {
        self.bounds.max_wait = Some(most);
        self
    }

    /// Refuses calls at once that would wait while `most` others do. With 0, no call ever waits.
    ///
    /// By default any number may wait.
    #[must_use]
    pub fn with_max_queue(mut self, most: usize) -> Self {
        self.bounds.max_queue = Some(most);
        self
    }

    /// Waits for a permit to make one call, in order of arrival: that is, of the first poll.
    ///
    /// The permit counts from the instant at which the future is ready, whether or not the call is then made,
    /// so make it right away.
    ///
    /// # Errors
    ///
    /// At the first poll, if the limiter has a bound and the call would pass it.
    ///
    /// # Cancellation
    ///
    /// A future that is dropped leaves the queue, and uses no permit. One that is woken but not polled,
    /// parked in a `select!` loop say, holds the others up for one [`interval`](Quota::interval) (or 1
    /// ms, if that is longer), then is passed over. It keeps its place, and when it is polled again,
    /// comes before all who arrived later.
    ///
    /// # Panics
    ///
    /// If it must wait outside a Tokio runtime with its timer enabled, or in one that has shut down, as
    /// [`tokio::time::sleep`] does.
    pub fn acquire(&self) -> Acquire {
        Acquire { waiter: self.waiter() }
    }

    /// A permit to make one call now, if there is one that nobody waits for.
    ///
    /// # Errors
    ///
    /// If there is none. The error tells how long a call that arrived now would wait.
    pub fn try_acquire(&self) -> Result<Permit, RateLimited> {
        let taken = self.shared.with(|state, now| {
            if state.queue.take_spare(now) { Ok(Permit { at: now }) } else { Err(state.queue.predicted(now)) }
        });
        taken.map_err(|wait| RateLimited::new(self.shared.quota, wait, Bound::NoWait))
    }

    /// How the limiter stands.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.shared.with(|State { queue, .. }, now| Snapshot {
            available: queue.spare(now),
            waiting: queue.waiting(),
            next_slot: queue.next_slot(now),
        })
    }

    /// The quota.
    #[must_use]
    pub fn quota(&self) -> Quota {
        self.shared.quota
    }

    pub(crate) fn waiter(&self) -> Waiter {
        Waiter::new(Arc::clone(&self.shared), self.bounds)
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter")
            .field("quota", &self.shared.quota)
            .field("max_wait", &self.bounds.max_wait)
            .field("max_queue", &self.bounds.max_queue)
            .finish_non_exhaustive()
    }
}

/// The future of [`Limiter::acquire`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Acquire {
    waiter: Waiter,
}

impl Future for Acquire {
    type Output = Result<Permit, RateLimited>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let turn = ready!(self.waiter.poll_turn(cx));
        Poll::Ready(turn.map(|turn| Permit { at: turn.release() }))
    }
}

/// A permit to make one call, at once. It has been counted; dropping it does not give it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    at: Instant,
}

impl Permit {
    /// The instant from which it counts.
    #[must_use]
    pub fn at(&self) -> Instant {
        self.at
    }
}

/// How a limiter stands: [`Limiter::snapshot`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Calls that wait, those included that were passed over.
    pub waiting: usize,
    /// Permits that are free and that nobody waits for.
    pub available: usize,
    /// When the quota allows the next release, to whoever is first: now, if it allows one already.
    pub next_slot: Instant,
}
