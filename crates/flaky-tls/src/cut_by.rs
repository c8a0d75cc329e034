//! By what means a connection is ended.

/// The means by which a connection is ended.
///
/// What a rustls client sees: during the handshake [`Fin`](Self::Fin) and [`CloseNotify`](Self::CloseNotify) are the
/// end of the handshake's input ("tls handshake eof"; after a ServerHello of TLS 1.3 the latter is
/// `AlertReceived(CloseNotify)`), and [`Rst`](Self::Rst) is a connection reset. After it `Fin` is an
/// `UnexpectedEof`, `CloseNotify` an orderly end of the stream, and `Rst` a connection reset.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CutBy {
    /// A TCP FIN, with no `close_notify` before it. The server then reads and throws away what the client still sends,
    /// until the client closes or five seconds of tokio's clock have passed, so that no RST follows the FIN while the
    /// client listens.
    Fin,
    /// A TCP RST. What was written before it has been handed to the client's kernel; Linux lets the client read it
    /// first.
    Rst,
    /// A TLS `close_notify` alert and then a FIN. In the handshake the alert is sent in the clear.
    CloseNotify,
}

impl CutBy {
    /// All means.
    pub const ALL: [Self; 3] = [Self::Fin, Self::Rst, Self::CloseNotify];
}

/// What happens once the point is reached.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Strike {
    Cut(CutBy),
    Stall,
}
