//! The limiter itself, for use without a service.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

#[cfg(feature = "server")]
use crate::admission::Standing;
use crate::allowance::QuotasTooLarge;
use crate::bounds::Bounds;
use crate::error::{Bound, RateLimited};
use crate::lane::Outlook;
use crate::permit::{Acquire, Permit};
use crate::quota::Quota;
use crate::quotas::Quotas;
use crate::refusal::Refusal;
use crate::shared::{Shared, State};
use crate::snapshot::Snapshot;
use crate::waiter::Waiter;

/// A rate limit, first come first served.
///
/// Cheap to clone; all clones share one quota and one queue, and may be used from several threads and Tokio
/// runtimes. Waiting takes one timer per runtime, however many wait, and no task. The memory used is 4 KiB, at most
/// 16 bytes per call of each quota, and some 100 bytes per waiting call, at the most there ever were.
///
/// While nobody waits, permits of exact windows are taken without a lock.
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
    pub fn new(quotas: impl Into<Quotas>) -> Self {
        Self::of(Shared::new(quotas.into()), Bounds::default())
    }

    pub(crate) fn of(shared: Arc<Shared>, bounds: Bounds) -> Self {
        Self { shared, bounds }
    }

    /// Refuses calls at once that would wait longer than `most`.
    ///
    /// How long a call waits is known when it arrives: exactly those are refused whose wait, as predicted
    /// then, is longer. It can turn out shorter, when callers ahead leave. If a [pause](Self::pause) or
    /// [another quota](Self::set_quotas) makes it longer than `most`, callers fail once they have waited for that; of
    /// nothing else, though it took longer: who was passed over, or whose service was not ready, waits on. (In a fleet, where
    /// nothing is known of times to come, all fail then.) By default calls wait as long as it takes.
    ///
    /// To know the wait costs the same however many wait, if there is one quota and all calls take one permit. Under several
    /// quotas, or with other costs, what was found out is kept as long as nothing but arrivals happens; the first to ask
    /// after a release, or anything else, takes a step (some 0.1 us, under the lock) and 32 bytes for each call that waits.
    /// The same holds for a [`try_acquire`](Self::try_acquire) that fails, and before services that
    /// [push back](crate::RateLimitLayer::with_backpressure). So does a pause or another quota, if anybody has a bound.
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
    /// At the first poll, if the limiter has a bound and the call would pass it, or it is [paused](Self::pause) for
    /// longer than calls wait. Later only because of a pause or another quota.
    ///
    /// # Cancellation
    ///
    /// A future that is dropped leaves the queue, and uses no permit. One that is woken but not polled,
    /// parked in a `select!` loop say, holds the others up for one [`interval`](crate::Quota::interval) (but at least
    /// 1 ms, and at most 1 s), then is passed over. It keeps its place, and when it is polled again, comes
    /// before all who arrived later.
    ///
    /// # Panics
    ///
    /// If it must wait outside a Tokio runtime with its timer enabled, or in one that has shut down, as
    /// [`tokio::time::sleep`] does.
    pub fn acquire(&self) -> Acquire {
        self.acquire_many(1)
    }

    /// Waits for `cost` permits at once, as [`acquire`](Self::acquire) does for one. Nobody who arrived later comes
    /// before it, even if fewer permits would do. No permits are had at once, and not counted.
    ///
    /// Under a [spaced](crate::Quota::spaced) quota, the next call has to wait `cost` intervals.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire); and at once if the quota has fewer permits than that, or one call of a fleet can't
    /// have as many (2048).
    ///
    /// ```
    /// use rate_limit::{Limiter, Quota};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let limiter = Limiter::new(Quota::per_second(10)?);
    /// limiter.acquire_many(7).await?;
    /// assert_eq!(limiter.snapshot().available, 3);
    /// let refused = limiter.acquire_many(11).await.unwrap_err();
    /// assert!(refused.is_never());
    /// assert_eq!(
    ///     refused.to_string(),
    ///     "rate limit of 10 per 1s: the call takes 11 permits, and at most 10 can be had"
    /// );
    /// # Ok(())
    /// # }
    /// ```
    pub fn acquire_many(&self, cost: u32) -> Acquire {
        Acquire::new(self.clone().into_waiter(cost))
    }

    /// Takes a permit if one is free and nobody waits for it. The bounds don't matter. A fleet's limiter has only those
    /// that are at hand; if it refuses, it asks for one, for the next call.
    ///
    /// # Errors
    ///
    /// If there is none, with the wait until there would be one.
    pub fn try_acquire(&self) -> Result<Permit, RateLimited> {
        self.try_acquire_many(1)
    }

    /// Takes `cost` permits if they are free and nobody waits for them.
    ///
    /// # Errors
    ///
    /// If there are fewer, with the wait until there would be as many.
    pub fn try_acquire_many(&self, cost: u32) -> Result<Permit, RateLimited> {
        let at = self.try_take(cost)?;
        Ok(Permit::new(at, self.clone().into_waiter(cost)))
    }

    /// The same. Returns when they were recorded.
    #[inline]
    pub(crate) fn try_take(&self, cost: u32) -> Result<Instant, RateLimited> {
        let free = if self.shared.outlook() == Outlook::Free { self.shared.take_free(cost) } else { None };
        match free {
            Some(at) => Ok(at),
            None => self.try_acquire_spare(cost),
        }
    }

    fn try_acquire_spare(&self, cost: u32) -> Result<Instant, RateLimited> {
        let at = self.shared.with(|State { queue, .. }, now| {
            if queue.take_spare(now, cost) {
                return Ok(now);
            }
            let wait = queue.predicted(now, cost);
            let bound = match queue.refusal(now, cost) {
                Some(Refusal::Cost) => Bound::Cost { cost, most: queue.most() },
                #[cfg(feature = "redis")]
                Some(Refusal::Away(why)) => Bound::Away(why),
                #[cfg(feature = "redis")]
                Some(Refusal::Share(why)) => Bound::Share { why, cost, most: queue.most_now() },
                Some(_) => Bound::Pause,
                None => Bound::NoWait,
            };
            Err(RateLimited::new(queue.quotas().clone(), wait, bound))
        });
        #[cfg(feature = "redis")]
        let at = at.inspect_err(|_| self.shared.tried(cost));
        at
    }

    /// Other quotas hold from now on, for all clones, and for those who wait.
    ///
    /// What was released before counts: nothing is released unless every window of the new quotas that ends then
    /// holds no more than they allow. Of releases that the old quotas' windows hold no longer only the number is
    /// known; if a new window is longer, they count as if all had been made when the last of them was.
    /// Under a spaced quota after another, the next release comes no earlier than it would have come.
    ///
    /// Callers keep their places. Whose wait becomes longer than its [`max_wait`](Self::with_max_wait) fails once it has
    /// waited for that, and who wants more permits than the new quotas have fails at once.
    ///
    /// # Errors
    ///
    /// Never, unless it is the limiter [of a key](crate::KeyedLimiter#quotas-of-one-key) and would need more memory than is left for
    /// the keys. Then nothing is changed.
    ///
    /// ```
    /// use rate_limit::{Limiter, Quota};
    /// use tokio::time::{Duration, Instant};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let limiter = Limiter::new(Quota::per_second(10)?);
    /// for _ in 0..5 {
    ///     limiter.acquire().await?;
    /// }
    /// limiter.set_quotas(Quota::per_minute(6)?)?;
    /// let begun = Instant::now();
    /// limiter.acquire().await?;
    /// limiter.acquire().await?;
    /// assert_eq!(begun.elapsed(), Duration::from_secs(60));
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_quotas(&self, quotas: impl Into<Quotas>) -> Result<(), QuotasTooLarge> {
        let quotas = quotas.into();
        self.shared.set_quotas(quotas.clone())?;
        tracing::debug!(%quotas, "rate limit changed");
        Ok(())
    }

    /// Releases nobody for as long as was `asked`, by a server say; the whole limiter, once: a pause in a pause
    /// only makes it longer.
    ///
    /// If that is more than `most`, it is cut short to `most`; and as waiting would be in vain, until then calls
    /// fail, those that wait already included, and are told [how long was asked](RateLimited::retry_after). A
    /// pause of more than 366 days is one of 366 days.
    ///
    /// ```
    /// use rate_limit::{Limiter, Quota};
    /// use tokio::time::{Duration, Instant};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// const MOST: Duration = Duration::from_secs(60);
    /// let limiter = Limiter::new(Quota::per_second(10)?);
    /// limiter.pause(Duration::from_secs(5), MOST);
    /// let begun = Instant::now();
    /// limiter.acquire().await?;
    /// assert_eq!(begun.elapsed(), Duration::from_secs(5));
    ///
    /// limiter.pause(Duration::from_secs(86_400), MOST);
    /// assert_eq!(limiter.acquire().await.unwrap_err().retry_after(), Duration::from_secs(86_400));
    /// tokio::time::sleep(MOST).await;
    /// limiter.acquire().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn pause(&self, asked: Duration, most: Duration) {
        self.shared.pause(asked, most);
    }

    /// How the limiter stands.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.shared.with(|State { queue, .. }, now| Snapshot {
            available: queue.spare(now),
            waiting: queue.waiting(),
            next_slot: queue.next_slot(now),
            paused_until: queue.paused_until(now),
            #[cfg(feature = "redis")]
            fleet: queue.fleet(),
        })
    }

    /// The quotas.
    #[must_use]
    pub fn quotas(&self) -> Quotas {
        self.shared.with(|state, _| state.queue.quotas().clone())
    }

    /// How each quota stands, in their order.
    #[cfg(feature = "server")]
    pub(crate) fn standings(&self) -> Vec<Standing> {
        self.shared.with(|state, now| state.queue.standings(now))
    }

    /// How long a call may have to wait for a permit that is free, if it is to be had from elsewhere.
    #[cfg(feature = "server")]
    pub(crate) fn notice(&self) -> Option<Duration> {
        self.shared.notice()
    }

    /// Whether the two are clones, with one quota and one queue.
    ///
    /// ```
    /// use rate_limit::{Limiter, Quota};
    ///
    /// # fn main() -> Result<(), rate_limit::InvalidQuota> {
    /// let limiter = Limiter::new(Quota::per_second(10)?);
    /// assert!(limiter.same_limiter(&limiter.clone().with_max_queue(5)));
    /// assert!(!limiter.same_limiter(&Limiter::new(Quota::per_second(10)?)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn same_limiter(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    #[inline]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    #[inline]
    pub(crate) fn into_shared(self) -> Arc<Shared> {
        self.shared
    }

    #[inline]
    pub(crate) fn into_waiter(self, cost: u32) -> Waiter {
        Waiter::new(self.shared, self.bounds, cost)
    }

    #[inline]
    pub(crate) fn forget_max_queue(&mut self) {
        self.bounds.max_queue = None;
    }

    pub(crate) fn bounds(&self) -> Bounds {
        self.bounds
    }
}

/// As [`Limiter::new`].
impl From<Quotas> for Limiter {
    fn from(quotas: Quotas) -> Self {
        Self::new(quotas)
    }
}

/// As [`Limiter::new`].
impl From<Quota> for Limiter {
    fn from(quota: Quota) -> Self {
        Self::new(quota)
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter")
            .field("quotas", &self.quotas())
            .field("max_wait", &self.bounds.max_wait)
            .field("max_queue", &self.bounds.max_queue)
            .finish_non_exhaustive()
    }
}
