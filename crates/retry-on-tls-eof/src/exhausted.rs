//! The error of a call that could have been repeated once more, but for its limits.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tower::BoxError;
use wire_fault::{Fault, Mark, QueryId, Verdict, find};

use crate::history::PastAttempt;
use crate::summary::Summary;

/// Every attempt failed in a way that a repeat can heal, until the attempts, the time or the budget ran out.
///
/// The last attempt's own error is its source; where the deadline cut the last attempt, that is the one before it, and
/// [`DeadlinePassed`](crate::DeadlinePassed) if there is none. The call did not change anything: a call that may have is an
/// [`OutcomeUnknown`](crate::OutcomeUnknown).
#[derive(Debug)]
pub struct Exhausted {
    summary: Summary,
    fault: Fault,
    mark: Mark,
}

impl Exhausted {
    pub(crate) fn new(summary: Summary, fault: Fault, source: BoxError) -> Self {
        let source: Arc<dyn Error + Send + Sync> = source.into();
        let mark = || {
            Mark::verdict(Verdict::Exhausted)
                .with_fault(fault)
                .with_query_id(summary.history.query_id().copied())
                .with_source(Arc::clone(&source))
        };
        let copy = Self { summary: summary.clone(), fault, mark: mark() };
        let mark = mark().with_bearer(copy);
        Self { summary, fault, mark }
    }

    /// The first of its kind in an error's chain of causes.
    #[must_use]
    pub fn of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        find(error)
    }

    /// How many attempts were made. Fewer than the limit where the deadline or the budget left no room for the next one; one
    /// that waited for its turn until the deadline (in a rate limit's queue, say, below a layer that is
    /// [`over_attempt_timeout`](crate::RetryOnTlsEofLayer::over_attempt_timeout)) was not made: 0 if it was the first.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.summary.attempts
    }

    /// From the call's start to its end.
    #[must_use]
    pub const fn elapsed(&self) -> Duration {
        self.summary.elapsed
    }

    /// How the last attempt failed, or the wait for its turn.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        self.fault
    }

    /// OVHcloud's id of the last query that it answered (`X-Ovh-Queryid`), which its support asks for, if the head of a
    /// response came. [`history`](Self::history) has each attempt's.
    #[must_use]
    pub fn query_id(&self) -> Option<&str> {
        self.summary.history.query_id().map(QueryId::as_str)
    }

    /// The failed attempts in order: the last 16, if there were more.
    #[must_use]
    pub fn history(&self) -> &[PastAttempt] {
        self.summary.history.as_slice()
    }
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gave up after {}", self.summary)
    }
}

impl Error for Exhausted {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.mark)
    }
}
