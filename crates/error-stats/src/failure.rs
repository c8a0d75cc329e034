//! One failure, as a streak keeps it.

use std::fmt;

use http::StatusCode;
use wire_fault::{CallId, Cause, Fault, Phase, QueryId, Verdict};

use crate::grpc::GrpcCode;
use crate::wall::Moment;

/// A failed call or attempt.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What it failed with.
    pub reason: Reason,
    /// When its outcome was known.
    pub at: Moment,
    /// The call it was, or was an attempt of. None where no layer had named the call, which the layer of calls does
    /// only where its handle has made a layer of attempts or somebody listens to its DEBUG events; and where the service
    /// failed before it took a request.
    pub call: Option<CallId>,
    /// What the server calls the query, if it said so.
    pub query_id: Option<QueryId>,
}

/// What a call or attempt failed with.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A response: 429 or 5xx.
    Status(StatusCode),
    /// The status of a gRPC call.
    Grpc(GrpcCode),
    /// An error.
    Error {
        /// Where and of what it failed, as [`Fault::of`] reads the error.
        fault: Fault,
        /// What a layer below decided about the call, if one did.
        verdict: Option<Verdict>,
    },
}

impl Reason {
    /// The status, if a response was the failure.
    #[must_use]
    pub const fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status(status) => Some(*status),
            Self::Grpc(_) | Self::Error { .. } => None,
        }
    }

    /// The code, if the status of a gRPC call was the failure.
    #[must_use]
    pub const fn grpc(&self) -> Option<GrpcCode> {
        match self {
            Self::Grpc(code) => Some(*code),
            Self::Status(_) | Self::Error { .. } => None,
        }
    }

    /// The fault, if an error was the failure.
    #[must_use]
    pub const fn fault(&self) -> Option<Fault> {
        match self {
            Self::Status(_) | Self::Grpc(_) => None,
            Self::Error { fault, .. } => Some(*fault),
        }
    }

    /// The verdict of a layer below, if an error was the failure and carried one.
    #[must_use]
    pub const fn verdict(&self) -> Option<Verdict> {
        match self {
            Self::Status(_) | Self::Grpc(_) => None,
            Self::Error { verdict, .. } => *verdict,
        }
    }
}

/// "503 Service Unavailable", "gRPC status UNAVAILABLE", or the fault as a sentence, after the verdict where there is one.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => status.fmt(f),
            Self::Grpc(code) => write!(f, "gRPC status {code}"),
            Self::Error { fault, verdict: None } => fault.fmt(f),
            // A fault of which neither place nor cause is known adds nothing to a verdict.
            Self::Error {
                fault: Fault { phase: Phase::Unknown, cause: Cause::Other, .. },
                verdict: Some(verdict),
            } => verdict.fmt(f),
            Self::Error { fault, verdict: Some(verdict) } => write!(f, "{verdict} ({fault})"),
        }
    }
}
