//! What the end of a call means.

use http::StatusCode;
use wire_fault::{AsFault, Verdict};

use crate::failure::Reason;

/// Whether a response with this status is a failure: 429 and 5xx are.
#[inline]
pub(crate) fn is_failure(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

/// Whether a response that is no failure proves that calls succeed again. A 404 or another 4xx does not.
#[inline]
pub(crate) fn proves_health(status: StatusCode) -> bool {
    status.as_u16() < 400
}

pub(crate) fn reason<M>(error: &impl AsFault<M>) -> Reason {
    Reason::Error { fault: error.as_fault(), verdict: Verdict::of(error.as_error()) }
}
