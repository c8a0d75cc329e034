//! What is wrong over HTTP/1.1.

use super::play::{At, Play, Step, Then};
use crate::ANSWER;
use crate::expect::Expect::{self, Answer, Hidden, Lost, Permanent, Says, Transient, Truncated};
use crate::expect::Reach::{Perhaps, Received};
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

/// A healthy answer but for its first line.
fn says(line: &str) -> Vec<Step> {
    text(format!("{line}\r\ncontent-length: {ANSWER}\r\n\r\n{}", "x".repeat(ANSWER)))
}

/// Once a part of a long request has come.
const fn upload(name: &'static str, steps: fn(u32) -> Vec<Step>, then: Then, expect: Expect) -> Play {
    Play { at: At::Upload, ..Play::received(name, steps, then, expect) }
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
        Transient(Received),
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
    Play::received("http-1.0", |_| says("HTTP/1.0 200 OK"), Then::Fin, Answer),
    Play::received(
        "line-feeds-only",
        |_| text(format!("HTTP/1.1 200 OK\ncontent-length: {ANSWER}\n\n{}", "x".repeat(ANSWER))),
        Then::Fin,
        Answer,
    ),
    Play::received("no-reason", |_| says("HTTP/1.1 200"), Then::Fin, Answer),
    Play::received(
        "unasked-101",
        |_| text("HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n"),
        Then::Fin,
        Says(101),
    ),
    Play::received("status-999", |_| says("HTTP/1.1 999 No"), Then::Fin, Says(999)),
    Play::received("status-099", |_| says("HTTP/1.1 099 No"), Then::Fin, Permanent),
    Play::received("status-20", |_| says("HTTP/1.1 20 OK"), Then::Fin, Permanent),
    Play::received(
        "nul-in-head",
        |_| text("HTTP/1.1 200 OK\r\na: b\0c\r\ncontent-length: 0\r\n\r\n"),
        Then::Fin,
        Permanent,
    ),
    Play::received(
        "negative-length",
        |_| text("HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nhello"),
        Then::Fin,
        Permanent,
    ),
    Play::received(
        "length-beyond-numbers",
        |_| text("HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\nhello"),
        Then::Fin,
        Permanent,
    ),
    Play::received(
        "length-and-chunks",
        |_| {
            text(
                "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            )
        },
        Then::Fin,
        Says(200),
    ),
    // It ends with the connection (RFC 9112, section 6.3).
    Play::received(
        "unknown-coding",
        |_| text("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nhello"),
        Then::HalfClose,
        Truncated,
    ),
    Play::received(
        "chunk-size-beyond-numbers",
        |_| text("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello"),
        Then::Fin,
        Lost,
    ),
    Play::received(
        "chunk-longer-than-said",
        |_| text("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n"),
        Then::Fin,
        Lost,
    ),
    Play::received(
        "trailers-garbage",
        |_| text("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\0\r\n\r\n"),
        Then::Fin,
        Lost,
    ),
    Play::received(
        "no-content-with-content",
        |_| text("HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello"),
        Then::Fin,
        Says(204),
    ),
    Play::received(
        "not-modified",
        |_| text("HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n"),
        Then::Fin,
        Says(304),
    ),
    Play::received(
        "redirects",
        |_| {
            text(
                "HTTP/1.1 307 Temporary Redirect\r\nlocation: https://localhost:1/\r\ncontent-length: 0\r\n\r\n",
            )
        },
        Then::Fin,
        Says(307),
    ),
    Play::received("answer-then-rst", |_| vec![Data(answer())], Then::Rst, Hidden),
    Play::received(
        "answer-and-garbage",
        |_| vec![Data([&answer()[..], b"\0\0garbage"].concat())],
        Then::Fin,
        Answer,
    ),
    // The next request's answer would be this one's second: nobody may take it for that.
    Play::received(
        "answer-twice-and-stay",
        |_| vec![Data([answer(), b"HTTP/1.1 418 Not Yours\r\ncontent-length: 0\r\n\r\n".to_vec()].concat())],
        Then::Serve,
        Answer,
    ),
    Play::received(
        "answer-to-nobody",
        |_| {
            vec![Data(
                [answer(), b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n".to_vec()].concat(),
            )]
        },
        Then::Fin,
        Answer,
    ),
    Play::received(
        "closes-with-its-answer",
        |_| {
            text(format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {ANSWER}\r\n\r\n{}",
                "x".repeat(ANSWER)
            ))
        },
        Then::Fin,
        Answer,
    ),
    Play::received("says-nothing-any-more", |_| vec![], Then::HalfClose, Transient(Received)),
    Play::received(
        "half-a-body-and-no-more",
        |_| vec![Data(answer()[..ANSWER].to_vec())],
        Then::HalfClose,
        Transient(Received),
    ),
    Play::received(
        "unframed-and-no-more",
        |_| text("HTTP/1.1 200 OK\r\n\r\nhello"),
        Then::HalfClose,
        Truncated,
    ),
    Play::received("alert-decode-error-late", |_| vec![Sealed(ALERT, vec![2, 50])], Then::Rst, Permanent),
    Play::received(
        "alert-internal-error-in-the-body",
        |_| vec![Data(answer()[..ANSWER].to_vec()), Sealed(ALERT, INTERNAL_ERROR.to_vec())],
        Then::Fin,
        Transient(Received),
    ),
    Play::received("record-too-long", |_| vec![Clear(vec![23, 3, 3, 0xff, 0xff])], Then::Fin, Lost),
    Play::received(
        "corrupt-record-in-the-body",
        |_| vec![Data(answer()[..ANSWER].to_vec()), Clear([&[23, 3, 3, 0, 32], &[7; 32][..]].concat())],
        Then::Fin,
        Transient(Received),
    ),
    upload("upload-no-more-said", |_| vec![], Then::HalfClose, Transient(Perhaps)),
    upload(
        "upload-answered-and-read-on",
        |_| text("HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n"),
        Then::Read,
        Says(413),
    ),
    upload(
        "upload-answered-and-closed",
        |_| text("HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"),
        Then::HalfClose,
        Says(413),
    ),
    upload(
        "upload-continue-then-rst",
        |_| text("HTTP/1.1 100 Continue\r\n\r\n"),
        Then::Rst,
        Transient(Perhaps),
    ),
    upload(
        "upload-half-an-answer-then-rst",
        |_| text("HTTP/1.1 413 Content Too Large\r\ncontent-le"),
        Then::Rst,
        Transient(Perhaps),
    ),
    upload(
        "upload-alert-internal-error",
        |_| vec![Sealed(ALERT, INTERNAL_ERROR.to_vec())],
        Then::Fin,
        Transient(Perhaps),
    ),
    upload("upload-stalls", |_| vec![], Then::Silence, Transient(Perhaps)),
];
