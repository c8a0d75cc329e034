//! What is wrong with the server's first words of TLS. None of these connections carries a request.

use super::play::{At, Play, Step, Then};
use crate::expect::Expect::{self, Answer, Permanent, Transient, Unclear};
use crate::expect::Reach::Unsent;
use Step::{Clear, Flight};

const fn hello(name: &'static str, steps: fn(u32) -> Vec<Step>, then: Then, expect: Expect) -> Play {
    Play { at: At::Hello, ..Play::received(name, steps, then, expect) }
}

/// Over HTTP/1.1 and HTTP/2.
pub const HELLO: &[Play] = &[
    // RFC 6066, section 3: a client may go on.
    hello("hello-warns-of-the-name", |_| vec![Clear(vec![21, 3, 3, 0, 2, 1, 112])], Then::Serve, Answer),
    // What comes of bytes that the network has changed (RFC 8446, section 6.2): TCP's checksum lets some of them pass.
    hello(
        "hello-corrupted",
        |_| vec![Flight(|flight| *flight.last_mut().expect("a byte") ^= 1)],
        Then::Fin,
        Transient(Unsent),
    ),
    Play {
        tls12: true,
        ..hello(
            "tls12-hello-corrupted",
            |_| {
                vec![Flight(|flight| {
                    let at = flight.len() - 30;
                    flight[at] ^= 1;
                })]
            },
            Then::Fin,
            Unclear,
        )
    },
    hello(
        "hello-cut-in-the-certificate-fin",
        |_| vec![Flight(|flight| flight.truncate(flight.len() - 40))],
        Then::Fin,
        Transient(Unsent),
    ),
    hello(
        "hello-cut-in-the-certificate-rst",
        |_| vec![Flight(|flight| flight.truncate(flight.len() - 40))],
        Then::Rst,
        Transient(Unsent),
    ),
    hello("hello-record-too-long", |_| vec![Clear(vec![22, 3, 3, 0xff, 0xff])], Then::Fin, Permanent),
    hello("hello-empty", |_| vec![], Then::Fin, Transient(Unsent)),
    hello("hello-of-ssh", |_| vec![Clear(b"SSH-2.0-OpenSSH_9.6\r\n".to_vec())], Then::Fin, Permanent),
    hello("hello-alert-unknown", |_| vec![Clear(vec![21, 3, 3, 0, 2, 2, 200])], Then::Fin, Permanent),
];
