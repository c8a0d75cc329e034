//! The error of a call of which nobody can know whether it landed.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use http::Method;
use tower::BoxError;
use wire_fault::{Fault, Mark, Verdict, chain};

use crate::summary::Summary;

/// The call may have landed, and was not or may not be repeated: look at the server before you act.
///
/// Returned for a request that changes something (any method but `GET`, `HEAD`, `OPTIONS` and `TRACE`, or one marked
/// [`RetrySafety::IfNeverSent`](crate::RetrySafety::IfNeverSent)) when at least one of its attempts failed after the
/// request could have reached the server, and none was answered.
///
/// Find it in a `BoxError` with [`OutcomeUnknown::of`], also below other errors.
#[derive(Debug)]
pub struct OutcomeUnknown {
    summary: Summary,
    fault: Fault,
    mark: Mark,
}

impl OutcomeUnknown {
    pub(crate) fn new(summary: Summary, fault: Fault, source: BoxError) -> Self {
        let mark = Mark::verdict(Verdict::OutcomeUnknown).with_fault(fault).with_source(source);
        Self { summary, fault, mark }
    }

    /// The first of its kind in an error's chain of causes.
    #[must_use]
    pub fn of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        chain(error).find_map(|error| error.downcast_ref())
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

    /// From the first attempt's start to the last one's failure.
    #[must_use]
    pub const fn elapsed(&self) -> Duration {
        self.summary.elapsed
    }

    /// How the last attempt failed that may have landed.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        self.fault
    }
}

impl fmt::Display for OutcomeUnknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { method, path, .. } = &self.summary;
        write!(f, "{method} {path} may have been carried out: no answer to {}", self.summary)
    }
}

impl Error for OutcomeUnknown {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.mark)
    }
}
