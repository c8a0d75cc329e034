//! What a proxy does to one connection.

use http::StatusCode;

use crate::cut_by::{CutBy, Strike};

/// What a proxy does to one connection. Each has a name, which [`Display`](std::fmt::Display) prints and
/// [`FromStr`](std::str::FromStr) reads: `tunnel`, `answer-407`, `garbage`, `long-head`, `cut-connect-rst`, `stall-head`.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyScenario {
    /// It tunnels to the server. Bytes, and the way in which either end closes, FIN or RST, are passed on.
    #[default]
    Tunnel,
    /// CONNECT is answered with this status, and the connection is closed. A status of 407 comes with a challenge for
    /// Basic credentials; 2xx can't be given here, because the client would take it for a tunnel: it is answered as 502.
    Answer(StatusCode),
    /// CONNECT is answered with a line that is not HTTP, and the connection is closed.
    Garbage,
    /// CONNECT is answered with 200 and a head of 128 KiB, which is longer than clients take; then nothing happens.
    LongHead,
    /// The connection is ended at a point.
    Cut {
        /// Where.
        at: ProxyPoint,
        /// By what means. On a proxy without TLS, `close_notify` is a FIN.
        by: CutBy,
    },
    /// At this point the proxy falls silent, until the client leaves or the proxy is shut down.
    Stall(ProxyPoint),
}

/// A point in the opening of a tunnel.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProxyPoint {
    /// The TCP connection stands, and the first byte of the client has arrived; nothing of it has been read.
    Accept,
    /// The CONNECT request has been read in full; nothing has been answered. With TLS to the proxy, the handshake is
    /// complete by then.
    Connect,
    /// As [`Connect`](Self::Connect), and half of the answer's head has been written.
    Head,
    /// The tunnel has been granted, and carries nothing.
    Tunnel,
}

impl ProxyPoint {
    /// All points.
    pub const ALL: [Self; 4] = [Self::Accept, Self::Connect, Self::Head, Self::Tunnel];
}

impl ProxyScenario {
    /// How the connection ends at `point`, if it does.
    pub(crate) fn fault_at(self, point: ProxyPoint) -> Option<Strike> {
        match self {
            Self::Cut { at, by } if at == point => Some(Strike::Cut(by)),
            Self::Stall(at) if at == point => Some(Strike::Stall),
            _ => None,
        }
    }
}
