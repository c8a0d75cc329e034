//! What the end of a call means.

use http::StatusCode;
use wire_fault::{AsFault, Verdict};

use crate::failure::Reason;
use crate::grpc::GrpcCode;

/// An answer: what a response says of how the call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Http(StatusCode),
    Grpc(GrpcCode),
}

impl Answer {
    #[inline]
    pub(crate) fn is_failure(self) -> bool {
        match self {
            Self::Http(status) => is_failure(status),
            Self::Grpc(code) => code.is_failure(),
        }
    }

    #[inline]
    pub(crate) fn proves_health(self) -> bool {
        match self {
            Self::Http(status) => proves_health(status),
            Self::Grpc(code) => code == GrpcCode::Ok,
        }
    }

    pub(crate) fn reason(self) -> Reason {
        match self {
            Self::Http(status) => Reason::Status(status),
            Self::Grpc(code) => Reason::Grpc(code),
        }
    }
}

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
