//! The error of a call of which nobody can know whether it landed.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use tower::BoxError;
use wire_fault::{Delivery, Fault, Mark, Phase, QueryId, Verdict, find};

use crate::head::ResponseHead;
use crate::history::PastAttempt;
use crate::summary::Summary;

/// The call may have landed, and was not or may not be repeated: look at the server before you act.
///
/// Returned for a request that changes something (any method but `GET`, `HEAD`, `OPTIONS` and `TRACE`, or one that is
/// [`RetrySafety::IfNeverSent`](crate::RetrySafety::IfNeverSent) or [`Never`](crate::RetrySafety::Never) by its mark or by a
/// rule of the layer) when at least one of its attempts failed after the request could have reached the server, and none was
/// answered in full. Where the layer has a hook that looks
/// ([`with_reconcile`](crate::RetryOnTlsEofLayer::with_reconcile)), it could not tell either.
///
/// Find it in a `BoxError` with [`OutcomeUnknown::of`], also below other errors, and where they hide its type (`Arc`,
/// `anyhow!` of a boxed error).
#[derive(Debug)]
pub struct OutcomeUnknown {
    summary: Summary,
    fault: Fault,
    head: Option<ResponseHead>,
    mark: Mark,
}

impl OutcomeUnknown {
    pub(crate) fn new(summary: Summary, fault: Fault, head: Option<ResponseHead>, source: BoxError) -> Self {
        let source: Arc<dyn Error + Send + Sync> = source.into();
        let mark = || {
            Mark::verdict(Verdict::OutcomeUnknown)
                .with_fault(fault)
                .with_query_id(summary.history.query_id().copied())
                .with_source(Arc::clone(&source))
        };
        let copy = Self { summary: summary.clone(), fault, head: head.clone(), mark: mark() };
        let mark = mark().with_bearer(copy);
        Self { summary, fault, head, mark }
    }

    /// The first of its kind in an error's chain of causes.
    #[must_use]
    pub fn of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        find(error)
    }

    /// The request's method.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.summary.method
    }

    /// The request's path, without its query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.summary.path
    }

    /// How many attempts were made: 1 or more.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.summary.attempts
    }

    /// From the call's start to its end.
    #[must_use]
    pub const fn elapsed(&self) -> Duration {
        self.summary.elapsed
    }

    /// How the last attempt failed that may have landed.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        self.fault
    }

    /// The head of the last response whose body was cut: then the server did answer, if not in full. Only a
    /// [`CollectBody`](crate::CollectBody) below the retry can see that.
    #[must_use]
    pub const fn response_head(&self) -> Option<&ResponseHead> {
        self.head.as_ref()
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

impl fmt::Display for OutcomeUnknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { method, path, .. } = &self.summary;
        let answer = match (self.fault.delivery, self.fault.phase) {
            (Delivery::Answered, Phase::Body) => "complete answer",
            (Delivery::Answered, _) => "final answer",
            _ => "answer",
        };
        write!(f, "{method} {path} may have been carried out: no {answer} to {}", self.summary)
    }
}

impl Error for OutcomeUnknown {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.mark)
    }
}
