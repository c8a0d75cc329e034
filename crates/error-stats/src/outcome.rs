//! How a call ended, and what that means.

use http::StatusCode;
use wire_fault::{AsFault, Verdict};

use crate::failure::Reason;

/// How a call or attempt that was not cancelled ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    /// With a response that is no failure.
    Answered(StatusCode),
    /// With an error, a 429 or a 5xx.
    Failed(Reason),
}

impl Outcome {
    pub(crate) fn of_response(status: StatusCode) -> Self {
        if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            Self::Failed(Reason::Status(status))
        } else {
            Self::Answered(status)
        }
    }

    pub(crate) fn of_error<M>(error: &impl AsFault<M>) -> Self {
        Self::Failed(reason(error))
    }
}

pub(crate) fn reason<M>(error: &impl AsFault<M>) -> Reason {
    Reason::Error { fault: error.as_fault(), verdict: Verdict::of(error.as_error()) }
}

/// Whether a response that is no failure proves that calls succeed again. A 404 or another 4xx does not.
pub(crate) fn proves_health(status: StatusCode) -> bool {
    status.as_u16() < 400
}
