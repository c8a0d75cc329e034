//! Time limits over connections that stall, and over connections that never came to write: what the limit says, held
//! against what the server received.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
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
use tokio::task::{AbortHandle, JoinSet};
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

const LIMIT: Duration = Duration::from_secs(10);

fn retry() -> RetryOnTlsEofLayer<Boxed> {
    let (once, deadline) = (Duration::from_millis(1), 100 * LIMIT);
    RetryOnTlsEofLayer::new(Backoff::exponential(once..=once).expect("in range"))
        .with_limits(Limits::new().with_attempts(3).expect("in range").with_deadline(deadline))
}

/// Keeps the paused clock where it is while the sockets work, however long they take: it moves on by itself only when
/// there is nothing to do.
struct Awake(AbortHandle);

impl Awake {
    fn new() -> Self {
        let wakes_itself = poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        });
        Self(tokio::spawn(wakes_itself).abort_handle())
    }

    async fn until(&self, is_so: impl Fn() -> bool) {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    }

    /// Lets everybody go on who does not wait for a socket.
    async fn settle(&self) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    /// The call's result, when time is up once this is so. The repeat's wait passes, too.
    async fn out_of_time<T: Send + 'static>(
        &self,
        call: impl Future<Output = T> + Send + 'static,
        is_so: impl Fn() -> bool,
    ) -> T {
        let call = tokio::spawn(call);
        self.until(is_so).await;
        self.settle().await;
        for passes in [LIMIT, Duration::from_millis(2)] {
            tokio::time::advance(passes).await;
            self.settle().await;
        }
        call.await.expect("no panic")
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn has_struck(server: &Running) -> bool {
    server.truth().connections().iter().any(|connection| connection.carried_out)
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
#[tokio::test(start_paused = true)]
async fn a_repeat_leaves_the_stalled_connection() {
    for http in [HttpVersions::Http1, HttpVersions::Http2] {
        for at in [RequestPoint::Start, RequestPoint::Request, RequestPoint::Head] {
            let stall = Scenario::After { requests: 1, then: RequestFault::Stall(at) };
            let (server, _) = serve(http, [stall]).await;
            let service = ServiceBuilder::new().layer(retry()).layer(limit(LIMIT)).service(client(&server));
            let awake = Awake::new();
            let first = service.clone().oneshot(request(&server, Method::GET, "/", "first"));
            first.await.expect("healthy").into_body().collect().await.expect("whole");
            let stalled = service.oneshot(request(&server, Method::GET, "/", "stalled"));
            let response = awake.out_of_time(stalled, || has_struck(&server)).await.expect("healed");
            assert_eq!(response.extensions().get().map(|attempt: &Attempt| attempt.get()), Some(2));
            response.into_body().collect().await.expect("whole");
            drop(awake);
            let truth = server.shutdown().await;
            assert_eq!((truth.accepted(), truth.tally("stalled").answered), (2, 1), "{http:?} {at:?}");
        }
    }
}

/// A POST over one may have landed, whatever the server read of it: the bytes had gone out.
#[tokio::test(start_paused = true)]
async fn a_post_over_a_stalled_connection_may_have_landed() {
    for http in [HttpVersions::Http1, HttpVersions::Http2] {
        for (at, received) in [(RequestPoint::Start, 0), (RequestPoint::Request, 1), (RequestPoint::Head, 1)]
        {
            let (server, _) = serve(http, [RequestFault::Stall(at).into()]).await;
            let service = ServiceBuilder::new().layer(retry()).layer(limit(LIMIT)).service(client(&server));
            let awake = Awake::new();
            let post = service.oneshot(request(&server, Method::POST, "/", "post"));
            let error = awake.out_of_time(post, || has_struck(&server)).await.expect_err("silent");
            let unknown = OutcomeUnknown::of(&*error).expect("it was sent");
            assert_eq!((unknown.attempts(), unknown.fault().delivery), (1, Delivery::Perhaps));
            drop(awake);
            assert_eq!(server.shutdown().await.tally("post").received, received, "{http:?} {at:?}");
        }
    }
}

/// After the server's handshake the client has its connection, or is about to, and writes, or is about to. Either way is
/// told as it is.
#[tokio::test(start_paused = true)]
async fn a_post_that_stalls_after_the_handshake() {
    for http in [HttpVersions::Http1, HttpVersions::Http2] {
        let (server, _) = serve(http, [Scenario::Stall(CutPoint::Handshake)]).await;
        let service = ServiceBuilder::new().layer(retry()).layer(limit(LIMIT)).service(client(&server));
        let awake = Awake::new();
        let post = service.oneshot(request(&server, Method::POST, "/", "post"));
        let ended = awake.out_of_time(post, || has_struck(&server)).await;
        drop(awake);
        let received = server.shutdown().await.tally("post").received;
        match ended {
            Ok(_) => assert_eq!(received, 1, "{http:?}"),
            Err(error) => assert!(OutcomeUnknown::of(&*error).is_some() && received == 0, "{error:?}"),
        }
    }
}

/// The handshake itself stalls: there was no connection, and the POST is repeated.
#[tokio::test(start_paused = true)]
async fn a_stalled_handshake_is_never_sent() {
    for at in [CutPoint::Accept, CutPoint::ClientHello, CutPoint::ServerHello] {
        let (server, _) = serve(HttpVersions::Both, [Scenario::Stall(at)]).await;
        let service = ServiceBuilder::new().layer(retry()).layer(limit(LIMIT)).service(client(&server));
        let awake = Awake::new();
        let post = service.oneshot(request(&server, Method::POST, "/", "post"));
        awake.out_of_time(post, || has_struck(&server)).await.expect("healed");
        drop(awake);
        assert_eq!(server.shutdown().await.tally("post").received, 1, "{at:?}");
    }
}

/// The calls beside it on the same connection are not disturbed; only new ones go elsewhere.
#[tokio::test(start_paused = true)]
async fn calls_beside_it_go_on() {
    let (server, go) = serve(HttpVersions::Http2, []).await;
    let client = client(&server);
    let awake = Awake::new();
    let warm = client.request(request(&server, Method::GET, "/", "warm")).await.expect("healthy");
    warm.into_body().collect().await.expect("whole");
    let patient = limit(60 * LIMIT).layer(client.clone());
    let patient = tokio::spawn(patient.oneshot(request(&server, Method::POST, "/slow", "patient")));
    let hasty = limit(LIMIT).layer(client.clone()).oneshot(request(&server, Method::POST, "/slow", "hasty"));
    let both = || ["patient", "hasty"].iter().all(|id| server.tally(id).received == 1);
    let error = awake.out_of_time(hasty, both).await.expect_err("slow");
    assert!(error.is::<AttemptTimedOut>() && !patient.is_finished());
    client.request(request(&server, Method::GET, "/", "next")).await.expect("over a new connection");
    go.notify_waiters();
    patient.await.expect("no panic").expect("answered");
    drop(awake);
    let truth = server.shutdown().await;
    assert_eq!((truth.accepted(), truth.tally("patient").answered), (2, 1));
}

/// Runs each connection's task up to where it waits for a request, and further only while the gate is open: a runtime so
/// busy that it doesn't come to it.
#[derive(Clone, Debug)]
struct Busy {
    gate: watch::Receiver<bool>,
    begun: Arc<AtomicU32>,
}

impl<F> Executor<F> for Busy
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, task: F) {
        let Self { mut gate, begun } = self.clone();
        tokio::spawn(async move {
            let mut task = pin!(task);
            while poll_fn(|cx| Poll::Ready(task.as_mut().poll(cx))).await.is_pending() {
                begun.fetch_add(1, Ordering::Relaxed);
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

impl Busy {
    fn new() -> (watch::Sender<bool>, Self) {
        let (open, gate) = watch::channel(false);
        (open, Self { gate, begun: Arc::default() })
    }

    /// A connection waits for requests, so the request waits in its queue as soon as everybody has gone on.
    fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed) > 0
    }
}

fn delivery(error: &BoxError) -> Delivery {
    assert!(error.is::<AttemptTimedOut>(), "{error:?}");
    Fault::of(&**error).delivery
}

/// A connection was had, the request lies in its queue, and not a byte has been written: proof, and it is kept so.
#[tokio::test(start_paused = true)]
async fn what_was_not_written_is_never_sent() {
    let (server, _) = serve(HttpVersions::Http1, []).await;
    let (gate, busy) = Busy::new();
    let client = Client::builder(busy.clone()).build(WitnessLayer::new().layer(https(&server)));
    let awake = Awake::new();
    let post = limit(LIMIT).layer(client.clone()).oneshot(request(&server, Method::POST, "/", "post"));
    let error = awake.out_of_time(post, || busy.has_begun()).await.expect_err("no time");
    assert_eq!(delivery(&error), Delivery::NeverSent);
    // The connection comes to its queue after all.
    gate.send_replace(true);
    client.request(request(&server, Method::POST, "/", "next")).await.expect("over another connection");
    drop(awake);
    let truth = server.shutdown().await;
    assert_eq!((truth.tally("post").received, truth.tally("next").received, truth.accepted()), (0, 1, 2));
}

/// Without a witness nobody counts the writes.
#[tokio::test(start_paused = true)]
async fn without_a_witness_it_may_have_been_written() {
    let (server, _) = serve(HttpVersions::Http1, []).await;
    let (_gate, busy) = Busy::new();
    let client = Client::builder(busy.clone()).build(https(&server));
    let post = limit(LIMIT).layer(client).oneshot(request(&server, Method::POST, "/", "post"));
    let error = Awake::new().out_of_time(post, || busy.has_begun()).await.expect_err("no time");
    assert_eq!(delivery(&error), Delivery::Perhaps);
}

/// Nor does a connection prove anything that was used before, though nothing of this request was written.
#[tokio::test(start_paused = true)]
async fn a_reused_connection_proves_nothing() {
    let (server, _) = serve(HttpVersions::Http1, []).await;
    let (gate, busy) = Busy::new();
    gate.send_replace(true);
    let client = Client::builder(busy.clone()).build(WitnessLayer::new().layer(https(&server)));
    let awake = Awake::new();
    let warm = client.request(request(&server, Method::GET, "/", "warm")).await.expect("healthy");
    warm.into_body().collect().await.expect("whole");
    awake.settle().await;
    gate.send_replace(false);
    let post = limit(LIMIT).layer(client).oneshot(request(&server, Method::POST, "/", "post"));
    let error = awake.out_of_time(post, || true).await.expect_err("no time");
    assert_eq!(delivery(&error), Delivery::Perhaps);
    gate.send_replace(true);
    drop(awake);
    let truth = server.shutdown().await;
    assert_eq!((truth.accepted(), truth.tally("post").received), (1, 0));
}

/// Somebody below keeps a copy of the extensions, as what follows redirects does: the request in the queue may be the
/// second one, and this the second connection.
#[tokio::test(start_paused = true)]
async fn a_copy_below_proves_nothing() {
    let (server, _) = serve(HttpVersions::Http1, []).await;
    let (_gate, busy) = Busy::new();
    let client = Client::builder(busy.clone()).build(WitnessLayer::new().layer(https(&server)));
    let copying = service_fn(move |request: Request<Body>| {
        let kept = request.extensions().clone();
        let sent = client.request(request);
        async move {
            let response = sent.await;
            drop(kept);
            response
        }
    });
    let post = limit(LIMIT).layer(copying).oneshot(request(&server, Method::POST, "/", "post"));
    let error = Awake::new().out_of_time(post, || busy.has_begun()).await.expect_err("no time");
    assert_eq!(delivery(&error), Delivery::Perhaps);
}

/// The first write and the time limit in one moment, many times: whichever comes first, none is sent twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_write_that_races_the_limit() {
    const CALLS: usize = 64;
    const AFTER: Duration = Duration::from_secs(1);
    let (server, _) = serve(HttpVersions::Http1, []).await;
    let (gate, busy) = Busy::new();
    let mut calls = JoinSet::new();
    let start = tokio::time::Instant::now();
    for call in 0..CALLS {
        let client = Client::builder(busy.clone()).build(WitnessLayer::new().layer(https(&server)));
        let mut service = ServiceBuilder::new().layer(retry()).layer(limit(AFTER)).service(client);
        let post = request(&server, Method::POST, "/", &call.to_string());
        calls.spawn(async move {
            tokio::time::sleep_until(start).await;
            (call, service.ready().await.expect("ready").call(post).await)
        });
    }
    let opener = std::thread::spawn(move || {
        while start.elapsed() < AFTER {
            std::hint::spin_loop();
        }
        gate.send_replace(true);
        gate
    });
    let ended = calls.join_all().await;
    drop(opener.join());
    let truth = server.shutdown().await;
    for (call, ended) in ended {
        let received = truth.tally(&call.to_string()).received;
        match ended {
            Ok(_) => assert_eq!(received, 1, "{call}"),
            Err(error) if OutcomeUnknown::of(&*error).is_some() => assert!(received <= 1, "{call}"),
            Err(error) => assert_eq!(received, 0, "{call}: {error:?}"),
        }
    }
}
