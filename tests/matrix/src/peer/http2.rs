//! What is wrong over HTTP/2.

use super::frames::{
    ACK, CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY, HEADERS,
    INITIAL_WINDOW_SIZE, INTERNAL_ERROR, MAX_CONCURRENT_STREAMS, NO_ERROR, PING, PROTOCOL_ERROR,
    PUSH_PROMISE, REFUSED_STREAM, SETTINGS, SETTINGS_TIMEOUT, WINDOW_UPDATE, answer, frame, go_away, head,
    head_of, reset, settings,
};
use super::play::{At, Play, Step, Then};
use crate::ANSWER;
use crate::expect::Expect::{
    self, Answer, Hidden, Hopeless, Lost, Overtaken, Permanent, Says, Transient, Truncated,
};
use crate::expect::Reach::{GoneAway, Perhaps, Received, Refused};

/// The highest number of a stream: a GOAWAY with it is a first warning.
const ALL_STREAMS: u32 = 0x7fff_ffff;

fn data<const N: usize>(frames: &[Vec<u8>; N]) -> Vec<Step> {
    vec![Step::Data(frames.concat())]
}

fn part(stream: u32) -> Vec<u8> {
    [head(stream), frame(DATA, 0, stream, b"half of it")].concat()
}

/// Once a part of a long request has come.
const fn upload(name: &'static str, steps: fn(u32) -> Vec<Step>, then: Then, expect: Expect) -> Play {
    Play { at: At::Upload, ..Play::received(name, steps, then, expect) }
}

/// In place of the server's first SETTINGS.
const fn first(name: &'static str, steps: fn(u32) -> Vec<Step>, then: Then, expect: Expect) -> Play {
    Play { at: At::Handshake, ..Play::received(name, steps, then, expect) }
}

/// The server had each of these requests in full, unless it is played before.
pub const HTTP2: &[Play] = &[
    // What refuses a stream refuses nothing once it was answered.
    Play::received(
        "h2-late-reset-internal-error",
        |s| data(&[part(s), reset(s, INTERNAL_ERROR)]),
        Then::Serve,
        Transient(Received),
    ),
    Play::received(
        "h2-late-reset-refused-stream",
        |s| data(&[part(s), reset(s, REFUSED_STREAM)]),
        Then::Serve,
        Transient(Received),
    ),
    Play::received(
        "h2-late-reset-protocol-error",
        |s| data(&[part(s), reset(s, PROTOCOL_ERROR)]),
        Then::Serve,
        Lost,
    ),
    // hyper 1.12 ends a body in order wherever a stream or connection ends with NO_ERROR: nobody above can know better.
    Play::received("h2-late-goaway-below", |s| data(&[part(s), go_away(0, NO_ERROR)]), Then::Fin, Truncated),
    Play::received(
        "h2-late-goaway-below-calm",
        |s| data(&[part(s), go_away(0, ENHANCE_YOUR_CALM)]),
        Then::Fin,
        Transient(Received),
    ),
    Play::received("h2-late-fin", |s| data(&[part(s)]), Then::Fin, Transient(Received)),
    Play::received("h2-late-rst", |s| data(&[part(s)]), Then::Rst, Transient(Received)),
    Play::received(
        "h2-hints-then-reset",
        |s| data(&[head_of(s, b"103"), reset(s, INTERNAL_ERROR)]),
        Then::Serve,
        Transient(Received),
    ),
    // Nothing was done, says the protocol, whatever the hints had promised.
    Play {
        refuses: true,
        ..Play::received(
            "h2-hints-then-refused",
            |s| data(&[head_of(s, b"103"), reset(s, REFUSED_STREAM)]),
            Then::Serve,
            Transient(Refused),
        )
    },
    Play::received(
        "h2-answer-then-no-error",
        |s| data(&[answer(s, &[b'x'; ANSWER]), reset(s, NO_ERROR)]),
        Then::Serve,
        Answer,
    ),
    Play::received(
        "h2-warned-then-fin",
        |_| data(&[go_away(ALL_STREAMS, NO_ERROR)]),
        Then::Fin,
        Transient(Received),
    ),
    Play::received(
        "h2-warned-then-calm",
        |s| data(&[go_away(ALL_STREAMS, NO_ERROR), go_away(s, ENHANCE_YOUR_CALM)]),
        Then::Fin,
        Transient(Received),
    ),
    Play {
        refuses: true,
        ..Play::received(
            "h2-warned-then-below",
            |_| data(&[go_away(ALL_STREAMS, NO_ERROR), go_away(0, NO_ERROR)]),
            Then::Fin,
            Transient(GoneAway),
        )
    },
    // The reason is a stream's, the frame is the connection's: it refuses what is above its last stream, and nothing else.
    Play::received(
        "h2-goaway-covering-refused-stream",
        |s| data(&[go_away(s, REFUSED_STREAM)]),
        Then::Fin,
        Transient(Received),
    ),
    Play {
        refuses: true,
        ..Play::received(
            "h2-goaway-below-refused-stream",
            |_| data(&[go_away(0, REFUSED_STREAM)]),
            Then::Fin,
            Transient(GoneAway),
        )
    },
    // What its own future calls a server that waits in vain for SETTINGS to be acknowledged.
    Play::received(
        "h2-goaway-settings-timeout",
        |s| data(&[go_away(s, SETTINGS_TIMEOUT)]),
        Then::Rst,
        Transient(Received),
    ),
    Play::received(
        "h2-goaway-then-answer",
        |s| data(&[go_away(s, NO_ERROR), answer(s, &[b'x'; ANSWER])]),
        Then::Fin,
        Overtaken,
    ),
    Play::received(
        "h2-goaway-calm-then-answer",
        |s| data(&[go_away(s, ENHANCE_YOUR_CALM), answer(s, &[b'x'; ANSWER])]),
        Then::Fin,
        Overtaken,
    ),
    // It was acted on as far as it went, whatever else the connection then says.
    Play::received(
        "h2-cancel-then-goaway-below",
        |s| data(&[reset(s, CANCEL), go_away(0, NO_ERROR)]),
        Then::Fin,
        Transient(Received),
    ),
    Play::received(
        "h2-half-head",
        |s| data(&[frame(HEADERS, 0, s, &[0x88])]),
        Then::Fin,
        Transient(Received),
    ),
    Play::received(
        "h2-half-trailers",
        |s| data(&[part(s), frame(HEADERS, END_STREAM, s, &[0x0f])]),
        Then::Fin,
        Transient(Received),
    ),
    Play::received(
        "h2-answers-http1",
        |_| data(&[b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".to_vec()]),
        Then::Fin,
        Permanent,
    ),
    Play::received(
        "h2-window-of-nothing",
        |_| data(&[frame(WINDOW_UPDATE, 0, 0, &[0; 4])]),
        Then::Fin,
        Permanent,
    ),
    // Its nine bytes promise more than any client takes.
    Play::received(
        "h2-long-frame",
        |_| data(&[vec![0x7f, 0xff, 0xff, DATA, 0, 0, 0, 0, 1]]),
        Then::Fin,
        Permanent,
    ),
    Play::received(
        "h2-bad-compression",
        |s| data(&[frame(HEADERS, 5, s, &[0xff; 16])]),
        Then::Fin,
        Permanent,
    ),
    Play::received(
        "h2-push",
        |s| data(&[frame(PUSH_PROMISE, 4, s, &[0, 0, 0, 2, 0x82])]),
        Then::Fin,
        Permanent,
    ),
    Play::received(
        "h2-head-not-continued",
        |s| data(&[frame(HEADERS, 0, s, &[0x88]), frame(DATA, 0, s, b"x")]),
        Then::Fin,
        Permanent,
    ),
    Play::received(
        "h2-data-without-head",
        |s| data(&[frame(DATA, END_STREAM, s, b"x")]),
        Then::Fin,
        Permanent,
    ),
    // `content-length: 5`, and eleven bytes.
    Play::received(
        "h2-longer-than-said",
        |s| {
            data(&[
                frame(HEADERS, 4, s, &[0x88, 0x0f, 0x0d, 1, b'5']),
                frame(DATA, END_STREAM, s, b"hello world"),
            ])
        },
        Then::Serve,
        Lost,
    ),
    Play {
        at: At::Handshake,
        ..Play::received(
            "h2-speaks-http1",
            |_| data(&[b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".to_vec()]),
            Then::Fin,
            Hopeless,
        )
    },
    Play {
        at: At::Handshake,
        ..Play::received(
            "h2-leaves-at-once",
            |_| data(&[settings(None), go_away(0, NO_ERROR)]),
            Then::Fin,
            Transient(Perhaps),
        )
    },
    Play {
        at: At::Handshake,
        ..Play::received(
            "h2-no-streams",
            |_| data(&[settings(Some((MAX_CONCURRENT_STREAMS, 0)))]),
            Then::Silence,
            Transient(Perhaps),
        )
    },
    Play {
        at: At::Handshake,
        ..Play::received(
            "h2-no-streams-then-leaves",
            |_| data(&[settings(Some((MAX_CONCURRENT_STREAMS, 0))), go_away(0, NO_ERROR)]),
            Then::Fin,
            Transient(Perhaps),
        )
    },
    Play {
        at: At::Handshake,
        ..Play::received("h2-no-settings", |_| data(&[vec![]]), Then::Silence, Transient(Perhaps))
    },
    Play {
        at: At::Handshake,
        ..Play::received(
            "h2-no-window",
            |_| data(&[settings(Some((INITIAL_WINDOW_SIZE, 0)))]),
            Then::Silence,
            Transient(Perhaps),
        )
    },
    Play::received(
        "h2-goaway-covering-then-below",
        |s| data(&[go_away(s, NO_ERROR), go_away(0, NO_ERROR)]),
        Then::Fin,
        Transient(GoneAway),
    )
    .refusing(),
    Play::received(
        "h2-unknown-frames",
        |s| {
            data(&[
                frame(0x42, 0xff, s, b"?"),
                frame(0xa, 0, 0, b"\0\0h2"),
                frame(0xc, 0, 0, b""),
                answer(s, &[b'x'; ANSWER]),
            ])
        },
        Then::Serve,
        Answer,
    ),
    Play::received(
        "h2-pings",
        |s| data(&[frame(PING, 0, 0, &[7; 8]).repeat(50), answer(s, &[b'x'; ANSWER])]),
        Then::Serve,
        Answer,
    ),
    Play::received(
        "h2-settings-again",
        |s| data(&[settings(Some((MAX_CONCURRENT_STREAMS, 1))).repeat(5), answer(s, &[b'x'; ANSWER])]),
        Then::Serve,
        Answer,
    ),
    Play::received(
        "h2-unknown-setting",
        |s| data(&[settings(Some((0x4242, 1))), answer(s, &[b'x'; ANSWER])]),
        Then::Serve,
        Answer,
    ),
    Play::received(
        "h2-pong-unasked",
        |s| data(&[frame(PING, ACK, 0, &[7; 8]), answer(s, &[b'x'; ANSWER])]),
        Then::Serve,
        Answer,
    ),
    Play::received(
        "h2-answer-then-goaway-calm",
        |s| data(&[answer(s, &[b'x'; ANSWER]), go_away(s, ENHANCE_YOUR_CALM)]),
        Then::Fin,
        Overtaken,
    ),
    Play::received(
        "h2-answer-then-goaway-below",
        |s| data(&[answer(s, &[b'x'; ANSWER]), go_away(0, NO_ERROR)]),
        Then::Fin,
        Overtaken,
    ),
    Play::received(
        "h2-window-overflow",
        |_| data(&[frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes())]),
        Then::Fin,
        Permanent,
    ),
    Play::received(
        "h2-window-overflow-of-stream",
        |s| data(&[frame(WINDOW_UPDATE, 0, s, &0x7fff_ffff_u32.to_be_bytes())]),
        Then::Fin,
        Lost,
    ),
    Play::received(
        "h2-settings-of-five-bytes",
        |_| data(&[frame(SETTINGS, 0, 0, &[0; 5])]),
        Then::Fin,
        Permanent,
    ),
    Play::received("h2-ping-of-seven-bytes", |_| data(&[frame(PING, 0, 0, &[0; 7])]), Then::Fin, Permanent),
    Play::received("h2-reset-of-no-stream", |_| data(&[reset(0, CANCEL)]), Then::Fin, Permanent),
    Play::received(
        "h2-padding-too-long",
        |s| data(&[frame(HEADERS, END_HEADERS | 8, s, &[200, 0x88])]),
        Then::Fin,
        Permanent,
    ),
    Play::received(
        "h2-no-status",
        |s| data(&[frame(HEADERS, END_HEADERS | END_STREAM, s, &[0, 1, b'a', 1, b'b'])]),
        Then::Serve,
        Lost,
    ),
    Play::received(
        "h2-status-twice",
        |s| data(&[frame(HEADERS, END_HEADERS | END_STREAM, s, &[0x88, 0x88])]),
        Then::Serve,
        Lost,
    ),
    Play::received(
        "h2-capital-in-a-name",
        |s| data(&[frame(HEADERS, END_HEADERS | END_STREAM, s, &[0x88, 0, 1, b'A', 1, b'b'])]),
        Then::Serve,
        Lost,
    ),
    Play::received(
        "h2-connection-header",
        |s| {
            data(&[frame(
                HEADERS,
                END_HEADERS | END_STREAM,
                s,
                &[&[0x88, 0, 10], &b"connection"[..], &[5], b"close"].concat(),
            )])
        },
        Then::Serve,
        Lost,
    ),
    Play::received("h2-switching-protocols", |s| data(&[head_of(s, b"101")]), Then::Fin, Transient(Received)),
    Play::received(
        "h2-shorter-than-said",
        |s| {
            data(&[
                frame(HEADERS, END_HEADERS, s, &[0x88, 0x0f, 0x0d, 2, b'5', b'0']),
                frame(DATA, END_STREAM, s, b"hello"),
            ])
        },
        Then::Serve,
        Lost,
    ),
    Play::received(
        "h2-head-continued-without-end",
        |s| data(&[frame(HEADERS, 0, s, &[0x88]), frame(CONTINUATION, 0, s, &[0; 0])]),
        Then::Fin,
        Transient(Received),
    ),
    Play::received(
        "h2-continued-for-ever",
        |s| {
            data(&[
                frame(HEADERS, 0, s, &[0x88]),
                frame(CONTINUATION, 0, s, &[0, 1, b'a', 1, b'b']).repeat(5000),
            ])
        },
        Then::Fin,
        Permanent,
    ),
    Play::received("h2-no-more-said", |_| data(&[]), Then::HalfClose, Transient(Received)),
    Play::received("h2-half-a-body-and-no-more", |s| data(&[part(s)]), Then::HalfClose, Transient(Received)),
    Play::received(
        "h2-corrupt-record",
        |_| vec![Step::Clear([&[23, 3, 3, 0, 32], &[7; 32][..]].concat())],
        Then::Fin,
        Transient(Received),
    ),
    Play::received(
        "h2-alert-internal-error",
        |_| vec![Step::Sealed(21, vec![2, 80])],
        Then::Fin,
        Transient(Received),
    ),
    Play::received("h2-alert-access-denied", |_| vec![Step::Sealed(21, vec![2, 49])], Then::Fin, Permanent),
    Play::received(
        "h2-goaway-below-then-rst",
        |_| data(&[go_away(0, NO_ERROR)]),
        Then::Rst,
        Transient(Perhaps),
    )
    .refusing(),
    Play::received(
        "h2-goaway-with-words",
        |s| data(&[frame(GOAWAY, 0, 0, &[&s.to_be_bytes()[..], &[0, 0, 0, 11], b"too_many_pings"].concat())]),
        Then::Fin,
        Transient(Received),
    ),
    Play::received(
        "h2-reset-refused-then-reset-cancel",
        |s| data(&[reset(s, REFUSED_STREAM), reset(s, CANCEL)]),
        Then::Serve,
        Transient(Refused),
    )
    .refusing(),
    upload(
        "h2-upload-answered-then-no-error",
        |s| data(&[answer(s, &[b'x'; ANSWER]), reset(s, NO_ERROR)]),
        Then::Read,
        Says(200),
    ),
    upload("h2-upload-answered-and-read-on", |s| data(&[answer(s, &[b'x'; ANSWER])]), Then::Read, Says(200)),
    upload(
        "h2-upload-answered-then-cancel",
        |s| data(&[answer(s, &[b'x'; ANSWER]), reset(s, CANCEL)]),
        Then::Read,
        Hidden,
    ),
    upload(
        "h2-upload-refused-stream",
        |s| data(&[reset(s, REFUSED_STREAM)]),
        Then::Serve,
        Transient(Refused),
    )
    .refusing(),
    upload("h2-upload-goaway-below", |_| data(&[go_away(0, NO_ERROR)]), Then::Fin, Transient(GoneAway))
        .refusing(),
    upload(
        "h2-upload-goaway-covering",
        |s| data(&[go_away(s, ENHANCE_YOUR_CALM)]),
        Then::Fin,
        Transient(Perhaps),
    ),
    upload("h2-upload-reset-cancel", |s| data(&[reset(s, CANCEL)]), Then::Read, Transient(Perhaps)),
    upload("h2-upload-no-more-said", |_| data(&[]), Then::HalfClose, Transient(Perhaps)),
    upload("h2-upload-stalls", |_| data(&[]), Then::Silence, Transient(Perhaps)),
    first(
        "h2-goaway-calm-at-once",
        |_| data(&[settings(None), go_away(0, ENHANCE_YOUR_CALM)]),
        Then::Fin,
        Transient(Perhaps),
    ),
    first("h2-goaway-http11-at-once", |_| data(&[settings(None), go_away(0, 13)]), Then::Read, Hopeless)
        .refusing(),
    first(
        "h2-window-of-two-gigabytes",
        |_| data(&[settings(Some((INITIAL_WINDOW_SIZE, 0x8000_0000)))]),
        Then::Fin,
        Hopeless,
    ),
    first("h2-frames-of-one-byte", |_| data(&[settings(Some((5, 1)))]), Then::Fin, Hopeless),
];
