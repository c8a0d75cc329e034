//! What a proxy answers a CONNECT with that no proxy should.

use crate::expect::Expect::{self, Answer, Permanent, Transient, Unclear};
use crate::expect::Reach::Unsent;

#[derive(Debug)]
pub struct ConnectPlay {
    pub name: &'static str,
    /// Written once the CONNECT has been read.
    pub answer: &'static [u8],
    /// Whether it tunnels after that; or ends the connection.
    pub tunnels: bool,
    /// Whether it reads what the client says in the tunnel before `reply` is written.
    pub reply: &'static [u8],
    pub expect: Expect,
}

const GRANTED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

const fn play(name: &'static str, answer: &'static [u8], expect: Expect) -> ConnectPlay {
    ConnectPlay { name, answer, tunnels: false, reply: b"", expect }
}

/// Nothing of a request passes any of these, but for those that tunnel.
pub const CONNECT: &[ConnectPlay] = &[
    ConnectPlay { tunnels: true, ..play("http-1.0", b"HTTP/1.0 200 OK\r\n\r\n", Answer) },
    ConnectPlay { tunnels: true, ..play("length", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Answer) },
    ConnectPlay {
        tunnels: true,
        ..play("continue", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", Unclear)
    },
    play(
        "redirect",
        b"HTTP/1.1 302 Found\r\nlocation: http://login.invalid/\r\ncontent-length: 0\r\n\r\n",
        Unclear,
    ),
    play("status-2000", b"HTTP/1.1 2000 OK\r\n\r\n", Unclear),
    play(
        "too-many-requests",
        b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n",
        Unclear,
    ),
    play("closes-after-200", GRANTED, Transient(Unsent)),
    ConnectPlay { reply: b"220 mail.invalid ESMTP\r\n", ..play("garbage-after-200", GRANTED, Permanent) },
    ConnectPlay {
        reply: b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n",
        ..play("http-after-200", GRANTED, Permanent)
    },
    ConnectPlay {
        reply: &[21, 3, 3, 0, 2, 2, 80],
        ..play("alert-internal-error-after-200", GRANTED, Transient(Unsent))
    },
    ConnectPlay {
        reply: &[21, 3, 3, 0, 2, 2, 40],
        ..play("alert-handshake-failure-after-200", GRANTED, Permanent)
    },
    ConnectPlay {
        reply: &[22, 3, 3, 0, 80, 2, 0],
        ..play("half-hello-after-200", GRANTED, Transient(Unsent))
    },
];
