//! What a peer does.

use crate::expect::Expect;

/// What it does to a request.
#[derive(Debug)]
pub struct Play {
    pub name: &'static str,
    /// TLS 1.2 only.
    pub tls12: bool,
    pub at: At,
    /// What it writes, to the request of this stream (HTTP/2).
    pub steps: fn(u32) -> Vec<Step>,
    pub then: Then,
    /// It declares by protocol that the request was not processed.
    pub refuses: bool,
    pub expect: Expect,
}

impl Play {
    /// Once a request has been received in full.
    pub(super) const fn received(
        name: &'static str,
        steps: fn(u32) -> Vec<Step>,
        then: Then,
        expect: Expect,
    ) -> Self {
        Self { name, tls12: false, at: At::Request, steps, then, refuses: false, expect }
    }

    /// Whether nothing may follow the first attempt.
    pub(crate) fn ends_at_once(&self) -> bool {
        use Expect::{Answer, Overtaken, Permanent, Says, Truncated};
        matches!(self.expect, Answer | Overtaken | Permanent | Says(_) | Truncated)
    }

    /// Whatever was received of it, the protocol says that it was not processed.
    pub(super) const fn refusing(self) -> Self {
        Self { refuses: true, ..self }
    }
}

/// When it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The client's first words of TLS; in HTTP/2 as well.
    Hello,
    /// After the handshake; in HTTP/2 instead of its own SETTINGS.
    Handshake,
    /// The head of a request has come, and a part of its body. One without a body is served.
    Upload,
    /// A request has been received in full.
    Request,
}

/// One thing that is written.
#[derive(Clone, Debug)]
pub enum Step {
    /// Application data.
    Data(Vec<u8>),
    /// The first half of a record of application data.
    Half(Vec<u8>),
    /// An encrypted record of this content type (RFC 8446, section 5.1).
    Sealed(u8, Vec<u8>),
    /// Bytes below TLS.
    Clear(Vec<u8>),
    /// The server's first flight, when it is played to the client's hello, after something was done to it.
    Flight(fn(&mut Vec<u8>)),
}

/// What follows what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The connection goes on, and meets the same with its next request.
    Serve,
    /// Nothing any more, until the client leaves.
    Silence,
    /// The same, but the client has its answer.
    Read,
    /// The server has said its last, and reads on until the client leaves.
    HalfClose,
    Fin,
    Rst,
}
