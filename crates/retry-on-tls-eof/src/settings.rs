//! What all calls through one layer have in common.

use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, StatusCode, Uri};
use jittered_backoff::{Backoff, Limits, RetryBudget, Seeds};

use crate::attempt::Attempt;
use crate::history::Failure;
use crate::safety::RetrySafety;

type OnRetry = dyn Fn(Failure, Duration, Attempt) + Send + Sync;
type Rule = dyn Fn(&Method, &Uri) -> bool + Send + Sync;

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) backoff: Backoff,
    pub(crate) limits: Limits,
    pub(crate) seeds: Seeds,
    pub(crate) budget: Option<RetryBudget>,
    pub(crate) on_retry: Option<Arc<OnRetry>>,
    pub(crate) never: Option<Arc<Rule>>,
    pub(crate) refusals: Refusals,
    pub(crate) honours_idempotency_key: bool,
    pub(crate) over_attempt_timeout: bool,
}

impl Settings {
    pub(crate) fn new(backoff: Backoff) -> Self {
        Self {
            backoff,
            limits: Limits::new(),
            seeds: Seeds::from_os(),
            budget: None,
            on_retry: None,
            never: None,
            refusals: Refusals::default(),
            honours_idempotency_key: false,
            over_attempt_timeout: false,
        }
    }

    /// `Never` comes first, whoever says it: no other word on the request can lift it.
    pub(crate) fn safety_of<B>(&self, request: &Request<B>) -> RetrySafety {
        let ruled_out = self.never.as_ref().is_some_and(|never| never(request.method(), request.uri()));
        if ruled_out {
            return RetrySafety::Never;
        }
        match request.extensions().get() {
            Some(&said) => said,
            None if self.honours_idempotency_key && has_idempotency_key(request) => RetrySafety::Idempotent,
            None => RetrySafety::of_method(request.method()),
        }
    }

    /// A panic of the hook ends here: it must not become the call's.
    pub(crate) fn tell_of_retry(&self, failure: Failure, wait: Duration, attempt: Attempt) {
        let Some(hook) = &self.on_retry else { return };
        if catch_unwind(AssertUnwindSafe(|| hook(failure, wait, attempt))).is_err() {
            tracing::error!(%attempt, "the on_retry hook panicked");
        }
    }
}

/// draft-ietf-httpapi-idempotency-key-header; an empty value names nothing.
fn has_idempotency_key<B>(request: &Request<B>) -> bool {
    request.headers().get("idempotency-key").is_some_and(|key| !key.is_empty())
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("backoff", &self.backoff)
            .field("limits", &self.limits)
            .field("budget", &self.budget)
            .field("refusals", &self.refusals)
            .field("honours_idempotency_key", &self.honours_idempotency_key)
            .field("over_attempt_timeout", &self.over_attempt_timeout)
            .finish_non_exhaustive()
    }
}

/// The statuses by which a server can say that it did not act, each with its bit.
///
/// 421 (misdirected), 425 (too early), 429 (too many), 503 (unavailable): RFC 9110, 8470 and 6585. A 408 or another 5xx
/// can come of a request that was acted on.
const REFUSALS: [(u16, u8); 4] = [(421, 1), (425, 2), (429, 4), (503, 8)];

/// Those of them that the caller has declared.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Refusals(u8);

impl Refusals {
    pub(crate) fn with(self, status: u16) -> Result<Self, NoRefusal> {
        match REFUSALS.iter().find(|(known, _)| *known == status) {
            Some((_, bit)) => Ok(Self(self.0 | bit)),
            None => Err(NoRefusal(status)),
        }
    }

    pub(crate) fn contain(self, status: StatusCode) -> bool {
        REFUSALS.iter().any(|(known, bit)| *known == status.as_u16() && self.0 & bit != 0)
    }
}

/// A status that can't be declared a refusal ([`repeat_refused`](crate::RetryOnTlsEofLayer::repeat_refused)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRefusal(u16);

impl fmt::Display for NoRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {} does not say that a request was refused: 421, 425, 429 and 503 can", self.0)
    }
}

impl Error for NoRefusal {}
