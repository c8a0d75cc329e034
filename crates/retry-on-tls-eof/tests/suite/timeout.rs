//! The attempt's time limit: over a mock, and over hyper-util's client with connections that do and don't come.

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use retry_on_tls_eof::{AttemptTimedOut, AttemptTimeoutLayer, Deadline, InvalidTimeout};
use tokio::net::TcpListener;
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::{BoxError, Layer, Service, ServiceExt};
use tower_test::mock;
use wire_fault::{Cause, Delivery, Fault, Phase};

const S: Duration = Duration::from_secs(1);

fn fault(error: &BoxError) -> Fault {
    assert!(error.is::<AttemptTimedOut>(), "{error:?}");
    Fault::of(&**error)
}

#[test]
fn out_of_range_is_refused_by_name() {
    let refused = |after| AttemptTimeoutLayer::new(after).expect_err("out of range").to_string();
    assert_eq!(refused(Duration::ZERO), "an attempt's time limit of 0ns is out of range: 1ms to 3600s");
    assert!(refused(Duration::MAX).contains("out of range"));
    let _: InvalidTimeout = AttemptTimeoutLayer::new(Duration::from_micros(999)).expect_err("below 1 ms");
    assert!(AttemptTimeoutLayer::new(Duration::from_millis(1)).is_ok());
    assert!(AttemptTimeoutLayer::new(Duration::from_secs(3600)).is_ok());
}

#[tokio::test(start_paused = true)]
async fn it_starts_with_the_attempt_and_ends_to_the_millisecond() {
    let (mut service, mut handle) =
        mock::spawn_layer::<Request<()>, Response<()>, _>(AttemptTimeoutLayer::new(3 * S).expect("in range"));
    handle.allow(2);
    tokio_test::assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call(Request::new(())));
    let (_, _send) = handle.next_request().await.expect("sent");
    assert_pending!(call.poll());
    tokio::time::advance(3 * S - Duration::from_millis(1)).await;
    assert_pending!(call.poll());
    tokio::time::advance(Duration::from_millis(1)).await;
    let error = assert_ready_err!(call.poll());
    let fault = fault(&error);
    assert_eq!((fault.delivery, fault.cause), (Delivery::Perhaps, Cause::Timeout));

    // An answer that is there when the time is up is an answer.
    tokio_test::assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call(Request::new(())));
    let (_, send) = handle.next_request().await.expect("sent");
    tokio::time::advance(4 * S).await;
    send.send_response(Response::new(()));
    assert_ready_ok!(call.poll());
}

/// No more time than the deadline leaves, and none at all after it: then nothing is sent.
#[tokio::test(start_paused = true)]
async fn it_keeps_the_requests_deadline() {
    let sent = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counter = sent.clone();
    let transport = tower::service_fn(move |_: Request<()>| {
        counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        std::future::pending::<Result<Response<()>, BoxError>>()
    });
    let service = AttemptTimeoutLayer::new(3 * S).expect("in range").layer(transport);
    let start = tokio::time::Instant::now();
    for (deadline, after, delivery, attempts) in [
        (Some(2 * S), 2 * S, Delivery::Perhaps, 1),
        (Some(4 * S), 3 * S, Delivery::Perhaps, 2),
        (None, 3 * S, Delivery::Perhaps, 3),
        (Some(Duration::ZERO), Duration::ZERO, Delivery::NeverSent, 3),
    ] {
        let mut request = Request::new(());
        let began = start.elapsed();
        if let Some(deadline) = deadline {
            request.extensions_mut().insert(Deadline::at(tokio::time::Instant::now() + deadline));
        }
        let error = service.clone().oneshot(request).await.expect_err("out of time");
        let told = error.downcast_ref::<AttemptTimedOut>().expect("its own error").after();
        assert_eq!((start.elapsed() - began, told), (after, after));
        assert_eq!(fault(&error).delivery, delivery);
        assert_eq!(sent.load(std::sync::atomic::Ordering::Relaxed), attempts);
    }
}

/// A transport that knows nothing of hyper-util's note: its absence is no proof, unless the caller declares it.
#[tokio::test(start_paused = true)]
async fn without_the_declaration_a_timeout_is_perhaps() {
    let transport =
        tower::service_fn(|_: Request<()>| std::future::pending::<Result<Response<()>, BoxError>>());
    let mut service = AttemptTimeoutLayer::new(S).expect("in range").layer(transport);
    let error = service.ready().await.expect("ready").call(Request::new(())).await.expect_err("never");
    assert_eq!(fault(&error).delivery, Delivery::Perhaps);
}

fn client() -> Client<HttpConnector, Empty<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

#[tokio::test]
async fn a_connection_in_hand_means_perhaps() {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let uri = format!("http://{}/", silent.local_addr().expect("an address"));
    let layer = AttemptTimeoutLayer::new(Duration::from_millis(200)).expect("in range").over_hyper_util();
    let mut service = layer.layer(client());
    let request = Request::post(uri).body(Empty::new()).expect("a request");
    let error = service.ready().await.expect("ready").call(request).await.expect_err("silent");
    let fault = fault(&error);
    assert_eq!((fault.phase, fault.delivery), (Phase::InFlight, Delivery::Perhaps));
}

#[tokio::test(start_paused = true)]
async fn no_connection_yet_means_never_sent() {
    // A connector that never connects, below the real client.
    let connector = tower::service_fn(|_: http::Uri| {
        std::future::pending::<Result<hyper_util::rt::TokioIo<tokio::net::TcpStream>, BoxError>>()
    });
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let layer = AttemptTimeoutLayer::new(S).expect("in range").over_hyper_util();
    let request = Request::post("http://api/").body(Empty::new()).expect("a request");
    let error = layer.layer(client).oneshot(request).await.expect_err("no connection");
    let fault = fault(&error);
    assert_eq!(fault.delivery, Delivery::NeverSent);
    assert!(fault.may_repeat(false));
    assert_eq!(fault.to_string(), "connection set-up timed out; the request was never sent");
}

/// hyper-util's client over a connector that takes 200 ms to connect, to a peer that never answers.
async fn slow_client() -> Client<impl Connect + Clone + Send + Sync + 'static, Empty<Bytes>> {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = silent.local_addr().expect("an address");
    let silent = std::sync::Arc::new(silent);
    Client::builder(TokioExecutor::new()).build(tower::service_fn(move |_: http::Uri| {
        let silent = silent.clone();
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let stream = tokio::net::TcpStream::connect(address).await?;
            drop(silent);
            Ok::<_, BoxError>(TokioIo::new(stream))
        })
    }))
}

fn post() -> Request<Empty<Bytes>> {
    Request::post("http://api/order").body(Empty::new()).expect("a request")
}

fn limit(milliseconds: u64) -> AttemptTimeoutLayer {
    AttemptTimeoutLayer::new(Duration::from_millis(milliseconds)).expect("in range").over_hyper_util()
}

/// There is one place for the client's note. Two limits share it, or the outer one would take its absence for proof.
#[tokio::test]
async fn of_two_limits_the_outer_one_is_not_blind() {
    let client = limit(5_000).layer(slow_client().await);
    let error = limit(600).layer(client).oneshot(post()).await.expect_err("silent");
    assert_eq!(fault(&error).delivery, Delivery::Perhaps);

    let client = limit(5_000).layer(slow_client().await);
    let error = limit(50).layer(client).oneshot(post()).await.expect_err("not connected");
    assert_eq!(fault(&error).delivery, Delivery::NeverSent);
}

/// A limit that drops the attempt stops only what the attempt itself holds.
#[tokio::test]
async fn an_attempt_that_goes_on_elsewhere_is_not_proven_unsent() {
    let client = slow_client().await;
    let spawning = tower::service_fn(move |request| {
        let sent = tokio::spawn(client.request(request));
        async move { Ok::<_, BoxError>(sent.await??) }
    });
    let error = limit(50).layer(spawning).oneshot(post()).await.expect_err("not connected");
    assert_eq!(fault(&error).delivery, Delivery::Perhaps);
}

/// Whoever makes a request of their own leaves the note behind.
#[tokio::test]
async fn a_request_made_anew_is_not_proven_unsent() {
    let client = slow_client().await;
    let rebuilding = tower::service_fn(move |request: Request<Empty<Bytes>>| {
        let (head, body) = request.into_parts();
        let mut rebuilt = Request::new(body);
        *rebuilt.method_mut() = head.method;
        *rebuilt.uri_mut() = head.uri;
        client.request(rebuilt)
    });
    let error = limit(600).layer(rebuilding).oneshot(post()).await.expect_err("silent");
    assert_eq!(fault(&error).delivery, Delivery::Perhaps);
}
