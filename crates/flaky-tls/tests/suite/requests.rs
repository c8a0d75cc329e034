//! Faults on any request of a connection, over both versions of HTTP: what hyper-util's client saw, and what the server
//! wrote down.

use std::io::ErrorKind;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::common::client::{Saw, call, client, request};
use crate::common::{ANSWER, start, until};
use flaky_tls::{
    CutBy, End, FlakyTls, Http2Error, Http2Point, HttpVersions, Protocol, RequestFault, RequestPoint,
    Scenario, Script,
};
use http::{Request, StatusCode};
use http_body_util::Full;

const VERSIONS: [(HttpVersions, Protocol); 2] =
    [(HttpVersions::Http1, Protocol::Http1), (HttpVersions::Http2, Protocol::Http2)];

/// More than the sockets of both ends hold, so that the client is still writing when the server stops reading.
const LARGE: usize = 8 << 20;

fn once(scenario: Scenario) -> FlakyTls {
    FlakyTls::new().with_script(Script::list([scenario], Scenario::Healthy))
}

#[tokio::test]
async fn a_cut_strikes_the_request_it_waits_for() {
    for (http, protocol) in VERSIONS {
        for requests in [0, 2] {
            for at in RequestPoint::ALL {
                for by in CutBy::ALL {
                    let scenario = Scenario::After { requests, then: RequestFault::Cut { at, by } };
                    let context = format!("{scenario} over {protocol:?}");
                    let (server, calls) = start(once(scenario).with_http(http)).await;
                    let client = client(&server);
                    for _ in 0..requests {
                        let saw = call(&client, request(&server, "before", "x")).await;
                        assert!(matches!(saw, Saw::Answer(StatusCode::OK, _)), "{context}: {saw:?}");
                    }
                    let saw = call(&client, request(&server, "struck", "x")).await;
                    assert!(saw.handed_over(), "{context}: {saw:?}");
                    let unseen =
                        (at, by, http) == (RequestPoint::Unframed, CutBy::CloseNotify, HttpVersions::Http1);
                    if unseen {
                        // Nobody can see that this is not the whole answer.
                        let Saw::Answer(StatusCode::OK, body) = &saw else { panic!("{context}: {saw:?}") };
                        assert!(
                            body.len() < ANSWER.len() && ANSWER.as_bytes().starts_with(body),
                            "{context}"
                        );
                    } else {
                        let in_body = matches!(saw, Saw::BodyError(_));
                        assert_eq!(in_body, at >= RequestPoint::Body, "{context}: {saw:?}");
                        check_kind(&saw, by, &context);
                    }

                    let received = u64::from(at != RequestPoint::Start);
                    assert_eq!(server.tally("struck").received, received, "{context}");
                    assert_eq!(calls.load(Ordering::SeqCst), u64::from(requests) + received, "{context}");
                    assert_eq!(server.truth().accepted(), 1, "{context}");

                    let saw = call(&client, request(&server, "after", "x")).await;
                    assert!(matches!(saw, Saw::Answer(StatusCode::OK, _)), "{context}: {saw:?}");
                    let truth = server.shutdown().await;
                    let record = &truth.connections()[0];
                    assert_eq!((record.end, record.carried_out), (Some(End::Struck), true), "{context}");
                    assert_eq!(record.protocol, Some(protocol), "{context}");
                    assert_eq!(truth.tally("before").answered, u64::from(requests), "{context}");
                    assert_eq!((truth.tally("struck").answered, truth.total().refused), (0, 0), "{context}");
                    assert_eq!(truth.tally("after").answered, 1, "{context}");
                }
            }
        }
    }
}

/// A connection that ended by these means shows them.
fn check_kind(saw: &Saw, by: CutBy, context: &str) {
    if let Some(h2) = saw.find::<h2::Error>() {
        // h2 hides the io::Error from the chain, and hyper unpacks it on errors of the call only.
        assert!(h2.is_io(), "{context}: {saw:?}");
        return;
    }
    let kind = saw.io_kind();
    match by {
        CutBy::Fin => assert_eq!(kind, Some(ErrorKind::UnexpectedEof), "{context}: {saw:?}"),
        CutBy::Rst => assert!(
            matches!(kind, Some(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)),
            "{context}: {saw:?}"
        ),
        // HTTP/1.1: no io::Error before the head, and IncompleteBody within the body. HTTP/2: a broken pipe of h2.
        _ => assert!(
            matches!(kind, None | Some(ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe)),
            "{context}: {saw:?}"
        ),
    }
}

#[tokio::test]
async fn an_upload_is_cut_midway_and_does_not_count() {
    for (http, protocol) in VERSIONS {
        for by in CutBy::ALL {
            let scenario = Scenario::After { requests: 1, then: RequestFault::Upload { read: 65_536, by } };
            let context = format!("{scenario} over {protocol:?}");
            let (server, calls) = start(once(scenario).with_http(http)).await;
            let client = client(&server);
            call(&client, request(&server, "before", "x")).await;
            let saw = call(&client, request(&server, "large", vec![0; LARGE])).await;
            assert!(matches!(saw, Saw::Error(_)) && saw.handed_over(), "{context}: {saw:?}");
            check_kind(&saw, by, &context);
            let truth = server.shutdown().await;
            assert!(truth.connections()[0].carried_out, "{context}");
            assert_eq!(truth.tally("large"), Default::default(), "{context}");
            assert_eq!(calls.load(Ordering::SeqCst), 1, "{context}");
        }
    }
}

#[tokio::test]
async fn an_early_answer_comes_before_the_body_was_read() {
    for (http, protocol) in VERSIONS {
        for by in CutBy::ALL {
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            let scenario = Scenario::from(RequestFault::Early { status, by });
            let context = format!("{scenario} over {protocol:?}");
            let (server, calls) = start(once(scenario).with_http(http)).await;
            let saw = call(&client(&server), request(&server, "large", vec![0; LARGE])).await;
            match &saw {
                Saw::Answer(seen, _) => assert_eq!(*seen, status, "{context}"),
                // An RST can overtake the answer while the client is writing.
                _ => assert_eq!(by, CutBy::Rst, "{context}: {saw:?}"),
            }
            let truth = server.shutdown().await;
            assert!(truth.connections()[0].carried_out, "{context}");
            assert_eq!(truth.tally("large"), Default::default(), "{context}");
            assert_eq!(calls.load(Ordering::SeqCst), 0, "{context}");
        }
    }
}

/// To whoever reads what it wrote, a fault has struck: on two threads, the client is often the quicker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_has_struck_by_the_time_its_answer_is_read() {
    let early = RequestFault::Early { status: StatusCode::PAYLOAD_TOO_LARGE, by: CutBy::Fin };
    for (http, protocol) in VERSIONS {
        let (server, _) = start(FlakyTls::new().with_http(http).with_script(Scenario::from(early))).await;
        for at in 0..100 {
            let saw = call(&client(&server), request(&server, "a", "body")).await;
            let struck = server.truth().connections()[at].carried_out;
            let answered = matches!(saw, Saw::Answer(StatusCode::PAYLOAD_TOO_LARGE, _));
            // Over HTTP/2 a client on two threads may meet the end of the connection before the answer in it.
            assert!(answered || http == HttpVersions::Http2, "{protocol:?}: {saw:?}");
            assert!(struck || !answered, "{protocol:?}, connection {at}");
        }
    }
}

#[tokio::test]
async fn a_request_that_is_complete_too_soon_is_served() {
    let early = RequestFault::Early { status: StatusCode::BAD_REQUEST, by: CutBy::Rst };
    let upload = RequestFault::Upload { read: 10, by: CutBy::Rst };
    for (http, _) in VERSIONS {
        for (fault, body) in [(early, ""), (upload, ""), (upload, "123456789")] {
            let (server, _) = start(once(fault.into()).with_http(http)).await;
            let saw = call(&client(&server), request(&server, "a", body)).await;
            assert!(matches!(saw, Saw::Answer(StatusCode::OK, _)), "{fault}: {saw:?}");
            let truth = server.shutdown().await;
            assert!(!truth.connections()[0].carried_out, "{fault}");
            assert_eq!((truth.tally("a").received, truth.tally("a").answered), (1, 1), "{fault}");
        }
    }
}

#[tokio::test]
async fn idle_connections_are_closed_and_no_answer_is_lost() {
    for (http, protocol) in VERSIONS {
        for wait in [Duration::ZERO, Duration::from_millis(20)] {
            for by in CutBy::ALL {
                let scenario = Scenario::After { requests: 1, then: RequestFault::Idle { wait, by } };
                let context = format!("{scenario} over {protocol:?}");
                let (server, _) = start(once(scenario).with_http(http)).await;
                let client = client(&server);
                for id in ["first", "second"] {
                    let saw = call(&client, request(&server, id, "x")).await;
                    let Saw::Answer(StatusCode::OK, body) = &saw else { panic!("{context}: {saw:?}") };
                    assert_eq!(body, ANSWER);
                }
                until(&server, |truth| truth.connections()[0].end.is_some()).await;
                let record = server.truth().connections()[0].clone();
                assert_eq!((record.end, record.carried_out), (Some(End::Struck), true), "{context}");
                assert_eq!((record.tally.received, record.tally.answered), (2, 2), "{context}");
            }
        }
    }
}

/// However the race between a close and a reuse ends, a request is delivered at most once, and an answer means once.
#[tokio::test]
async fn the_reuse_of_a_closing_connection_delivers_at_most_once() {
    for (http, protocol) in VERSIONS {
        for by in CutBy::ALL {
            let fault = RequestFault::Idle { wait: Duration::ZERO, by };
            let (server, _) = start(FlakyTls::new().with_script(Scenario::from(fault)).with_http(http)).await;
            let client = client(&server);
            for round in 0..20 {
                let id = format!("{round}");
                let saw = call(&client, request(&server, &id, "x")).await;
                let received = server.tally(&id).received;
                match saw {
                    Saw::Answer(..) => assert_eq!(received, 1, "{by} over {protocol:?}"),
                    _ if !saw.handed_over() => assert_eq!(received, 0, "{by} over {protocol:?}: {saw:?}"),
                    _ => assert!(received <= 1, "{by} over {protocol:?}: {saw:?}"),
                }
            }
        }
    }
}

#[tokio::test]
async fn a_stall_before_the_request_is_silent() {
    for (http, protocol) in VERSIONS {
        let scenario = Scenario::After { requests: 1, then: RequestFault::Stall(RequestPoint::Start) };
        let (server, _) = start(once(scenario).with_http(http)).await;
        let client = client(&server);
        call(&client, request(&server, "before", "x")).await;
        let stalled = tokio::spawn({
            let request = request(&server, "stalled", "x");
            async move { call(&client, request).await }
        });
        until(&server, |truth| truth.connections()[0].carried_out).await;
        assert!(!stalled.is_finished(), "{protocol:?}");
        stalled.abort();
        let truth = server.shutdown().await;
        assert_eq!((truth.tally("before").answered, truth.tally("stalled").received), (1, 0), "{protocol:?}");
    }
}

#[tokio::test]
async fn what_http_1_does_not_have_is_not_carried_out() {
    let scenarios = [
        RequestFault::Reset(Http2Error::RefusedStream).into(),
        RequestFault::GoAway { covers: false, reason: Http2Error::NoError, by: CutBy::Fin }.into(),
        Scenario::Http2Cut { at: Http2Point::Preface, by: CutBy::Rst },
    ];
    for scenario in scenarios {
        let (server, _) = start(once(scenario)).await;
        let saw = call(&client(&server), request(&server, "a", "x")).await;
        assert!(matches!(saw, Saw::Answer(StatusCode::OK, _)), "{scenario}: {saw:?}");
        let truth = server.shutdown().await;
        assert!(!truth.connections()[0].carried_out, "{scenario}");
        assert_eq!(truth.tally("a").answered, 1, "{scenario}");
    }
}

#[tokio::test]
async fn the_client_chooses_among_the_versions_offered() {
    for (offered, protocol) in [
        (HttpVersions::Http1, Protocol::Http1),
        (HttpVersions::Http2, Protocol::Http2),
        (HttpVersions::Both, Protocol::Http2),
    ] {
        let (server, _) = start(FlakyTls::new().with_http(offered)).await;
        let get = Request::get(server.url()).body(Full::default()).unwrap();
        let saw = call(&client(&server), get).await;
        assert!(matches!(saw, Saw::Answer(StatusCode::OK, _)), "{saw:?}");
        assert_eq!(server.shutdown().await.connections()[0].protocol, Some(protocol));
    }
}
