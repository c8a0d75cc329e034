//! Time limits over connections that stall, and over connections that never came to write: what the limit says, held
//! against what the server received.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use flaky_tls::{
    CutPoint, FlakyTls, HttpVersions, RequestBody, RequestFault, RequestPoint, Running, Scenario, Script,
};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::rt::Executor;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::TokioExecutor;
use jittered_backoff::{Backoff, Limits};
use retry_on_tls_eof::{Attempt, AttemptTimedOut, AttemptTimeoutLayer, OutcomeUnknown, RetryOnTlsEofLayer};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use wire_fault::{Boxed, Delivery, Fault, WitnessLayer};

/// Answers at once, but for `/slow`: once it is told to.
async fn serve(http: HttpVersions, script: impl IntoIterator<Item = Scenario>) -> (Running, Arc<Notify>) {
    let go = Arc::new(Notify::new());
    let slow = Arc::clone(&go);
    let answer = service_fn(move |request: Request<RequestBody>| {
        let slow = Arc::clone(&slow);
        async move {
            if request.uri().path() == "/slow" {
                slow.notified().await;
            }
            request.into_body().collect().await.expect("it was read in full");
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("ok"))))
        }
    });
    let script = Script::list(script.into_iter().collect::<Vec<_>>(), Scenario::Healthy);
    let server = FlakyTls::new().with_http(http).with_script(script).serve(answer).await;
    (server.expect("a free port"), go)
}

fn https(server: &Running) -> HttpsConnector<HttpConnector> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    HttpsConnectorBuilder::new()
        .with_tls_config(server.authority().client_config().expect("a configuration"))
        .https_only()
        .enable_http1()
        .enable_http2()
        .wrap_connector(tcp)
}

type Body = Empty<Bytes>;

fn client(server: &Running) -> Client<impl Connect + Clone + Send + Sync + use<>, Body> {
    Client::builder(TokioExecutor::new()).build(WitnessLayer::new().layer(https(server)))
}

fn limit(after: Duration) -> AttemptTimeoutLayer {
    AttemptTimeoutLayer::new(after).expect("in range").over_hyper_util()
}

/// Long enough for a handshake and an answer on a busy machine.
const LIMIT: Duration = Duration::from_millis(500);

fn retry() -> RetryOnTlsEofLayer<Boxed> {
    let millis = Duration::from_millis;
    RetryOnTlsEofLayer::new(Backoff::exponential(millis(1)..=millis(2)).expect("in range"))
        .with_limits(Limits::new().with_attempts(3).expect("in range").with_deadline(millis(60_000)))
}

fn request(server: &Running, method: Method, path: &str, id: &str) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(format!("{}{path}", server.url().trim_end_matches('/')))
        .header("x-request-id", id)
        .body(Body::new())
        .expect("a request")
}

/// The repeat goes over a connection of its own, whatever the version: HTTP/2 would else hand it to the stalled one.
#[tokio::test]
async fn a_repeat_leaves_the_stalled_connection() {
    let mut all = JoinSet::new();
    for http in [HttpVersions::Http1, HttpVersions::Http2] {
        for at in [RequestPoint::Start, RequestPoint::Request, RequestPoint::Head] {
            all.spawn(leaves_the_stalled_connection(http, at));
        }
    }
    all.join_all().await;
}

async fn leaves_the_stalled_connection(http: HttpVersions, at: RequestPoint) {
    let stall = Scenario::After { requests: 1, then: RequestFault::Stall(at) };
    let (server, _) = serve(http, [stall]).await;
    let service = ServiceBuilder::new().layer(retry()).layer(limit(LIMIT)).service(client(&server));
    let first = service.clone().oneshot(request(&server, Method::GET, "/", "first"));
    first.await.expect("healthy").into_body().collect().await.expect("whole");
    let stalled = service.oneshot(request(&server, Method::GET, "/", "stalled"));
    let response = stalled.await.expect("healed");
    assert_eq!(response.extensions().get().map(|attempt: &Attempt| attempt.get()), Some(2));
    let truth = server.shutdown().await;
    assert_eq!((truth.accepted(), truth.tally("stalled").answered), (2, 1), "{http:?} {at:?}");
}

/// A POST over one may have landed, whatever the server read of it: the bytes had gone out.
#[tokio::test]
async fn a_post_over_a_stalled_connection_may_have_landed() {
    let mut all = JoinSet::new();
    for http in [HttpVersions::Http1, HttpVersions::Http2] {
        all.spawn(a_post_may_have_landed(http, Scenario::Stall(CutPoint::Handshake), 0));
        all.spawn(a_post_may_have_landed(http, RequestFault::Stall(RequestPoint::Start).into(), 0));
        all.spawn(a_post_may_have_landed(http, Scenario::Stall(CutPoint::Request), 1));
    }
    all.join_all().await;
}

async fn a_post_may_have_landed(http: HttpVersions, stall: Scenario, received: u64) {
    let (server, _) = serve(http, [stall]).await;
    let service = ServiceBuilder::new().layer(retry()).layer(limit(LIMIT)).service(client(&server));
    let error = service.oneshot(request(&server, Method::POST, "/", "post")).await.expect_err("silent");
    let unknown = OutcomeUnknown::of(&*error).expect("it was sent");
    assert_eq!((unknown.attempts(), unknown.fault().delivery), (1, Delivery::Perhaps));
    assert_eq!(server.shutdown().await.tally("post").received, received, "{http:?} {stall}");
}

/// The handshake itself stalls: there was no connection, and the POST is repeated.
#[tokio::test]
async fn a_stalled_handshake_is_never_sent() {
    let mut all = JoinSet::new();
    for at in [CutPoint::Accept, CutPoint::ClientHello, CutPoint::ServerHello] {
        all.spawn(async move {
            let (server, _) = serve(HttpVersions::Both, [Scenario::Stall(at)]).await;
            let service = ServiceBuilder::new().layer(retry()).layer(limit(LIMIT)).service(client(&server));
            service.oneshot(request(&server, Method::POST, "/", "post")).await.expect("healed");
            assert_eq!(server.shutdown().await.tally("post").received, 1, "{at:?}");
        });
    }
    all.join_all().await;
}

/// The calls beside it on the same connection are not disturbed; only new ones go elsewhere.
#[tokio::test]
async fn calls_beside_it_go_on() {
    let (server, go) = serve(HttpVersions::Http2, []).await;
    let client = client(&server);
    let warm = client.request(request(&server, Method::GET, "/", "warm")).await.expect("healthy");
    warm.into_body().collect().await.expect("whole");
    let patient = limit(60 * LIMIT).layer(client.clone());
    let patient = tokio::spawn(patient.oneshot(request(&server, Method::POST, "/slow", "patient")));
    let hasty = request(&server, Method::POST, "/slow", "hasty");
    let error = limit(LIMIT / 5).layer(client.clone()).oneshot(hasty).await.expect_err("slow");
    assert!(error.is::<AttemptTimedOut>() && !patient.is_finished());
    client.request(request(&server, Method::GET, "/", "next")).await.expect("over a new connection");
    go.notify_waiters();
    patient.await.expect("no panic").expect("answered");
    let truth = server.shutdown().await;
    assert_eq!((truth.accepted(), truth.tally("patient").answered), (2, 1));
}

/// Runs each connection's task up to where it waits for a request, and further only while the gate is open: a runtime so
/// busy that it doesn't come to it.
#[derive(Clone, Debug)]
struct Busy(watch::Receiver<bool>);

impl<F> Executor<F> for Busy
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, task: F) {
        let Self(mut gate) = self.clone();
        tokio::spawn(async move {
            let mut task = pin!(task);
            while poll_fn(|cx| Poll::Ready(task.as_mut().poll(cx))).await.is_pending() {
                woken().await;
                let _ = gate.wait_for(|open| *open).await;
            }
        });
    }
}

/// Waits for the next wake-up of this task.
async fn woken() {
    let mut polled = false;
    poll_fn(|_| if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

fn busy(server: &Running) -> (watch::Sender<bool>, Busy, HttpsConnector<HttpConnector>) {
    let (gate, open) = watch::channel(false);
    (gate, Busy(open), https(server))
}

fn delivery(error: &BoxError) -> Delivery {
    assert!(error.is::<AttemptTimedOut>(), "{error:?}");
    Fault::of(&**error).delivery
}

/// A connection was had, the request lies in its queue, and not a byte has been written: proof, and it is kept so.
#[tokio::test]
async fn what_was_not_written_is_never_sent() {
    let (server, _) = serve(HttpVersions::Http1, []).await;
    let (gate, busy, https) = busy(&server);
    let client = Client::builder(busy).build(WitnessLayer::new().layer(https));
    let post = request(&server, Method::POST, "/", "post");
    let error = limit(LIMIT).layer(client.clone()).oneshot(post).await.expect_err("no time");
    assert_eq!(delivery(&error), Delivery::NeverSent);
    // The connection comes to its queue after all.
    gate.send_replace(true);
    client.request(request(&server, Method::POST, "/", "next")).await.expect("over another connection");
    let truth = server.shutdown().await;
    assert_eq!((truth.tally("post").received, truth.tally("next").received, truth.accepted()), (0, 1, 2));
}

/// Without a witness nobody counts the writes.
#[tokio::test]
async fn without_a_witness_it_may_have_been_written() {
    let (server, _) = serve(HttpVersions::Http1, []).await;
    let (_gate, busy, https) = busy(&server);
    let client = Client::builder(busy).build(https);
    let post = request(&server, Method::POST, "/", "post");
    let error = limit(LIMIT).layer(client).oneshot(post).await.expect_err("no time");
    assert_eq!(delivery(&error), Delivery::Perhaps);
}

/// HTTP/2 has written its preface by then.
#[tokio::test]
async fn over_http2_a_connection_in_hand_proves_nothing() {
    let (server, go) = serve(HttpVersions::Http2, []).await;
    let post = request(&server, Method::POST, "/slow", "post");
    let error = limit(LIMIT).layer(client(&server)).oneshot(post).await.expect_err("no time");
    assert_eq!(delivery(&error), Delivery::Perhaps);
    go.notify_waiters();
}

/// Nor does a connection that was used before, though nothing of this request was written.
#[tokio::test]
async fn a_reused_connection_proves_nothing() {
    let (server, _) = serve(HttpVersions::Http1, []).await;
    let (gate, busy, https) = busy(&server);
    gate.send_replace(true);
    let client = Client::builder(busy).build(WitnessLayer::new().layer(https));
    let warm = client.request(request(&server, Method::GET, "/", "warm")).await.expect("healthy");
    warm.into_body().collect().await.expect("whole");
    gate.send_replace(false);
    let post = request(&server, Method::POST, "/", "post");
    let error = limit(LIMIT).layer(client).oneshot(post).await.expect_err("no time");
    assert_eq!(delivery(&error), Delivery::Perhaps);
    gate.send_replace(true);
    let truth = server.shutdown().await;
    assert_eq!((truth.accepted(), truth.tally("post").received), (1, 0));
}

/// Somebody below keeps a copy of the extensions, as what follows redirects does: the request in the queue may be the
/// second one, and this the second connection.
#[tokio::test]
async fn a_copy_below_proves_nothing() {
    let (server, _) = serve(HttpVersions::Http1, []).await;
    let (_gate, busy, https) = busy(&server);
    let client = Client::builder(busy).build(WitnessLayer::new().layer(https));
    let copying = service_fn(move |request: Request<Body>| {
        let kept = request.extensions().clone();
        let sent = client.request(request);
        async move {
            let response = sent.await;
            drop(kept);
            response
        }
    });
    let post = request(&server, Method::POST, "/", "post");
    let error = limit(LIMIT).layer(copying).oneshot(post).await.expect_err("no time");
    assert_eq!(delivery(&error), Delivery::Perhaps);
}

/// The first write and the time limit in one moment, many times: whichever comes first, none is sent twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_write_that_races_the_limit() {
    const CALLS: usize = 64;
    let (server, _) = serve(HttpVersions::Http1, []).await;
    let mut calls = JoinSet::new();
    let (open_at, _) = watch::channel(false);
    let start = tokio::time::Instant::now();
    for call in 0..CALLS {
        let client =
            Client::builder(Busy(open_at.subscribe())).build(WitnessLayer::new().layer(https(&server)));
        let mut service = ServiceBuilder::new().layer(retry()).layer(limit(2 * LIMIT)).service(client);
        let post = request(&server, Method::POST, "/", &call.to_string());
        calls.spawn(async move {
            tokio::time::sleep_until(start).await;
            service.ready().await.expect("ready").call(post).await
        });
    }
    let opener = std::thread::spawn({
        let until = start + 2 * LIMIT;
        move || {
            while tokio::time::Instant::now() < until {
                std::hint::spin_loop();
            }
            open_at.send_replace(true);
            open_at
        }
    });
    let (mut answered, mut unknown) = (0, 0);
    while let Some(ended) = calls.join_next().await {
        match ended.expect("no panic") {
            Ok(_) => answered += 1,
            Err(error) => {
                assert!(OutcomeUnknown::of(&*error).is_some(), "{error:?}");
                unknown += 1;
            }
        }
    }
    drop(opener.join());
    let truth = server.shutdown().await;
    for call in 0..CALLS {
        assert!(truth.tally(&call.to_string()).received <= 1, "{call} was sent twice");
    }
    assert!(truth.total().received >= answered);
    println!("{answered} answered, {unknown} unknown");
}
