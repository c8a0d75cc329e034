//! The error of a call that could have been repeated once more, but for its limits.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use tower::BoxError;
use wire_fault::{Fault, Mark, Verdict, chain};

use crate::summary::Summary;

/// Every attempt failed in a way that a repeat can heal, until the attempts or the time ran out.
///
/// The last attempt's error is its source. The call did not change anything: a call that may have is an
/// [`OutcomeUnknown`](crate::OutcomeUnknown).
#[derive(Debug)]
pub struct Exhausted {
    summary: Summary,
    fault: Fault,
    mark: Mark,
}

impl Exhausted {
    pub(crate) fn new(summary: Summary, fault: Fault, source: BoxError) -> Self {
        let mark = Mark::verdict(Verdict::Exhausted).with_fault(fault).with_source(source);
        Self { summary, fault, mark }
    }

    /// The first of its kind in an error's chain of causes.
    #[must_use]
    pub fn of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        chain(error).find_map(|error| error.downcast_ref())
    }

    /// How many attempts were made: 1 or more. Fewer than the limit where the next wait would have passed the deadline.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.summary.attempts
    }

    /// From the first attempt's start to the last one's failure.
    #[must_use]
    pub const fn elapsed(&self) -> Duration {
        self.summary.elapsed
    }

    /// How the last attempt failed.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        self.fault
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
