use std::error::Error;
use std::fmt;
use std::time::Duration;

use wire_fault::{Fault, Mark};

use super::range::{MAX, MIN};
use crate::deadline::{IN_FLIGHT, NOT_BEGUN, NOT_SENT};

/// An attempt got no answer in its time.
#[derive(Debug)]
pub struct AttemptTimedOut {
    after: Duration,
    fault: Fault,
    mark: Mark,
}

impl AttemptTimedOut {
    /// It came when the call's time was up.
    pub(super) fn too_late() -> Self {
        Self::new(Duration::ZERO, NOT_BEGUN)
    }

    pub(crate) const fn is_too_late(&self) -> bool {
        self.after.is_zero()
    }

    pub(super) fn before_sent(after: Duration) -> Self {
        Self::new(after, NOT_SENT)
    }

    pub(super) fn in_flight(after: Duration) -> Self {
        Self::new(after, IN_FLIGHT)
    }

    fn new(after: Duration, fault: Fault) -> Self {
        Self { after, fault, mark: Mark::fault(fault) }
    }

    /// The time that the attempt had: the layer's, or what was left until the call's [`Deadline`](crate::Deadline).
    #[must_use]
    pub const fn after(&self) -> Duration {
        self.after
    }

    /// Whether the request can have been sent in it.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        self.fault
    }
}

impl fmt::Display for AttemptTimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_too_late() {
            return f
                .write_str("the call's deadline had passed before the attempt's turn came; it was not sent");
        }
        write!(f, "no answer within {:?}", self.after)
    }
}

impl Error for AttemptTimedOut {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.mark)
    }
}

/// A time limit out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidTimeout(pub(super) Duration);

impl fmt::Display for InvalidTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an attempt's time limit of {:?} is out of range: {MIN:?} to {MAX:?}", self.0)
    }
}

impl Error for InvalidTimeout {}
