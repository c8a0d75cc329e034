//! The error of a response that is longer than asked for.

use std::error::Error;
use std::fmt;

use wire_fault::{Cause, Delivery, Fault, Healing, Mark, Phase};

/// A response's body is longer than [`OvhStack::with_body_limit`](crate::OvhStack::with_body_limit) allows.
///
/// The server has acted. No repeat makes it shorter, so there is none.
#[derive(Debug)]
pub struct BodyTooLong {
    limit: usize,
    mark: Mark,
}

impl BodyTooLong {
    pub(super) fn new(limit: usize) -> Self {
        let fault = Fault::new(Phase::Body, Delivery::Answered, Cause::Other, Healing::Permanent);
        Self { limit, mark: Mark::fault(fault) }
    }

    /// The most bytes it may have.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }
}

impl fmt::Display for BodyTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the response's body is longer than {} bytes", self.limit)
    }
}

impl Error for BodyTooLong {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.mark)
    }
}
