//! How a fleet stands with its server.

use std::fmt;

use ::redis::{ErrorKind, RedisError, ServerErrorKind};
use tokio::time::Instant;

/// How a limiter of a fleet stands with its server: [`Snapshot::fleet`](crate::Snapshot::fleet).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FleetState {
    /// Nothing had to be asked yet.
    Idle,
    /// The server answers.
    Connected,
    /// It does not, and the [`Fallback`](super::Fallback) holds.
    Away {
        /// Since when.
        since: Instant,
        /// What is wrong.
        why: Away,
    },
}

/// Why a fleet's server is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Away {
    /// No connection could be made, or it broke.
    Unreachable,
    /// No answer came in time.
    Silent,
    /// The connection could be made, but not over TLS.
    Tls,
    /// The password is wrong or missing, or the user may not do what is needed.
    Denied,
    /// What lies at the fleet's keys was put there by somebody else.
    WrongType,
    /// It can't be written to: a replica, or a cluster's node that the keys are not at.
    NotWritable,
    /// It is still loading its data.
    Loading,
    /// Any other error that the server has answered; the log (`tracing`, at WARN) has its words.
    Refused,
}

impl Away {
    pub(super) fn of(error: &RedisError) -> Self {
        match error.kind() {
            ErrorKind::Io => Self::Unreachable,
            ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm) => Self::Denied,
            ErrorKind::Server(ServerErrorKind::BusyLoading) => Self::Loading,
            ErrorKind::Server(
                ServerErrorKind::ReadOnly
                | ServerErrorKind::Moved
                | ServerErrorKind::Ask
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown,
            ) => Self::NotWritable,
            // Errors without a kind of their own; in a script, the code may stand within the text.
            _ => {
                let text = error.to_string();
                let says = |word: &str| text.contains(word);
                match () {
                    () if says("WRONGTYPE") => Self::WrongType,
                    () if says("NOAUTH") || says("WRONGPASS") || says("NOPERM") => Self::Denied,
                    () if says("READONLY") => Self::NotWritable,
                    () => Self::Refused,
                }
            }
        }
    }
}

/// "Redis did not answer in time".
impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "Redis can't be reached",
            Self::Silent => "Redis did not answer in time",
            Self::Tls => "no TLS connection to Redis could be made",
            Self::Denied => "Redis denied access (password, user or permissions)",
            Self::WrongType => "the keys in Redis hold something else (wrong type)",
            Self::NotWritable => "this Redis can't be written to (a replica, or another node's keys)",
            Self::Loading => "Redis is loading its data",
            Self::Refused => "Redis answered with an error",
        })
    }
}
