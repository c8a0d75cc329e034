//! HTTP/2's ways to refuse a request and to lose one, from a peer that writes the frames by hand.
//!
//! Runs the same with the feature `h2` and without: what is read by type and by text must be one.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::common::peer::*;
use crate::common::{Duplex, Failing, FailsAfter};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Frame;
use hyper::client::conn::{http1, http2};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::service_fn;
use wire_fault::{Cause, Delivery, Fault, Healing, Mark, Phase, chain};

fn post<B>(body: B) -> http::Request<B> {
    http::Request::post("http://x/order").body(body).expect("a request")
}

/// The error of a POST over hyper itself, and how its connection ended, which was driven beside it.
async fn raw(frames: Vec<u8>, close: bool) -> (hyper::Error, Option<hyper::Error>) {
    let (here, there) = tokio::io::duplex(64 * 1024);
    let peer = tokio::spawn(peer(there, frames, close));
    let (mut send, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(here)).await.expect("a connection");
    let connection = tokio::spawn(connection);
    let error = match send.send_request(post(Full::new(Bytes::from_static(b"{}")))).await {
        Err(error) => error,
        Ok(response) => response.into_body().collect().await.expect_err("the body is cut"),
    };
    drop(send);
    // A peer that stays stays until the connection is dropped.
    peer.abort();
    (error, connection.await.expect("no panic").err())
}

fn shown(error: &(dyn std::error::Error + 'static)) -> Vec<String> {
    chain(error).map(ToString::to_string).collect()
}

/// The same over hyper-util.
async fn pooled(frames: Vec<u8>, close: bool) -> hyper_util::client::legacy::Error {
    let connector = service_fn(move |_: http::Uri| {
        let (here, there) = tokio::io::duplex(64 * 1024);
        tokio::spawn(peer(there, frames.clone(), close));
        std::future::ready(Ok::<_, io::Error>(Duplex::new(here)))
    });
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build(connector);
    client.request(post(Full::new(Bytes::from_static(b"{}")))).await.expect_err("refused or lost")
}

/// Over hyper-util, and over hyper by whoever knows that the error is the request's.
async fn read(name: &str, frames: Vec<u8>, close: bool) -> Fault {
    let (raw, _) = raw(frames.clone(), close).await;
    let pooled = pooled(frames, close).await;
    let fault = Fault::of(&Mark::of_request(raw));
    assert_eq!(Fault::of(&pooled), fault, "{name}: {:?}", shown(&pooled));
    fault
}

#[tokio::test]
async fn what_the_protocol_refuses_was_not_acted_on() {
    let max = 0x7fff_ffff;
    let refusals = [
        ("REFUSED_STREAM", reset(1, REFUSED_STREAM)),
        ("GOAWAY below, NO_ERROR", go_away(0, NO_ERROR)),
        ("GOAWAY below, ENHANCE_YOUR_CALM", go_away(0, ENHANCE_YOUR_CALM)),
        ("GOAWAY below, INTERNAL_ERROR", go_away(0, INTERNAL_ERROR)),
        ("GOAWAY twice, the second below", [go_away(max, NO_ERROR), go_away(0, NO_ERROR)].concat()),
    ];
    for (name, frames) in refusals {
        for close in [true, false] {
            let fault = read(name, frames.clone(), close).await;
            let expected = Fault::new(Phase::InFlight, Delivery::Refused, Cause::Http2, Healing::Transient);
            assert_eq!(fault, expected, "{name}, close {close}");
        }
    }
    for reason in [HTTP_1_1_REQUIRED, PROTOCOL_ERROR] {
        let fault = read("GOAWAY below", go_away(0, reason), true).await;
        assert_eq!((fault.delivery, fault.healing), (Delivery::Refused, Healing::Permanent), "{reason}");
    }
}

#[tokio::test]
async fn a_stream_that_was_reset_may_have_been_acted_on() {
    for (reason, healing) in [
        (CANCEL, Healing::Transient),
        (INTERNAL_ERROR, Healing::Transient),
        (ENHANCE_YOUR_CALM, Healing::Transient),
        (HTTP_1_1_REQUIRED, Healing::Permanent),
        (PROTOCOL_ERROR, Healing::Permanent),
    ] {
        let fault = read("RST_STREAM", reset(1, reason), true).await;
        let expected = Fault::new(Phase::InFlight, Delivery::Perhaps, Cause::Http2, healing);
        assert_eq!(fault, expected, "{reason}");
    }
}

/// A connection's future ends with one and the same error whichever streams the GOAWAY covers; and what `send_request`
/// answers to a stream above its last id looks no different.
#[tokio::test]
async fn the_error_of_a_connection_refuses_nothing() {
    let max = 0x7fff_ffff;
    for reason in [PROTOCOL_ERROR, INTERNAL_ERROR, REFUSED_STREAM, ENHANCE_YOUR_CALM, HTTP_1_1_REQUIRED] {
        let mut seen = Vec::new();
        for last in [0, 1, max] {
            let (request, connection) = raw(go_away(last, reason), true).await;
            let connection = connection.expect("the GOAWAY's");
            let fault = Fault::of(&connection);
            assert_eq!(fault.delivery, Delivery::Perhaps, "{last} {reason}: {:?}", shown(&connection));
            assert_eq!((fault.phase, fault.cause), (Phase::InFlight, Cause::Http2), "{last} {reason}");
            assert!(!fault.may_repeat(false));
            let below = last == 0;
            assert_eq!(shown(&request) == shown(&connection), below, "{last} {reason}: {request:?}");
            assert_eq!(Fault::of(&request).delivery, Delivery::Perhaps, "{last} {reason}: {request:?}");
            let stated = Fault::of(&Mark::of_request(request)).delivery;
            let expected = if below { Delivery::Refused } else { Delivery::Perhaps };
            assert_eq!(stated, expected, "{last} {reason}");
            seen.push(shown(&connection));
        }
        assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{reason}: {seen:?}");
    }
    // In order: no error at all. What is left of the request tells no more than that.
    let (request, connection) = raw(go_away(1, NO_ERROR), true).await;
    assert!(connection.is_none(), "{connection:?}");
    assert_eq!(Fault::of(&request).delivery, Delivery::Perhaps);
    // A stream's end is none of the connection, which ends as the peer closes it.
    let (request, connection) = raw(reset(1, REFUSED_STREAM), true).await;
    let connection = connection.expect("closed");
    assert_ne!(shown(&connection), shown(&request));
    assert_eq!(Fault::of(&connection).delivery, Delivery::Perhaps, "{connection:?}");
    assert_eq!(Fault::of(&request).delivery, Delivery::Refused, "{request:?}");
}

/// The same over h2 itself, where the feature reads its errors.
#[tokio::test]
async fn the_error_of_a_bare_h2_connection_refuses_nothing() {
    for (last, reason) in [(0, INTERNAL_ERROR), (1, INTERNAL_ERROR), (0, REFUSED_STREAM), (1, REFUSED_STREAM)]
    {
        let (here, there) = tokio::io::duplex(64 * 1024);
        tokio::spawn(peer(there, go_away(last, reason), true));
        let (mut send, connection) = h2::client::handshake(here).await.expect("a connection");
        let connection = tokio::spawn(connection);
        let (response, _) = send.send_request(post(()), true).expect("sent");
        let request = response.await.expect_err("refused or lost");
        let connection = connection.await.expect("no panic").expect_err("the GOAWAY's");
        assert!(connection.is_go_away() && connection.is_remote());
        let fault = Fault::of(&connection);
        assert_eq!(fault.delivery, Delivery::Perhaps, "{last} {reason}: {fault:?}");
        assert_eq!(Fault::of(&request).delivery, Delivery::Perhaps, "{last} {reason}: {request:?}");
        let stated = Fault::of(&Mark::of_request(request)).delivery;
        let refused = cfg!(feature = "h2") && last == 0;
        assert_eq!(stated == Delivery::Refused, refused, "{last} {reason}: {stated:?}");
    }
}

/// The gap that the crate's page tells of: hyper asks for the connection's state after it has opened a stream, and gives the
/// request what it hears. Of a server's warning (a GOAWAY that covers every stream) that is the error of a refusal, and the
/// stream is served; of a GOAWAY below the stream both say the same.
#[tokio::test]
async fn the_state_of_a_connection_says_nothing_of_a_stream_that_was_just_opened() {
    for (last, served) in [(0x7fff_ffff, true), (0, false)] {
        let (here, mut there) = tokio::io::duplex(64 * 1024);
        let (mut send, mut connection) = h2::client::handshake(here).await.expect("a connection");
        there.write_all(&[settings(), go_away(last, ENHANCE_YOUR_CALM)].concat()).await.expect("room");
        let (response, _) = send.send_request(post(()), true).expect("opened");
        // The connection's own task, on another thread, reads in between.
        let _ = poll_fn(|cx| Poll::Ready(Pin::new(&mut connection).poll(cx))).await;
        let state = poll_fn(|cx| send.poll_ready(cx)).await.expect_err("going away");
        assert!(state.is_go_away() && state.is_remote(), "{last}: {state}");
        if served {
            there.write_all(&head(1)).await.expect("room");
        }
        tokio::spawn(connection);
        match response.await {
            Ok(response) => assert!(served, "{response:?}"),
            Err(error) => {
                assert!(!served && error.is_go_away() && error.is_remote(), "{error}");
                assert_eq!(shown(&error), shown(&state));
            }
        }
    }
}

/// The page's advice for that gap: an empty body that doesn't say so ends its request with a frame after the head.
#[tokio::test]
async fn an_empty_body_that_does_not_say_so_follows_its_head() {
    let (here, mut there) = tokio::io::duplex(64 * 1024);
    let (mut send, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(here)).await.expect("a connection");
    tokio::spawn(connection);
    let sending = tokio::spawn(send.send_request(post(Nothing)));
    there.write_all(&settings()).await.expect("room");
    there.read_exact(&mut [0; PREFACE]).await.expect("a preface");
    let mut seen = Vec::new();
    while !matches!(seen.last(), Some((0 | HEADERS, true))) {
        let mut header = [0; 9];
        there.read_exact(&mut header).await.expect("a frame");
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
        there.read_exact(&mut vec![0; length]).await.expect("all of it");
        seen.push((header[3], header[3] <= HEADERS && header[4] & 1 != 0));
    }
    assert!(seen.ends_with(&[(HEADERS, false), (0, true)]), "{seen:?}");
    sending.abort();
}

struct Nothing;

impl hyper::body::Body for Nothing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready(None)
    }
}

/// A rolling restart under load: of the calls that share a connection each gets what is true of its own stream.
#[tokio::test]
async fn a_goaway_tells_the_calls_of_one_connection_apart() {
    const CALLS: u32 = 4;
    let connector = service_fn(move |_: http::Uri| {
        let (here, mut there) = tokio::io::duplex(64 * 1024);
        tokio::spawn(async move {
            let _ = there.write_all(&settings()).await;
            let _ = there.read_exact(&mut [0; PREFACE]).await;
            let mut ended = 0;
            while ended < CALLS {
                let mut header = [0; 9];
                there.read_exact(&mut header).await.expect("a frame");
                let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
                there.read_exact(&mut vec![0; length]).await.expect("all of it");
                // HEADERS or DATA that end their stream.
                ended += u32::from(header[3] <= HEADERS && header[4] & 1 != 0);
            }
            // Streams 1, 3, 5 and 7: answered, covered twice, and refused.
            let answer = frame(HEADERS, 5, 1, &[0x88]);
            let _ = there.write_all(&[answer, go_away(5, NO_ERROR)].concat()).await;
            let _ = there.shutdown().await;
            let _ = there.read_to_end(&mut Vec::new()).await;
        });
        std::future::ready(Ok::<_, io::Error>(Duplex::new(here)))
    });
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build(connector);
    let calls: Vec<_> = (0..CALLS)
        .map(|_| tokio::spawn(client.request(post(Full::new(Bytes::from_static(b"{}"))))))
        .collect();
    let (mut answered, mut perhaps, mut refused) = (0, 0, 0);
    for call in calls {
        match call.await.expect("no panic") {
            Ok(_) => answered += 1,
            Err(error) => match Fault::of(&error).delivery {
                Delivery::Perhaps => perhaps += 1,
                Delivery::Refused => refused += 1,
                other => panic!("{other:?}: {:?}", shown(&error)),
            },
        }
    }
    assert_eq!((answered, perhaps, refused), (1, 2, 1));
}

/// A connection may be made of another call, a tunnel through HTTP/2 say. That call's refusal is none of this one.
#[tokio::test]
async fn what_the_transport_was_refused_was_not_this_request() {
    let refused = |frames| async {
        let (error, _) = raw(frames, true).await;
        error
    };
    for within in [refused(reset(1, REFUSED_STREAM)).await, refused(go_away(0, NO_ERROR)).await] {
        let within = Mark::of_request(within);
        assert_eq!(Fault::of(&within).delivery, Delivery::Refused);
        let (here, mut there) = tokio::io::duplex(1024);
        tokio::spawn(async move {
            let _ = there.read(&mut [0; 1024]).await;
            let _ = there.write_all(b"HTTP").await;
            std::future::pending::<()>().await;
        });
        let io = FailsAfter::new(here, 4, io::Error::other(within));
        let (mut send, connection) = http1::handshake::<_, Empty<Bytes>>(io).await.expect("a connection");
        tokio::spawn(connection);
        let error = send.send_request(post(Empty::new())).await.expect_err("the tunnel ends");
        assert_eq!(Fault::of(&error).delivery, Delivery::Perhaps, "{:?}", shown(&error));
        let stated = Mark::of_request(error);
        assert_eq!(Fault::of(&stated).delivery, Delivery::Perhaps, "{:?}", shown(&stated));
    }
}

/// The stream that a GOAWAY covers never gets that GOAWAY's error, whatever it says and whatever follows.
#[tokio::test]
async fn a_stream_that_a_goaway_covers_may_have_been_acted_on() {
    let max = 0x7fff_ffff;
    let garbage = frame(4, 0, 0, &[0; 5]);
    for last in [1, 3, max] {
        for reason in [NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, ENHANCE_YOUR_CALM] {
            let cut = read("GOAWAY above, then a close", go_away(last, reason), true).await;
            let lost = Fault::new(Phase::InFlight, Delivery::Perhaps, Cause::Reset, Healing::Transient);
            assert_eq!(cut, lost, "{last} {reason}");
            let twice = [go_away(max, NO_ERROR), go_away(last, reason)].concat();
            assert_eq!(read("GOAWAY twice", twice, true).await, lost, "{last} {reason}");
            let broken = [go_away(last, reason), garbage.clone()].concat();
            let fault = read("GOAWAY above, then nonsense", broken, true).await;
            assert_eq!(fault.delivery, Delivery::Perhaps, "{last} {reason}: {fault:?}");
        }
    }
}

#[tokio::test]
async fn what_was_answered_is_answered_whatever_follows() {
    for frames in [
        // NO_ERROR hyper takes for the body's regular end.
        [head(1), go_away(0, INTERNAL_ERROR)].concat(),
        [head(1), reset(1, REFUSED_STREAM)].concat(),
        [head(1), reset(1, INTERNAL_ERROR)].concat(),
        head(1),
    ] {
        let (error, _) = raw(frames.clone(), true).await;
        let fault = Fault::of(&error);
        assert_eq!((fault.phase, fault.delivery), (Phase::Body, Delivery::Answered), "{frames:?}: {error:?}");
    }
}

#[tokio::test]
async fn nonsense_is_permanent() {
    let fault = read("a frame of the wrong size", frame(4, 0, 0, &[0; 5]), true).await;
    let expected = Fault::new(Phase::InFlight, Delivery::Perhaps, Cause::Http2, Healing::Permanent);
    assert_eq!(fault, expected);
}

/// A preface cut before the request was handed over, and one after it.
#[tokio::test]
async fn a_cut_preface_is_never_refused() {
    for bytes in [0, PREFACE] {
        let connector = service_fn(move |_: http::Uri| {
            let (here, mut there) = tokio::io::duplex(64 * 1024);
            tokio::spawn(async move {
                let _ = there.read_exact(&mut vec![0; bytes]).await;
            });
            std::future::ready(Ok::<_, io::Error>(Duplex::new(here)))
        });
        let client: Client<_, Full<Bytes>> =
            Client::builder(TokioExecutor::new()).http2_only(true).build(connector);
        let error = client.request(post(Full::default())).await.expect_err("cut");
        let fault = Fault::of(&error);
        assert_eq!(fault.healing, Healing::Transient, "{error:?}: {fault:?}");
        assert!(matches!(fault.delivery, Delivery::NeverSent | Delivery::Perhaps), "{error:?}: {fault:?}");
        assert_ne!(fault.phase, Phase::TlsHandshake, "{error:?}: {fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_connection_is_found_by_its_pings() {
    let (here, there) = tokio::io::duplex(64 * 1024);
    tokio::spawn(peer(there, Vec::new(), false));
    let (mut send, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(5))
        .keep_alive_timeout(Duration::from_secs(3))
        .handshake(TokioIo::new(here))
        .await
        .expect("a connection");
    tokio::spawn(connection);
    let error = send.send_request(post(Empty::<Bytes>::new())).await.expect_err("no pong");
    let fault = Fault::of(&error);
    let expected = Fault::new(Phase::InFlight, Delivery::Perhaps, Cause::Timeout, Healing::Transient);
    assert_eq!(fault, expected, "{error:?}");
}

/// The body's own error is not shown over HTTP/2: the stream is reset from here.
#[tokio::test]
async fn a_body_that_fails_may_have_been_acted_on() {
    let (here, there) = tokio::io::duplex(64 * 1024);
    tokio::spawn(peer(there, Vec::new(), false));
    let (mut send, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(here)).await.expect("a connection");
    tokio::spawn(connection);
    let body = Failing::after_half(io::Error::from(io::ErrorKind::ConnectionRefused));
    let error = send.send_request(post(body)).await.expect_err("the body fails");
    let fault = Fault::of(&error);
    assert_eq!(fault.delivery, Delivery::Perhaps, "{error:?}: {fault:?}");
    assert!(!fault.may_repeat(false));
}
