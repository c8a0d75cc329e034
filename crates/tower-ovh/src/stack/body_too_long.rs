//! The error of a response that is longer than asked for.

use std::error::Error;
use std::fmt;

use http::StatusCode;
use http::response::Parts;
use wire_fault::{Cause, Delivery, Fault, Healing, Mark, Phase, QueryId, find};

/// A response's body is longer than [`OvhStack::with_body_limit`](crate::OvhStack::with_body_limit) allows.
///
/// The server has acted. No repeat makes it shorter, so there is none.
#[derive(Debug)]
pub struct BodyTooLong {
    limit: usize,
    status: StatusCode,
    query_id: Option<QueryId>,
    mark: Mark,
}

impl BodyTooLong {
    pub(super) fn new(limit: usize, head: &Parts) -> Self {
        let fault = Fault::new(Phase::Body, Delivery::Answered, Cause::Other, Healing::Permanent);
        let query_id = QueryId::in_headers(&head.headers, &QueryId::HEADER);
        let mark = || Mark::fault(fault).with_query_id(query_id);
        let bearing = |mark| Self { limit, status: head.status, query_id, mark };
        bearing(mark().with_bearer(bearing(mark())))
    }

    /// The first in an error's chain of causes, also where a wrapper (an `Arc`, say) hides its type.
    #[must_use]
    pub fn of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        find(error)
    }

    /// The most bytes it may have.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// The response's status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// What OVHcloud's support asks for.
    #[must_use]
    pub fn query_id(&self) -> Option<&str> {
        self.query_id.as_ref().map(QueryId::as_str)
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
