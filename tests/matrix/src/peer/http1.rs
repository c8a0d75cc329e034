//! What is wrong over HTTP/1.1.

use super::play::{Play, Step, Then};
use crate::ANSWER;
use crate::expect::Expect::{Answer, Lost, Permanent, Transient};
use crate::expect::Reach::Received;
use Step::{Clear, Data, Half, Sealed};

/// Content types of TLS.
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
/// An alert's level and number (RFC 8446, section 6).
const CLOSE_NOTIFY: [u8; 2] = [1, 0];
const BAD_RECORD_MAC: [u8; 2] = [2, 20];
const HANDSHAKE_FAILURE: [u8; 2] = [2, 40];
const INTERNAL_ERROR: [u8; 2] = [2, 80];
const ACCESS_DENIED: [u8; 2] = [2, 49];
const CERTIFICATE_EXPIRED: [u8; 2] = [2, 45];
const USER_CANCELED: [u8; 2] = [1, 90];

/// Messages of TLS 1.3 that follow the handshake (RFC 8446, sections 4.6.3 and 4.6.1).
const KEY_UPDATE: [u8; 5] = [24, 0, 0, 1, 0];
const KEY_UPDATE_ASKED_BACK: [u8; 5] = [24, 0, 0, 1, 1];
const TICKET_OF_NOTHING: [u8; 4] = [4, 0, 0, 0];

fn text(text: impl AsRef<[u8]>) -> Vec<Step> {
    vec![Data(text.as_ref().to_vec())]
}

fn answer() -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {ANSWER}\r\n\r\n");
    [head.as_bytes(), &[b'x'; ANSWER]].concat()
}

const HELLO_REQUEST: [u8; 4] = [0; 4];

/// The server had each of these requests in full.
pub const HTTP1: &[Play] = &[
    Play::received("half-record-fin", |_| vec![Half(answer())], Then::Fin, Transient(Received)),
    Play::received("half-record-rst", |_| vec![Half(answer())], Then::Rst, Transient(Received)),
    Play::received(
        "half-record-close-notify",
        |_| vec![Half(answer()), Sealed(ALERT, CLOSE_NOTIFY.to_vec())],
        Then::Fin,
        Transient(Received),
    ),
    Play::received(
        "half-answer-close-notify",
        |_| vec![Data(answer()[..ANSWER].to_vec()), Sealed(ALERT, CLOSE_NOTIFY.to_vec())],
        Then::Fin,
        Transient(Received),
    ),
    // A middlebox that speaks plain HTTP into the connection: of a healing nothing is known.
    Play::received(
        "cleartext-answer",
        |_| vec![Clear(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n".to_vec())],
        Then::Fin,
        Lost,
    ),
    Play::received(
        "corrupt-record",
        |_| vec![Clear([&[23, 3, 3, 0, 32], &[7; 32][..]].concat())],
        Then::Fin,
        Lost,
    ),
    Play::received(
        "alert-internal-error-late",
        |_| vec![Sealed(ALERT, INTERNAL_ERROR.to_vec())],
        Then::Fin,
        Transient(Received),
    ),
    Play::received(
        "alert-bad-record-mac-late",
        |_| vec![Sealed(ALERT, BAD_RECORD_MAC.to_vec())],
        Then::Fin,
        Permanent,
    ),
    Play::received(
        "alert-handshake-failure-late",
        |_| vec![Sealed(ALERT, HANDSHAKE_FAILURE.to_vec())],
        Then::Fin,
        Permanent,
    ),
    Play::received(
        "alert-access-denied-late",
        |_| vec![Sealed(ALERT, ACCESS_DENIED.to_vec())],
        Then::Fin,
        Permanent,
    ),
    Play::received(
        "alert-certificate-expired-late",
        |_| vec![Sealed(ALERT, CERTIFICATE_EXPIRED.to_vec())],
        Then::Fin,
        Permanent,
    ),
    Play::received(
        "alert-user-canceled-late",
        |_| vec![Sealed(ALERT, USER_CANCELED.to_vec()), Sealed(ALERT, CLOSE_NOTIFY.to_vec())],
        Then::Fin,
        Transient(Received),
    ),
    Play::received(
        "key-update-fin",
        |_| vec![Sealed(HANDSHAKE, KEY_UPDATE.to_vec())],
        Then::Fin,
        Transient(Received),
    ),
    Play::received(
        "key-update-asked-back-rst",
        |_| vec![Sealed(HANDSHAKE, KEY_UPDATE_ASKED_BACK.to_vec())],
        Then::Rst,
        Transient(Received),
    ),
    // Sealed with the key that it has just declared old.
    Play::received(
        "key-update-old-key",
        |_| vec![Sealed(HANDSHAKE, KEY_UPDATE.to_vec()), Data(answer())],
        Then::Fin,
        Lost,
    ),
    Play::received(
        "ticket-of-nothing",
        |_| vec![Sealed(HANDSHAKE, TICKET_OF_NOTHING.to_vec())],
        Then::Fin,
        Permanent,
    ),
    Play {
        tls12: true,
        ..Play::received(
            "tls12-renegotiation-fin",
            |_| vec![Sealed(HANDSHAKE, HELLO_REQUEST.to_vec())],
            Then::Fin,
            Transient(Received),
        )
    },
    // What a server does that wants a client's certificate for this path, and gets no renegotiation.
    Play {
        tls12: true,
        ..Play::received(
            "tls12-renegotiation-alert",
            |_| vec![Sealed(HANDSHAKE, HELLO_REQUEST.to_vec()), Sealed(ALERT, HANDSHAKE_FAILURE.to_vec())],
            Then::Fin,
            Permanent,
        )
    },
    Play {
        tls12: true,
        ..Play::received("tls12-half-record-fin", |_| vec![Half(answer())], Then::Fin, Transient(Received))
    },
    Play::received(
        "continue-then-fin",
        |_| text("HTTP/1.1 100 Continue\r\n\r\n"),
        Then::Fin,
        Transient(Received),
    ),
    Play::received(
        "continue-then-rst",
        |_| text("HTTP/1.1 100 Continue\r\n\r\n"),
        Then::Rst,
        Transient(Received),
    ),
    Play::received(
        "continue-then-silence",
        |_| text("HTTP/1.1 100 Continue\r\n\r\n"),
        Then::Silence,
        Transient(Received),
    ),
    Play::received(
        "early-hints-then-rst",
        |_| text("HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"),
        Then::Rst,
        Transient(Received),
    ),
    Play::received(
        "many-hints-then-answer",
        |_| {
            vec![Data(
                [&b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".repeat(50)[..], &answer()].concat(),
            )]
        },
        Then::Fin,
        Answer,
    ),
    Play::received(
        "hints-then-half-head",
        |_| text("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-le"),
        Then::Fin,
        Transient(Received),
    ),
    Play::received(
        "half-trailers",
        |_| text("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-check: 1"),
        Then::Fin,
        Transient(Received),
    ),
    Play::received("two-answers", |_| vec![Data([answer(), answer()].concat())], Then::Fin, Answer),
    Play::received(
        "chunk-garbage",
        |_| text("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzzz\r\n"),
        Then::Fin,
        Lost,
    ),
    Play::received(
        "chunks-without-end",
        |_| text("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"),
        Then::Fin,
        Transient(Received),
    ),
    Play::received(
        "chunks-without-end-close-notify",
        |_| {
            let chunk = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
            vec![Data(chunk.into()), Sealed(ALERT, CLOSE_NOTIFY.to_vec())]
        },
        Then::Fin,
        Transient(Received),
    ),
    Play::received("http-0.9", |_| text("<html>busy</html>\r\n\r\n"), Then::Fin, Permanent),
    Play::received(
        "version-3.0",
        |_| text("HTTP/3.0 200 OK\r\ncontent-length: 0\r\n\r\n"),
        Then::Fin,
        Permanent,
    ),
    Play::received(
        "status-2000",
        |_| text("HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n"),
        Then::Fin,
        Permanent,
    ),
    Play::received(
        "two-lengths",
        |_| text("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!"),
        Then::Fin,
        Permanent,
    ),
    Play::received(
        "many-headers",
        |_| text(format!("HTTP/1.1 200 OK\r\n{}content-length: 0\r\n\r\n", "a: b\r\n".repeat(500))),
        Then::Fin,
        Permanent,
    ),
    Play::received(
        "long-head",
        |_| text(format!("HTTP/1.1 200 OK\r\na: {}", "b".repeat(1024 * 1024))),
        Then::Fin,
        Permanent,
    ),
];
