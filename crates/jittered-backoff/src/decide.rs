//! Which results deserve a repeat.

use std::sync::Arc;
use std::time::Duration;

/// What to do about the result of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Decision {
    /// An answer: hand it on. A 404 is an answer, and so is any result that isn't a failure.
    Done,

    /// A failure that no repeat heals: hand it on. The caller gets the same as for [`Done`](Self::Done); the difference is
    /// that it counts as a failure, and is logged as one not repeated (at DEBUG).
    GiveUp,

    /// A failure that a repeat may heal: wait as long as the backoff says.
    Retry,

    /// As [`Retry`](Self::Retry), but at least this long: what the server asked for, read by
    /// [`retry_after`](crate::retry_after()). If it doesn't fit the limits, the result is handed on at once.
    ///
    /// A floor is not jitter: callers that are told the same time, and whose own waits are shorter, come back together.
    /// What the server can bear of that is for a rate limiter below the retry to see to.
    RetryAfter(Duration),
}

/// Decides what to do about the result of an attempt.
///
/// # Contract
///
/// - It is asked once after each attempt that ended, the last one included, before the limits are looked at: it says what
///   the result *is*, not how many repeats there may be.
/// - `attempt` is the number of the attempt that ended, from 1.
/// - It is not asked about a request that can't be repeated ([`Replay`](crate::Replay) answered `None`), nor about an
///   attempt that was dropped.
/// - `request` is the copy that would be sent next, not what the inner service made of the original.
/// - It MUST NOT block, and SHOULD be cheap: it runs while the call's future is polled.
/// - It sees the response's head only; the body has not been read.
///
/// # Closures
///
/// A closure `Fn(&Req, Result<&Res, &E>) -> Decision` decides without looking at the attempt's number. Its arguments need
/// their types written out:
///
/// ```
/// use http::{Request, Response, StatusCode};
/// use jittered_backoff::{Decide, Decision, retry_after};
///
/// let decide = |request: &Request<()>, result: Result<&Response<()>, &std::io::Error>| match result {
///     Err(_) if request.method().is_idempotent() => Decision::Retry,
///     Err(_) => Decision::GiveUp,
///     Ok(response) if response.status() == StatusCode::SERVICE_UNAVAILABLE => {
///         retry_after(response.headers()).map_or(Decision::Retry, Decision::RetryAfter)
///     }
///     Ok(_) => Decision::Done,
/// };
///
/// let request = Request::post("/order").body(()).unwrap();
/// let cut = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
/// assert_eq!(decide.decide(&request, Err(&cut), 1), Decision::GiveUp);
/// ```
pub trait Decide<Req, Res, E> {
    /// What to do about `result`, which attempt number `attempt` (from 1) of `request` had.
    fn decide(&self, request: &Req, result: Result<&Res, &E>, attempt: u32) -> Decision;
}

impl<F, Req, Res, E> Decide<Req, Res, E> for F
where
    F: Fn(&Req, Result<&Res, &E>) -> Decision,
{
    fn decide(&self, request: &Req, result: Result<&Res, &E>, _attempt: u32) -> Decision {
        self(request, result)
    }
}

/// Shared, so that a decision whose type is long or unknown can be cloned for each call:
/// `Arc<dyn Decide<Req, Res, E> + Send + Sync>`.
impl<D, Req, Res, E> Decide<Req, Res, E> for Arc<D>
where
    D: Decide<Req, Res, E> + ?Sized,
{
    fn decide(&self, request: &Req, result: Result<&Res, &E>, attempt: u32) -> Decision {
        (**self).decide(request, result, attempt)
    }
}
