//! The retry policy.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;
use tower::retry::Policy;

use crate::backoff::Backoff;
use crate::budget::{RetryBudget, RetryPermit};
use crate::decide::{Decide, Decision};
use crate::delays::Delays;
use crate::limits::Limits;
use crate::replay::Replay;
use crate::seeds::Seeds;
use crate::wait::Wait;

/// A [`tower::retry::Policy`]: repeats what [`Decide`] says, after the waits of a [`Backoff`], within [`Limits`].
///
/// A *session* is one call and its repeats. Each has its own stream of waits and its own deadline, which starts with its
/// first attempt. The wait is the longer of what the backoff drew and what the server asked for
/// ([`Decision::RetryAfter`]). A repeat that would not fit the limits is not waited for: the last result is handed on at
/// once. Results pass untouched, and no error is invented.
///
/// A request that can't be copied ([`Replay`]) passes once.
///
/// With a [`RetryBudget`], each session earns its part of a permit when it begins, and each repeat takes one: where there is
/// none, the last result is handed on at once. The permit is used up when the repeat is sent, and goes back if the call
/// is dropped before.
///
/// Each repeat is logged through `tracing` at WARN with the number of the attempt that failed and the wait; a failure that
/// is not repeated at DEBUG.
///
/// ```
/// use std::convert::Infallible;
/// use std::time::Duration;
///
/// use http::Response;
/// use jittered_backoff::{Backoff, BackoffPolicy, Decision};
/// use tower::{Service, ServiceExt, retry::Retry, service_fn};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// let busy = service_fn(|request: &'static str| async move { Ok::<_, Infallible>(request.len()) });
/// let policy = BackoffPolicy::new(Backoff::default(), |_: &&'static str, result: Result<&usize, &Infallible>| {
///     match result {
///         Ok(4) => Decision::Retry,
///         _ => Decision::Done,
///     }
/// });
///
/// let start = tokio::time::Instant::now();
/// assert_eq!(Retry::new(policy, busy).oneshot("ping").await, Ok(4), "the last result, after three attempts");
/// assert!(start.elapsed() >= Duration::from_secs(4), "two waits of at least 2 s");
/// # }
/// ```
///
/// # Cancellation
///
/// Dropping a call's future ends its session at once: no task and no timer is left behind, and other sessions don't notice.
///
/// # Clone
///
/// `Retry` clones the policy for each call, and `D` with it: keep what is heavy behind an `Arc`. Clones share the
/// [`Seeds`], so that each session has its own waits. A clone taken in the midst of a session continues that session.
///
/// # Panics
///
/// A wait needs a tokio runtime with its timer enabled, and panics without one, as [`tokio::time::sleep`] does. tokio's
/// timer counts whole milliseconds and rounds up.
#[derive(Clone)]
pub struct BackoffPolicy<D> {
    backoff: Backoff,
    limits: Limits,
    seeds: Seeds,
    budget: Option<RetryBudget>,
    decide: D,
    session: Option<Session>,
}

/// One call and its repeats.
#[derive(Clone, Debug)]
struct Session {
    began: Instant,
    /// How many attempts have ended.
    made: u32,
    delays: Delays,
    permit: Permit,
}

/// What pays for the repeat that is being waited for. The session's clone has none: there is one repeat to pay for.
#[derive(Debug, Default)]
struct Permit(Option<RetryPermit>);

impl Clone for Permit {
    fn clone(&self) -> Self {
        Self(None)
    }
}

impl<D> BackoffPolicy<D> {
    /// Repeats what `decide` says after the waits of `backoff`, with the default [`Limits`] and seeds from the operating
    /// system.
    pub fn new(backoff: Backoff, decide: D) -> Self {
        Self { backoff, limits: Limits::new(), seeds: Seeds::from_os(), budget: None, decide, session: None }
    }

    /// How many attempts a session has, and how much time.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Where the sessions' seeds come from. With `Seeds::new(root)` the k-th call has the same waits in every run.
    #[must_use]
    pub fn with_seeds(self, seeds: Seeds) -> Self {
        Self { seeds, ..self }
    }

    /// What all sessions have to share. By default there is no such bound.
    #[must_use]
    pub fn with_budget(self, budget: RetryBudget) -> Self {
        Self { budget: Some(budget), ..self }
    }

    fn begin(&self) -> Session {
        if let Some(budget) = &self.budget {
            budget.earn();
        }
        let delays = self.backoff.delays(self.seeds.next_seed());
        Session { began: Instant::now(), made: 0, delays, permit: Permit::default() }
    }
}

impl<D, Req, Res, E> Policy<Req, Res, E> for BackoffPolicy<D>
where
    D: Decide<Req, Res, E>,
    Req: Replay,
{
    type Future = Wait;

    fn retry(&mut self, request: &mut Req, result: &mut Result<Res, E>) -> Option<Wait> {
        // The session is put back only if it goes on.
        let mut session = self.session.take().unwrap_or_else(|| self.begin());
        if !request.is_whole() {
            return None;
        }
        session.made = session.made.saturating_add(1);
        let attempt = session.made;

        let floor = match self.decide.decide(request, result.as_ref(), attempt) {
            Decision::Done => return None,
            Decision::GiveUp => {
                tracing::debug!(attempt, "not repeated: no repeat would heal it");
                return None;
            }
            Decision::Retry => Duration::ZERO,
            Decision::RetryAfter(floor) => floor,
        };
        let wait = session.delays.draw().max(floor);
        let elapsed = session.began.elapsed();
        if !self.limits.fits(attempt, elapsed, wait) {
            tracing::debug!(attempt, ?elapsed, ?wait, "not repeated: outside the limits");
            return None;
        }
        if let Some(budget) = &self.budget {
            let Some(permit) = budget.take() else {
                tracing::debug!(attempt, ?wait, "not repeated: the budget is used up");
                return None;
            };
            session.permit = Permit(Some(permit));
        }
        tracing::warn!(attempt, ?wait, "attempt failed, repeating after a wait");
        self.session = Some(session);
        Some(Wait::new(wait))
    }

    /// Called by `Retry` right before each attempt: the first one begins the session.
    fn clone_request(&mut self, request: &Req) -> Option<Req> {
        // `Retry` asks its own policy before the first attempt and then clones it for the session: until an attempt has
        // ended, what lies here is a session of another call.
        match &mut self.session {
            Some(session) if session.made > 0 => {
                if let Some(permit) = session.permit.0.take() {
                    permit.spend();
                }
            }
            _ => self.session = Some(self.begin()),
        }
        request.replay()
    }
}

impl<D> fmt::Debug for BackoffPolicy<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackoffPolicy")
            .field("backoff", &self.backoff)
            .field("limits", &self.limits)
            .field("budget", &self.budget)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}
