//! The error of a call of which nobody can know whether it landed.

use std::error::Error;
use std::fmt;
use std::mem;
use std::time::Duration;

use http::Method;
use tower::BoxError;
use wire_fault::{Fault, Mark, Verdict, chain};

use crate::attempt::Attempts;
use crate::call::Call;
use crate::head::ResponseHead;
use crate::history::{History, PastAttempt};

/// The call may have landed, and was not or may not be repeated: look at the server before you act.
///
/// Returned for a request that changes something (any method but `GET`, `HEAD`, `OPTIONS` and `TRACE`, or one marked
/// [`RetrySafety::IfNeverSent`](crate::RetrySafety::IfNeverSent)) when at least one of its attempts failed after the
/// request could have reached the server, and none was answered in full. Where the layer has a hook that looks
/// ([`with_reconcile`](crate::RetryOnTlsEofLayer::with_reconcile)), it could not tell either.
///
/// Find it in a `BoxError` with [`OutcomeUnknown::of`], also below other errors.
#[derive(Debug)]
pub struct OutcomeUnknown {
    method: Method,
    path: String,
    attempts: u32,
    elapsed: Duration,
    fault: Fault,
    head: Option<ResponseHead>,
    history: History,
    mark: Mark,
}

impl OutcomeUnknown {
    pub(crate) fn new(call: &mut Call, fault: Fault, source: BoxError) -> Self {
        Self {
            method: call.method.clone(),
            path: call.uri.path().to_owned(),
            attempts: call.attempt.get(),
            elapsed: call.elapsed(),
            fault,
            head: call.head.take(),
            history: mem::take(&mut call.history),
            mark: Mark::verdict(Verdict::OutcomeUnknown).with_fault(fault).with_source(source),
        }
    }

    /// The first of its kind in an error's chain of causes.
    #[must_use]
    pub fn of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        chain(error).find_map(|error| error.downcast_ref())
    }

    /// The request's method.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// The request's path, without its query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// How many attempts were made: 1 or more.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// From the call's start to its end.
    #[must_use]
    pub const fn elapsed(&self) -> Duration {
        self.elapsed
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

    /// OVHcloud's id of the query (`X-Ovh-Queryid`), which its support asks for, if a response's head came.
    #[must_use]
    pub fn query_id(&self) -> Option<&str> {
        self.head.as_ref()?.query_id()
    }

    /// The failed attempts in order: the last 16, if there were more.
    #[must_use]
    pub fn history(&self) -> &[PastAttempt] {
        self.history.as_slice()
    }
}

impl fmt::Display for OutcomeUnknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, path, elapsed, .. } = self;
        let attempts = Attempts(self.attempts);
        let answer = if self.head.is_some() { "complete answer" } else { "answer" };
        write!(f, "{method} {path} may have been carried out: no {answer} to {attempts}, {elapsed:.1?}")?;
        match self.query_id() {
            Some(id) => write!(f, ", query {id}"),
            None => Ok(()),
        }
    }
}

impl Error for OutcomeUnknown {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.mark)
    }
}
