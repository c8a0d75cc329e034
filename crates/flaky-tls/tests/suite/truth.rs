//! Whether the server's books are right, whatever happens around them.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::common::{ANSWER, Failure, connect, post, raw, start, until};
use bytes::Bytes;
use flaky_tls::{CutBy, CutPoint, End, FlakyTls, Mix, RequestBody, Scenario, Script};
use http::{HeaderName, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_are_exact_under_64_connections_at_once() {
    let mix = Scenario::cuts().map(|cut| (cut, 1)).chain([(Scenario::Healthy, 10)]);
    let script = Script::seeded(7, Mix::new(mix).unwrap());
    let (server, calls) = start(FlakyTls::new().with_script(script.clone())).await;
    let server = Arc::new(server);
    let mut clients = JoinSet::new();
    for client in 0..64 {
        let server = Arc::clone(&server);
        clients.spawn(async move {
            let mut results = Vec::new();
            for round in 0..6 {
                let id = format!("{client}-{round}");
                let called = post(&server, &id).await;
                // What the server received, it has written down before the client can know the result.
                results.push((server.tally(&id).received, id, called));
            }
            results
        });
    }
    let results: Vec<_> = clients.join_all().await.into_iter().flatten().collect();
    let truth = Arc::into_inner(server).unwrap().shutdown().await;

    assert_eq!(truth.accepted(), 64 * 6);
    for (index, record) in truth.connections().iter().enumerate() {
        assert_eq!(record.scenario, script.scenario(index as u64));
        assert_eq!(record.carried_out, record.scenario != Scenario::Healthy, "{record:?}");
        assert_eq!(record.tally.received, truth.requests_on(record.index).count() as u64);
    }
    let mut received = 0;
    for (at_once, id, called) in results {
        let tally = truth.tally(&id);
        assert_eq!(tally.received, at_once, "{id}");
        received += tally.received;
        match called.result {
            Ok(body) => {
                assert_eq!(body, ANSWER);
                assert_eq!((tally.received, tally.answered), (1, 1), "{id}");
            }
            Err(Failure::Handshake(_)) => assert_eq!(tally.received, 0, "{id}"),
            Err(Failure::Body(_)) => assert_eq!((tally.received, tally.answered), (1, 0), "{id}"),
            Err(Failure::Send(_)) => {
                assert_eq!(tally.answered, 0);
                // Cut before it was read, or after: only the server's own record of the connection tells.
                let after = truth
                    .from_port(called.port)
                    .flat_map(|record| truth.requests_on(record.index))
                    .filter(|request| request.id.as_deref() == Some(&*id))
                    .count();
                assert_eq!(tally.received, after as u64, "{id}");
            }
        }
    }
    assert_eq!(truth.total().received, received);
    assert_eq!(calls.load(Ordering::SeqCst), received);
    assert_eq!(truth.requests().len() as u64, received);
    assert!(truth.requests().is_sorted_by_key(|request| request.at));
    assert_eq!(truth.busiest(Duration::from_secs(3600)) as u64, received);
}

#[tokio::test]
async fn the_same_seed_gives_the_same_sequence() {
    let mix: Mix = "healthy=3,cut-accept-fin=1,cut-client-hello-rst=2".parse().unwrap();
    let mut sequences = Vec::new();
    for seed in [1, 1, 2] {
        let (server, _) = start(FlakyTls::new().with_script(Script::seeded(seed, mix.clone()))).await;
        for _ in 0..30 {
            let _ = post(&server, "a").await;
        }
        let truth = server.shutdown().await;
        sequences.push(truth.connections().iter().map(|record| record.scenario).collect::<Vec<_>>());
    }
    assert_eq!(sequences[0], sequences[1]);
    assert_ne!(sequences[0], sequences[2]);
}

#[tokio::test]
async fn connections_are_kept_alive_and_the_cut_strikes_the_first_request() {
    let (server, _) = start(FlakyTls::new()).await;
    let (_, tls) = connect(&server, server.authority().client_config().unwrap()).await;
    let (mut send, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(tls.unwrap())).await.unwrap();
    tokio::spawn(connection);
    for round in 0..3 {
        send.ready().await.unwrap();
        let request = Request::get("/").header("host", "localhost").header("x-request-id", "again");
        let response = send.send_request(request.body(Full::<Bytes>::default()).unwrap()).await.unwrap();
        assert_eq!(
            response.headers()["content-length"],
            ANSWER.len().to_string(),
            "the length was forgotten"
        );
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), ANSWER);
        assert_eq!(server.tally("again").received, round + 1);
    }
    let truth = server.shutdown().await;
    assert_eq!(truth.accepted(), 1);
    assert_eq!(truth.tally("again").answered, 3);
    assert_eq!(truth.connections()[0].end, Some(End::Shutdown));
}

#[tokio::test]
async fn a_panic_ends_its_connection_only() {
    let service = tower::service_fn(|request: Request<RequestBody>| {
        assert!(request.headers()["x-request-id"] != "boom", "a panic that this test asks for");
        async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) }
    });
    let script = Script::from_fn(|index| {
        assert!(index != 2, "a panic that this test asks for");
        Scenario::Healthy
    });
    let server = FlakyTls::new().with_script(script).serve(service).await.unwrap();
    assert!(post(&server, "boom").await.result.is_err());
    assert!(post(&server, "fine").await.result.is_ok());
    assert!(post(&server, "never").await.result.is_err());
    assert!(post(&server, "fine").await.result.is_ok());
    until(&server, |truth| truth.connections().iter().all(|record| record.end.is_some())).await;
    let truth = server.shutdown().await;
    let ends: Vec<_> = truth.connections().iter().map(|record| record.end).collect();
    let (panicked, left) = (Some(End::Panicked), Some(End::ClientLeft));
    assert_eq!(ends, [panicked, left, panicked, left]);
    assert_eq!((truth.tally("boom").received, truth.tally("boom").answered), (1, 0));
    assert_eq!(truth.tally("fine").answered, 2);
}

#[tokio::test]
async fn a_service_that_fails_is_written_down() {
    let service = tower::service_fn(async |_: Request<RequestBody>| {
        Err::<Response<Full<Bytes>>, _>(std::io::Error::other("no"))
    });
    let server = FlakyTls::new().serve(service).await.unwrap();
    assert!(post(&server, "a").await.result.is_err());
    let truth = server.shutdown().await;
    assert_eq!(truth.connections()[0].end, Some(End::ServiceFailed));
    assert_eq!((truth.tally("a").received, truth.tally("a").answered), (1, 0));
}

#[tokio::test]
async fn an_incomplete_request_does_not_count() {
    let (server, calls) = start(FlakyTls::new()).await;
    let (_, tls) = connect(&server, server.authority().client_config().unwrap()).await;
    let mut tls = tls.unwrap();
    let part = b"POST / HTTP/1.1\r\nhost: x\r\nx-request-id: part\r\ncontent-length: 10\r\n\r\n123456789";
    tokio::io::AsyncWriteExt::write_all(&mut tls, part).await.unwrap();
    tokio::io::AsyncWriteExt::shutdown(&mut tls).await.unwrap();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut tls, &mut Vec::new()).await;
    drop(tls);
    let truth = server.shutdown().await;
    assert_eq!(truth.total().received, 0);
    assert_eq!(truth.connections()[0].end, Some(End::ClientLeft));
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_not_counted() {
    let (server, calls) = start(FlakyTls::new().with_body_limit(7)).await;
    let request = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\nconnection: close\r\n\r\n12345678";
    let (seen, _) = raw(&server, request).await;
    assert!(seen.starts_with(b"HTTP/1.1 413"), "{}", String::from_utf8_lossy(&seen));
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    assert_eq!(server.shutdown().await.total().received, 0);
}

#[tokio::test]
async fn ids_come_from_the_header_that_was_named_and_are_bounded() {
    let header = HeaderName::from_static("x-call");
    let (server, _) = start(FlakyTls::new().with_request_id_header(header)).await;
    for id in ["named", &"long".repeat(65), "é"] {
        let request = format!("GET / HTTP/1.1\r\nhost: x\r\nx-call: {id}\r\nconnection: close\r\n\r\n");
        raw(&server, &request).await.1.unwrap();
    }
    let truth = server.shutdown().await;
    let ids: Vec<_> = truth.requests().iter().map(|request| request.id.as_deref()).collect();
    assert_eq!(ids, [Some("named"), None, None]);
    assert_eq!(truth.tallies().len(), 1);
    assert_eq!(truth.total().answered, 3);
}

#[tokio::test]
async fn details_stop_at_the_limit_and_totals_go_on() {
    let (server, _) = start(FlakyTls::new().with_record_limit(2)).await;
    for id in ["a", "b", "c"] {
        post(&server, id).await.result.unwrap();
    }
    let truth = server.shutdown().await;
    assert_eq!((truth.connections().len(), truth.requests().len(), truth.tallies().len()), (2, 2, 2));
    assert_eq!((truth.accepted(), truth.total().received, truth.total().answered), (3, 3, 3));
    assert_eq!(truth.unrecorded(), 3);
}

/// A body that does not know its length.
struct Chunks(VecDeque<&'static str>);

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|chunk| Ok(Frame::data(Bytes::from_static(chunk.as_bytes())))))
    }
}

#[tokio::test]
async fn a_body_of_unknown_length_is_cut_within_a_chunk() {
    for (chunks, expected) in
        [(vec!["", "0123456789", "x"], "a\r\n01234"), (vec!["x"], "1\r\nx"), (vec![], "0\r\n\r\n")]
    {
        let cut = Scenario::Cut { at: CutPoint::Body, by: CutBy::CloseNotify };
        let answer = chunks.clone();
        let service = tower::service_fn(move |_: Request<RequestBody>| {
            let body = Chunks(answer.clone().into());
            async { Ok::<_, Infallible>(Response::new(body)) }
        });
        let server = FlakyTls::new().with_script(cut).serve(service).await.unwrap();
        let (seen, _) = raw(&server, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        let seen = String::from_utf8(seen).unwrap();
        let (head, body) = seen.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("transfer-encoding: chunked"), "{head}");
        assert_eq!(body, expected);
        let truth = server.shutdown().await;
        assert_eq!(truth.connections()[0].carried_out, !chunks.is_empty());
        assert_eq!(truth.total().answered, u64::from(chunks.is_empty()));
    }
}

#[tokio::test]
async fn an_answer_that_has_no_body_to_cut_is_given_whole() {
    let cut = Scenario::Cut { at: CutPoint::Body, by: CutBy::Rst };
    let service = tower::service_fn(async |request: Request<RequestBody>| {
        let mut response = Response::new(Full::new(Bytes::from_static(match request.uri().path() {
            "/one" => b"1",
            "/head" => b"not for HEAD",
            _ => b"",
        })));
        if request.uri().path() == "/204" {
            *response.status_mut() = StatusCode::NO_CONTENT;
        }
        Ok::<_, Infallible>(response)
    });
    for line in ["GET /one", "HEAD /head", "GET /204", "GET /empty"] {
        let server = FlakyTls::new().with_script(cut).serve(service).await.unwrap();
        let request = format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let (seen, end) = raw(&server, &request).await;
        end.unwrap();
        assert!(seen.starts_with(b"HTTP/1.1 20"), "{line}");
        let truth = server.shutdown().await;
        assert!(!truth.connections()[0].carried_out, "{line}");
        assert_eq!((truth.total().received, truth.total().answered), (1, 1), "{line}");
    }
}
