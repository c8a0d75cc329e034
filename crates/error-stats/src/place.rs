//! Where a call failed, in the terms of the history: a phase, or a response.

use std::fmt;

use http::StatusCode;
use wire_fault::{Cause, Phase};

use crate::failure::Reason;
use crate::grpc::GrpcCode;

/// Where a call failed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// On its way, in this phase.
    Phase(Phase),
    /// It was answered 429, or a gRPC status that means the same: RESOURCE_EXHAUSTED.
    TooManyRequests,
    /// It was answered 5xx, or a gRPC status that means the same ([`GrpcCode`](crate::GrpcCode)).
    ServerError,
}

/// "TLS handshake", "429 responses".
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Phase(phase) => phase.fmt(f),
            Self::TooManyRequests => f.pad("429 responses"),
            Self::ServerError => f.pad("5xx responses"),
        }
    }
}

pub(crate) const PHASES: [Phase; 8] = [
    Phase::Dns,
    Phase::Tcp,
    Phase::Proxy,
    Phase::TlsHandshake,
    Phase::Pool,
    Phase::InFlight,
    Phase::Body,
    Phase::Unknown,
];
pub(crate) const CAUSES: [Cause; 12] = [
    Cause::Eof,
    Cause::CleanClose,
    Cause::Reset,
    Cause::Timeout,
    Cause::ConnectionRefused,
    Cause::Dns,
    Cause::Proxy,
    Cause::Certificate,
    Cause::TlsAlert,
    Cause::Protocol,
    Cause::Http2,
    Cause::Other,
];

/// The phases, 429, 5xx; a phase newer than this crate counts as unknown.
pub(crate) const PLACES: usize = PHASES.len() + 2;

impl Place {
    pub(crate) fn of(reason: &Reason) -> Self {
        match reason {
            Reason::Status(StatusCode::TOO_MANY_REQUESTS) | Reason::Grpc(GrpcCode::ResourceExhausted) => {
                Self::TooManyRequests
            }
            Reason::Status(_) | Reason::Grpc(_) => Self::ServerError,
            Reason::Error { fault, .. } => Self::Phase(fault.phase),
        }
    }

    pub(crate) fn cell(self) -> usize {
        match self {
            Self::Phase(phase) => position(&PHASES, &phase).unwrap_or(PHASES.len() - 1),
            Self::TooManyRequests => PHASES.len(),
            Self::ServerError => PHASES.len() + 1,
        }
    }

    pub(crate) fn at(cell: usize) -> Self {
        match PHASES.get(cell) {
            Some(phase) => Self::Phase(*phase),
            None if cell == PHASES.len() => Self::TooManyRequests,
            None => Self::ServerError,
        }
    }
}

pub(crate) fn position<T: PartialEq>(table: &[T], kind: &T) -> Option<usize> {
    table.iter().position(|known| known == kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_has_a_cell_and_is_read_back_as_itself() {
        for cell in 0..PLACES {
            assert_eq!(Place::at(cell).cell(), cell);
        }
    }
}
