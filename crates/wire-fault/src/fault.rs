//! The four answers about a failed call: where, whether it arrived, what happened, and whether a repeat can heal it.

/// What is known about a failed call.
///
/// Read off an error by [`Fault::of`]. A `Fault` is small and `Copy`: layers pass it on instead of the error.
///
/// ```
/// use std::io;
/// use wire_fault::{Cause, Delivery, Fault, Healing};
///
/// // An error with no context: the cause can be read, the place can't, so the server may have acted.
/// let fault = Fault::of(&io::Error::from(io::ErrorKind::ConnectionReset));
/// assert_eq!(fault.cause, Cause::Reset);
/// assert_eq!(fault.delivery, Delivery::Perhaps);
/// assert!(fault.may_repeat(true));
/// assert!(!fault.may_repeat(false));
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fault {
    /// Where on its way the call failed.
    pub phase: Phase,
    /// Whether the server can have received the request.
    pub delivery: Delivery,
    /// What happened there.
    pub cause: Cause,
    /// Whether trying again can help.
    pub healing: Healing,
}

/// Where on its way a call failed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// The name was being resolved.
    Dns,
    /// The TCP connection was being made.
    Tcp,
    /// A tunnel through a proxy was being asked for.
    Proxy,
    /// TLS was being negotiated.
    TlsHandshake,
    /// A connection was being made ready or taken from the pool; the request had not been handed to it.
    Pool,
    /// The request had been handed to a connection; no complete response head had come back.
    InFlight,
    /// The response head had arrived; its body was cut.
    Body,
    /// Nothing tells where.
    Unknown,
}

/// Whether the server can have received, and so acted on, the request.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Delivery {
    /// Proven: no complete request can have reached the server.
    NeverSent,
    /// The protocol says that the request was not processed (HTTP/2 `REFUSED_STREAM`, `GOAWAY` below the stream). The crate's
    /// page tells where that is believed, and of a gap in hyper for requests without a body.
    Refused,
    /// Nobody can know.
    Perhaps,
    /// The server answered, so it received the request.
    Answered,
}

/// What happened where the call failed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// The peer closed the connection in the middle of something, without a TLS `close_notify`.
    Eof,
    /// The peer closed the connection in order, but before it had answered.
    CleanClose,
    /// The peer reset the connection, or a write met a closed one.
    Reset,
    /// Time ran out.
    Timeout,
    /// The peer refused the TCP connection, or the network has no way to it.
    ConnectionRefused,
    /// The name could not be resolved.
    Dns,
    /// A proxy did not open the tunnel.
    Proxy,
    /// A certificate was not accepted, by either side.
    Certificate,
    /// The peer ended TLS with a fatal alert.
    TlsAlert,
    /// What the peer said is not the protocol that was expected, or the two have no version in common.
    Protocol,
    /// An HTTP/2 error.
    Http2,
    /// Anything else.
    Other,
}

/// Whether a repeat of the same call can succeed where this one failed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Healing {
    /// It can: the failure is of a kind that passes.
    Transient,
    /// It can't: the same call fails in the same way until somebody changes something.
    Permanent,
    /// The evidence doesn't say.
    Unknown,
}

impl Fault {
    /// A fault about which nothing is known: it may have arrived, and may heal.
    pub const UNKNOWN: Self = Self::new(Phase::Unknown, Delivery::Perhaps, Cause::Other, Healing::Unknown);

    /// A fault from its four answers, for layers that know them first hand.
    #[must_use]
    pub const fn new(phase: Phase, delivery: Delivery, cause: Cause, healing: Healing) -> Self {
        Self { phase, delivery, cause, healing }
    }

    /// Whether the call may be sent again.
    ///
    /// Never after a permanent failure. Otherwise if repeating does no harm: the call is `idempotent`, or the
    /// request was never sent, or it was refused by protocol. [`Healing::Unknown`] may be repeated where it is safe, since
    /// attempts are limited anyway.
    ///
    /// `idempotent` is the caller's knowledge of the request: by [RFC 9110, 9.2.2], `GET`, `HEAD`, `OPTIONS`, `TRACE`,
    /// `PUT` and `DELETE` are.
    ///
    /// [RFC 9110, 9.2.2]: https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2
    #[must_use]
    pub const fn may_repeat(&self, idempotent: bool) -> bool {
        !matches!(self.healing, Healing::Permanent) && (idempotent || !self.may_have_landed())
    }

    /// Whether the server can have acted on the request: it answered, or nobody can know.
    #[must_use]
    pub const fn may_have_landed(&self) -> bool {
        matches!(self.delivery, Delivery::Perhaps | Delivery::Answered)
    }

    /// Whether this is what Python users know as `SSL: UNEXPECTED_EOF_WHILE_READING`: the TLS handshake cut short by
    /// the peer, by a close (with or without `close_notify`) or a reset.
    #[must_use]
    pub const fn is_tls_eof(&self) -> bool {
        matches!(self.phase, Phase::TlsHandshake)
            && matches!(self.cause, Cause::Eof | Cause::CleanClose | Cause::Reset)
    }
}
