//! HTTP/2: what it declares unprocessed, what it does not, and the exact frames.

use crate::common;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::common::client::{Saw, call, client, request};
use crate::common::{ANSWER, connect, start, until};
use bytes::Bytes;
use flaky_tls::{
    CutBy, CutPoint, End, FlakyTls, Http2Error, Http2Point, HttpVersions, RequestBody, RequestFault,
    RequestPoint, Running, Scenario, Script,
};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn http2(scenario: Scenario) -> FlakyTls {
    let script = Script::list([scenario], Scenario::Healthy);
    FlakyTls::new().with_script(script).with_http(HttpVersions::Http2)
}

#[tokio::test]
async fn a_reset_ends_its_stream_only_and_refused_means_unprocessed() {
    for reason in Http2Error::ALL {
        let scenario = Scenario::After { requests: 1, then: RequestFault::Reset(reason) };
        let (server, calls) = start(http2(scenario)).await;
        let client = client(&server);
        call(&client, request(&server, "before", "x")).await;
        let saw = call(&client, request(&server, "reset", "x")).await;
        let h2 = saw.find::<h2::Error>().unwrap_or_else(|| panic!("{reason}: {saw:?}"));
        assert!(h2.is_reset() && h2.is_remote(), "{reason}: {saw:?}");
        assert_eq!(h2.reason(), Some(reason.code().into()));
        assert!(saw.handed_over(), "{reason}: {saw:?}");
        let saw = call(&client, request(&server, "after", "x")).await;
        assert!(matches!(saw, Saw::Answer(StatusCode::OK, _)), "{reason}: {saw:?}");

        let truth = server.shutdown().await;
        assert_eq!(truth.accepted(), 1, "{reason}: the connection did not live on");
        assert!(truth.connections()[0].carried_out);
        let refused = u64::from(reason == Http2Error::RefusedStream);
        let tally = truth.tally("reset");
        assert_eq!((tally.received, tally.refused, tally.answered), (1 - refused, refused, 0), "{reason}");
        assert_eq!(calls.load(Ordering::SeqCst), 3 - refused, "{reason}");
        assert_eq!(truth.requests().len() as u64, 3 - refused);
        assert_eq!(truth.tally("after").answered, 1);
    }
}

#[tokio::test]
async fn goaway_refuses_what_it_does_not_cover() {
    for reason in [Http2Error::NoError, Http2Error::EnhanceYourCalm, Http2Error::InternalError] {
        for covers in [false, true] {
            for by in CutBy::ALL {
                let scenario =
                    Scenario::After { requests: 1, then: RequestFault::GoAway { covers, reason, by } };
                let (server, calls) = start(http2(scenario)).await;
                let client = client(&server);
                call(&client, request(&server, "before", "x")).await;
                let saw = call(&client, request(&server, "away", "x")).await;
                assert!(saw.handed_over(), "{scenario}: {saw:?}");
                let away = saw.find::<h2::Error>().filter(|h2| h2.is_go_away());
                // One that covers the stream shows nothing but the end of the connection.
                assert_eq!(away.is_some(), !covers, "{scenario}: {saw:?}");
                if let Some(h2) = away {
                    assert_eq!(
                        (h2.is_remote(), h2.reason()),
                        (true, Some(reason.code().into())),
                        "{scenario}"
                    );
                }
                let tally = server.tally("away");
                assert_eq!(
                    (tally.received, tally.refused),
                    (u64::from(covers), u64::from(!covers)),
                    "{scenario}"
                );
                assert_eq!(calls.load(Ordering::SeqCst), 1 + u64::from(covers), "{scenario}");
                let saw = call(&client, request(&server, "after", "x")).await;
                assert!(matches!(saw, Saw::Answer(StatusCode::OK, _)), "{scenario}: {saw:?}");
                let record = server.shutdown().await.connections()[0].clone();
                assert_eq!((record.end, record.carried_out), (Some(End::Struck), true), "{scenario}");
            }
        }
    }
}

#[tokio::test]
async fn all_streams_after_a_refused_one_are_refused() {
    let fault = RequestFault::GoAway { covers: false, reason: Http2Error::NoError, by: CutBy::Fin };
    let (server, calls) = start(http2(fault.into())).await;
    let (mut send, driver) = open(&server).await;
    let head = |id: &str| Request::post("https://localhost/").header("x-request-id", id).body(()).unwrap();
    // The first is not complete until the second is, so that nothing but the order of the streams decides.
    let (first, mut upload) = send.send_request(head("first"), false).unwrap();
    send = send.ready().await.unwrap();
    let (second, _) = send.send_request(head("second"), true).unwrap();
    until(&server, |truth| truth.tally("second").refused == 1).await;
    upload.send_data(Bytes::from_static(b"x"), true).unwrap();
    for response in [first, second] {
        let error = response.await.unwrap_err();
        assert!(error.is_go_away() && error.is_remote(), "{error:?}");
    }
    drop(driver);
    let truth = server.shutdown().await;
    assert_eq!((truth.total().received, truth.total().refused), (0, 2));
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_opening_is_cut_where_it_should_be() {
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    for at in Http2Point::ALL {
        for by in CutBy::ALL {
            let scenario = Scenario::Http2Cut { at, by };
            let (server, _) = start(http2(scenario)).await;
            let (seen, end) = exchange(&server, PREFACE).await;
            assert_eq!(seen, if at == Http2Point::Settings { &SETTINGS[..] } else { &[] }, "{scenario}");
            check_end(&end, by, scenario);
            assert_eq!(server.truth().connections()[0].end, Some(End::Struck), "{scenario}");

            let (server, _) = start(http2(scenario)).await;
            let client = client(&server);
            let saw = call(&client, request(&server, "a", "x")).await;
            assert!(matches!(saw, Saw::Error(_)) && !saw.is_connect(), "{scenario}: {saw:?}");
            assert_eq!(server.tally("a").received, 0, "{scenario}");
            let saw = call(&client, request(&server, "b", "x")).await;
            assert!(matches!(saw, Saw::Answer(StatusCode::OK, _)), "{scenario}: {saw:?}");
            let truth = server.shutdown().await;
            assert!(truth.connections()[0].carried_out, "{scenario}");
        }
    }
}

#[tokio::test]
async fn heads_and_bodies_break_off_within_their_frames() {
    for by in CutBy::ALL {
        for (at, kinds) in
            [(CutPoint::Request, &[][..]), (CutPoint::Head, &[(1, 0)]), (CutPoint::Body, &[(1, 4), (0, 0)])]
        {
            let scenario = Scenario::Cut { at, by };
            let (server, _) = start(http2(scenario)).await;
            let mut bytes = PREFACE.to_vec();
            bytes.extend(GET);
            let (seen, end) = exchange(&server, &bytes).await;
            check_end(&end, by, scenario);
            let frames: Vec<_> = frames(&seen).collect();
            let of_stream: Vec<_> =
                frames.iter().filter(|frame| frame.2 == 1).map(|&(kind, flags, ..)| (kind, flags)).collect();
            assert_eq!(of_stream, kinds, "{scenario}: {frames:?}");
            if let (CutPoint::Body, Some((.., body))) = (at, frames.last()) {
                assert!(!body.is_empty() && body.len() < ANSWER.len() && ANSWER.as_bytes().starts_with(body));
            }
            assert_eq!(server.shutdown().await.total().received, 1, "{scenario}");
        }
    }
}

#[tokio::test]
async fn large_answers_and_requests_pass_and_are_counted() {
    let echo = tower::service_fn(async |request: Request<RequestBody>| {
        Ok::<_, Infallible>(Response::new(request.into_body()))
    });
    let server = FlakyTls::new().with_http(HttpVersions::Http2).serve(echo).await.unwrap();
    let client = client(&server);
    let body: Bytes = (0..1_000_000u32).map(|byte| byte as u8).collect::<Vec<_>>().into();
    let calls = ["a", "b", "c"].map(|id| call(&client, request(&server, id, body.clone())));
    for saw in calls {
        let Saw::Answer(StatusCode::OK, seen) = saw.await else { panic!("no answer") };
        assert_eq!(seen, body);
    }
    let mut head = request(&server, "d", "");
    *head.method_mut() = http::Method::HEAD;
    assert!(matches!(call(&client, head).await, Saw::Answer(StatusCode::OK, _)));
    let truth = server.shutdown().await;
    assert_eq!((truth.accepted(), truth.total().received, truth.total().answered), (1, 4, 4));
}

#[tokio::test]
async fn a_body_over_the_limit_is_answered_and_not_counted() {
    let (server, calls) = start(FlakyTls::new().with_http(HttpVersions::Http2).with_body_limit(7)).await;
    let saw = call(&client(&server), request(&server, "a", "12345678")).await;
    assert!(matches!(saw, Saw::Answer(StatusCode::PAYLOAD_TOO_LARGE, _)), "{saw:?}");
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    assert_eq!(server.shutdown().await.total().received, 0);
}

#[tokio::test]
async fn a_service_that_fails_or_panics_ends_its_connection_only() {
    for (path, end) in [("/fail", End::ServiceFailed), ("/panic", End::Panicked)] {
        let service = tower::service_fn(async |request: Request<RequestBody>| match request.uri().path() {
            "/fail" => Err(std::io::Error::other("no")),
            "/panic" => panic!("as was asked for"),
            _ => Ok(Response::new(Full::<Bytes>::default())),
        });
        let server = FlakyTls::new().with_http(HttpVersions::Http2).serve(service).await.unwrap();
        let client = client(&server);
        let get = |path: &str| Request::get(format!("{}{path}", server.url())).body(Full::default()).unwrap();
        assert!(matches!(call(&client, get(path)).await, Saw::Error(_)));
        assert!(matches!(call(&client, get("/")).await, Saw::Answer(StatusCode::OK, _)));
        let truth = server.shutdown().await;
        assert_eq!(truth.connections()[0].end, Some(end));
        assert_eq!((truth.total().received, truth.total().answered), (2, 1));
    }
}

#[tokio::test]
async fn shutdown_answers_what_is_in_hand() {
    let (release, held) = tokio::sync::watch::channel(false);
    let service = tower::service_fn(move |_: Request<RequestBody>| {
        let mut held = held.clone();
        async move {
            let _ = held.wait_for(|released| *released).await;
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("late")))
        }
    });
    let server = FlakyTls::new().with_http(HttpVersions::Http2).serve(service).await.unwrap();
    let client = client(&server);
    let request = request(&server, "a", "x");
    let call = tokio::spawn(async move { call(&client, request).await });
    until(&server, |truth| truth.tally("a").received == 1).await;
    let stopped = tokio::spawn(server.shutdown());
    tokio::task::yield_now().await;
    release.send(true).unwrap();
    assert!(matches!(call.await.unwrap(), Saw::Answer(StatusCode::OK, body) if body == "late"));
    assert_eq!(stopped.await.unwrap().tally("a").answered, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_streams_at_once_are_counted_exactly() {
    let calls = Arc::<AtomicU64>::default();
    let cut = RequestFault::Cut { at: RequestPoint::Head, by: CutBy::Rst };
    let script = Script::from_fn(move |index| match index % 2 {
        0 => Scenario::After { requests: 20, then: cut },
        _ => Scenario::Healthy,
    });
    let settings = FlakyTls::new().with_http(HttpVersions::Http2).with_script(script);
    let server = Arc::new(settings.serve(common::counting(&calls)).await.unwrap());
    let mut clients = tokio::task::JoinSet::new();
    for group in 0..4 {
        let client = client(&server);
        for place in 0..30 {
            let (server, client) = (Arc::clone(&server), client.clone());
            clients.spawn(async move {
                let id = format!("{group}-{place}");
                let saw = call(&client, request(&server, &id, "x")).await;
                (id, matches!(saw, Saw::Answer(..)), saw.handed_over())
            });
        }
    }
    let results = clients.join_all().await;
    let truth = Arc::into_inner(server).unwrap().shutdown().await;
    for (id, answered, handed_over) in results {
        let received = truth.tally(&id).received;
        assert!(received <= 1 && (!answered || received == 1), "{id}");
        assert!(handed_over || received == 0, "{id}");
    }
    assert_eq!(truth.total().received, calls.load(Ordering::SeqCst));
}

/// The client's preface: 24 bytes and empty SETTINGS.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// `GET / ` on stream 1, with END_STREAM and END_HEADERS: fields 2, 7 and 4 of the static table, and an authority.
const GET: &[u8] = b"\0\0\x06\x01\x05\0\0\0\x01\x82\x87\x84\x41\x01x";

/// Sends these bytes, and reads what comes back until the end.
async fn exchange(server: &Running, bytes: &[u8]) -> (Vec<u8>, std::io::Result<()>) {
    let (_, tls) = connect(server, server.authority().client_config().unwrap()).await;
    let mut tls = tls.unwrap();
    tls.write_all(bytes).await.unwrap();
    let mut seen = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        match tls.read(&mut buffer).await {
            Ok(0) => return (seen, Ok(())),
            Ok(n) => seen.extend_from_slice(&buffer[..n]),
            Err(error) => return (seen, Err(error)),
        }
    }
}

fn check_end(end: &std::io::Result<()>, by: CutBy, scenario: Scenario) {
    let kind = end.as_ref().err().map(std::io::Error::kind);
    let expected = match by {
        CutBy::Fin => Some(std::io::ErrorKind::UnexpectedEof),
        CutBy::Rst => Some(std::io::ErrorKind::ConnectionReset),
        _ => None,
    };
    assert_eq!(kind, expected, "{scenario}");
}

/// Kind, flags, stream and payload of each frame. They are whole.
fn frames(mut bytes: &[u8]) -> impl Iterator<Item = (u8, u8, u32, &[u8])> {
    std::iter::from_fn(move || {
        let (&[high, middle, low, kind, flags, a, b, c, d], rest) = bytes.split_first_chunk::<9>()?;
        let (payload, rest) = rest.split_at(u32::from_be_bytes([0, high, middle, low]) as usize);
        bytes = rest;
        Some((kind, flags, u32::from_be_bytes([a, b, c, d]), payload))
    })
}

/// A bare client of h2.
async fn open(server: &Running) -> (h2::client::SendRequest<Bytes>, tokio::task::JoinHandle<()>) {
    let (_, tls) = connect(server, server.authority().client_config().unwrap()).await;
    let (send, connection) = h2::client::handshake(tls.unwrap()).await.unwrap();
    let driver = tokio::spawn(async move {
        let _ = connection.await;
    });
    (send.ready().await.unwrap(), driver)
}

#[tokio::test]
async fn an_early_answer_asks_the_client_to_stop() {
    let fault = RequestFault::Early { status: StatusCode::UNAUTHORIZED, by: CutBy::CloseNotify };
    let (server, _) = start(http2(fault.into())).await;
    let (mut send, _driver) = open(&server).await;
    let head = Request::post("https://localhost/").body(()).unwrap();
    let (response, _upload) = send.send_request(head, false).unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let mut body = response.into_body();
    let mut read = 0;
    while let Some(Ok(data)) = body.data().await {
        read += data.len();
    }
    assert_eq!(read, 37);
    assert_eq!(server.shutdown().await.total().received, 0);
}
