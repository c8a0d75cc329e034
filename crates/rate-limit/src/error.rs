//! The one error this crate invents.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use wire_fault::{Cause, Delivery, Fault, Healing, Mark, Phase, Verdict};

use crate::quotas::Quotas;
#[cfg(feature = "redis")]
use crate::redis::Away;

/// The error type of [`RateLimit`](crate::RateLimit): the inner service's error, boxed, or [`RateLimited`].
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The limiter has refused a call: it was not sent.
///
/// Its [`source`](Error::source) is a [`Mark`] with [`Verdict::RefusedLocally`] and a fault that says so:
/// never sent, and not to be repeated at once.
///
/// ```
/// use std::time::Duration;
///
/// use rate_limit::{Limiter, Quota};
/// use wire_fault::{Delivery, Fault, Verdict};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limiter = Limiter::new(Quota::per_second(1)?);
/// limiter.try_acquire()?;
/// let refused = limiter.try_acquire().unwrap_err();
/// assert_eq!(refused.retry_after(), Duration::from_secs(1));
/// assert_eq!(Verdict::of(&refused), Some(Verdict::RefusedLocally));
/// assert_eq!(Fault::of(&refused).delivery, Delivery::NeverSent);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RateLimited {
    quotas: Quotas,
    retry_after: Duration,
    bound: Bound,
    mark: Mark,
}

/// What the call would have passed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    /// It would not wait at all.
    NoWait,
    Wait(Duration),
    Queue {
        waiting: usize,
        most: usize,
    },
    /// It has waited so long, and that was enough.
    Waited(Duration),
    /// A pause is longer than calls wait for.
    Pause,
    Cost {
        cost: u32,
        most: u32,
    },
    /// All keys are in use.
    Keys(usize),
    /// The server of its fleet is away.
    #[cfg(feature = "redis")]
    Away(Away),
    /// The same, and meanwhile so many permits can be had.
    #[cfg(feature = "redis")]
    Share {
        why: Away,
        cost: u32,
        most: u32,
    },
}

impl RateLimited {
    pub(crate) fn new(quotas: Quotas, retry_after: Duration, bound: Bound) -> Self {
        let fault = Fault::new(Phase::Unknown, Delivery::NeverSent, Cause::Other, Healing::Permanent);
        let mark = Mark::verdict(Verdict::RefusedLocally).with_fault(fault);
        Self { quotas, retry_after, bound, mark }
    }

    /// When the quota would have had a permit for this call: how long it would have waited, as predicted when
    /// it was refused. In a pause that somebody has asked for, what is left of it. [`Duration::MAX`] if
    /// [never](Self::is_never).
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        self.retry_after
    }

    /// Whether the quota will never have permits for this call: its cost is above the quota, or above the 2048 permits that
    /// one call of a fleet can have.
    #[must_use]
    pub fn is_never(&self) -> bool {
        matches!(self.bound, Bound::Cost { .. })
    }

    /// Whether it was refused only because there is no permit, and it would not wait.
    #[cfg(feature = "server")]
    pub(crate) fn is_for_now(&self) -> bool {
        matches!(self.bound, Bound::NoWait)
    }

    /// Why the server of a [fleet](crate::redis) is of no use, if that is why the call was refused: at all, or because it
    /// costs more than the fleet's [`Fallback`](crate::redis::Fallback) has.
    #[cfg(feature = "redis")]
    #[must_use]
    pub fn away(&self) -> Option<Away> {
        match self.bound {
            Bound::Away(why) | Bound::Share { why, .. } => Some(why),
            _ => None,
        }
    }

    /// The quotas of the limiter.
    #[must_use]
    pub fn quotas(&self) -> &Quotas {
        &self.quotas
    }
}

/// "rate limit of 10 per 1s: the call would wait 1.5s, and may wait 1s".
impl fmt::Display for RateLimited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { quotas: quota, retry_after, .. } = self;
        match self.bound {
            Bound::NoWait => write!(f, "rate limit of {quota}: no permit is free for {retry_after:?}"),
            Bound::Wait(most) => {
                write!(f, "rate limit of {quota}: the call would wait {retry_after:?}, and may wait {most:?}")
            }
            Bound::Queue { waiting, most } => write!(
                f,
                "rate limit of {quota}: {waiting} calls are waiting, and {most} may; the call would wait \
                 {retry_after:?}"
            ),
            Bound::Waited(waited) => write!(
                f,
                "rate limit of {quota}: the call has waited {waited:?}, would wait {retry_after:?} longer, and may not"
            ),
            Bound::Pause => write!(f, "rate limit of {quota}: paused for {retry_after:?}"),
            Bound::Cost { cost, most } if most < quota.most() => write!(
                f,
                "rate limit of {quota}: the call takes {cost} permits, and one call of a fleet can have at most {most}"
            ),
            Bound::Cost { cost, most } => write!(
                f,
                "rate limit of {quota}: the call takes {cost} permits, and at most {most} can be had"
            ),
            Bound::Keys(most) => write!(f, "rate limit of {quota}: all of {most} keys are in use"),
            #[cfg(feature = "redis")]
            Bound::Away(why) => write!(f, "rate limit of {quota}: {why}"),
            #[cfg(feature = "redis")]
            Bound::Share { why, cost, most } => write!(
                f,
                "rate limit of {quota}: the call takes {cost} permits, and at most {most} can be had now: {why}"
            ),
        }
    }
}

impl Error for RateLimited {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.mark)
    }
}
