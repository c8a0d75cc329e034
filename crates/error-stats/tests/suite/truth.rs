//! Against a server that cuts connections and knows what it did: each counter equals its truth.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use error_stats::{ErrorStats, Tally};
use flaky_tls::{CutBy, CutPoint, FlakyTls, Mix, RequestBody, Running, Scenario, Script, Serve};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tokio::task::JoinSet;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
use wire_fault::{Cause, Delivery, Phase};

type Transport = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

fn client(server: &Running) -> Transport {
    let config = server.authority().client_config().unwrap();
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    let https = HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1();
    Client::builder(TokioExecutor::new()).retry_canceled_requests(false).build(https.wrap_connector(http))
}

/// What the service answers its `n`th request with. Every tenth ends its connection.
fn status(n: u64) -> StatusCode {
    match n % 10 {
        3 => StatusCode::NOT_FOUND,
        6 => StatusCode::TOO_MANY_REQUESTS,
        7 => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::OK,
    }
}

fn service(asked: &Arc<AtomicU64>) -> impl Serve + use<> {
    let asked = asked.clone();
    service_fn(move |_: Request<RequestBody>| {
        let n = asked.fetch_add(1, Ordering::Relaxed);
        let mut response = Response::builder().status(status(n));
        if n % 10 == 9 {
            response = response.header("connection", "close");
        }
        let response = response.body(Full::new(Bytes::from_static(b"what was asked for"))).unwrap();
        async { Ok::<_, Infallible>(response) }
    })
}

/// Cuts whose reading leaves nothing to a race, and where each is read to be.
fn cuts() -> impl Iterator<Item = (Scenario, (Phase, Cause, Delivery))> {
    let points = [
        (CutPoint::Accept, Phase::TlsHandshake, Delivery::NeverSent),
        (CutPoint::ClientHello, Phase::TlsHandshake, Delivery::NeverSent),
        (CutPoint::ServerHello, Phase::TlsHandshake, Delivery::NeverSent),
        (CutPoint::Request, Phase::InFlight, Delivery::Perhaps),
        (CutPoint::Head, Phase::InFlight, Delivery::Perhaps),
    ];
    points.into_iter().flat_map(|(at, phase, delivery)| {
        [(CutBy::Fin, Cause::Eof), (CutBy::Rst, Cause::Reset)]
            .map(|(by, cause)| (Scenario::Cut { at, by }, (phase, cause, delivery)))
    })
}

fn mix() -> Mix {
    Mix::new(cuts().map(|(cut, _)| (cut, 1)).chain([(Scenario::Healthy, 20)])).unwrap()
}

/// Holds at any moment.
fn adds_up(tally: &Tally) {
    assert_eq!(tally.started, tally.succeeded + tally.failed + tally.cancelled + tally.in_flight);
}

/// The one host has it all. Only when nothing is under way: host and total are each exact, at moments of their own.
fn one_host(tally: &Tally) {
    let host = &tally.hosts.named[0].1;
    assert_eq!((host.started, host.succeeded), (tally.started, tally.succeeded));
    assert_eq!((host.failed, host.cancelled), (tally.failed, tally.cancelled));
}

#[tokio::test]
async fn over_five_thousand_calls_each_counter_equals_the_servers_truth() {
    const CALLS: u64 = 5_000;
    let asked = Arc::new(AtomicU64::new(0));
    let server = FlakyTls::new().with_script(Script::seeded(6, mix())).serve(service(&asked)).await.unwrap();
    let stats = ErrorStats::new();
    let mut calls =
        ServiceBuilder::new().layer(stats.calls()).layer(stats.attempts()).service(client(&server));
    for _ in 0..CALLS {
        let request = Request::get(server.url()).body(Full::<Bytes>::default()).unwrap();
        if let Ok(response) = calls.ready().await.unwrap().call(request).await {
            // Read to its end, so that the connection is used again.
            response.into_body().collect().await.unwrap();
        }
    }
    drop(calls);
    let truth = server.shutdown().await;
    let snapshot = stats.snapshot();

    // What the cuts did, by the server's own account.
    let readings: Vec<_> = cuts().collect();
    let mut expected = BTreeMap::new();
    let mut cut = 0;
    for connection in truth.connections().iter().filter(|connection| connection.carried_out) {
        let (_, read) = readings.iter().find(|(scenario, _)| *scenario == connection.scenario).unwrap();
        *expected.entry(*read).or_insert(0_u64) += 1;
        cut += 1;
    }
    assert!(cut > 150, "only {cut} cuts");
    let tally = &snapshot.calls;
    let counted: BTreeMap<_, _> =
        tally.faults.iter().map(|fault| ((fault.phase, fault.cause, fault.delivery), fault.count)).collect();
    assert_eq!(counted, expected);

    // What was answered: of the requests it was asked, those whose connection was not cut. Which of them were
    // cut the service does not know, so the sum is what is compared.
    let answered = truth.total().received
        - truth.connections().iter().filter(|c| c.carried_out && c.tally.received > 0).count() as u64;
    assert_eq!(tally.started, CALLS);
    assert_eq!(CALLS, answered + cut);
    let responses = tally.responses;
    let sum =
        responses.success + responses.client_error + responses.too_many_requests + responses.server_error;
    assert_eq!(sum, answered);
    assert_eq!(tally.failed, cut + responses.too_many_requests + responses.server_error);
    assert_eq!((tally.succeeded, tally.latency.count), (responses.success + responses.client_error, CALLS));
    assert_eq!((tally.cancelled, tally.in_flight, tally.not_ready, tally.panicked), (0, 0, 0, 0));
    adds_up(tally);
    one_host(tally);

    // Calls and attempts saw the same: nothing repeats here, so nothing was healed.
    let attempts = &snapshot.attempts;
    assert_eq!((attempts.faults.clone(), attempts.responses), (tally.faults.clone(), tally.responses));
    assert_eq!((snapshot.healed, snapshot.unjoined), (0, 0));
}

/// 64 at a time, dropped anywhere: in the handshake, waiting for the head, before the first poll.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn at_sixty_four_at_once_with_random_drops_the_counts_add_up_exactly() {
    const CALLS: u64 = 1_500;
    let asked = Arc::new(AtomicU64::new(0));
    let server = FlakyTls::new().with_script(Script::seeded(64, mix())).serve(service(&asked)).await.unwrap();
    let stats = ErrorStats::new();
    let calls = ServiceBuilder::new().layer(stats.calls()).layer(stats.attempts()).service(client(&server));

    /// None: dropped.
    async fn call<S>(mut calls: S, url: String, n: u64) -> Option<bool>
    where
        S: Service<Request<Full<Bytes>>, Response = Response<hyper::body::Incoming>>,
    {
        let request = Request::get(url).body(Full::default()).unwrap();
        let call = calls.call(request);
        match n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 & 7 {
            0 => None,
            // However long this is, it ends some in one stage and some in another.
            dice @ 1..=3 => tokio::time::timeout(Duration::from_micros(dice * 700), call).await.ok(),
            _ => Some(call.await),
        }
        .map(|result| result.is_ok_and(|response| response.status().as_u16() < 429))
    }

    let mut running = JoinSet::new();
    let mut ended = Vec::new();
    for n in 0..CALLS {
        if running.len() == 64 {
            ended.push(running.join_next().await.unwrap().unwrap());
            let snapshot = stats.snapshot();
            adds_up(&snapshot.calls);
            assert!(snapshot.calls.in_flight <= 64);
        }
        running.spawn(call(calls.clone(), server.url(), n));
    }
    while let Some(end) = running.join_next().await {
        ended.push(end.unwrap());
    }

    let count = |end| ended.iter().filter(|it| **it == end).count() as u64;
    let tally = stats.snapshot().calls;
    assert_eq!((tally.started, tally.in_flight), (CALLS, 0));
    assert_eq!(
        (tally.succeeded, tally.failed, tally.cancelled),
        (count(Some(true)), count(Some(false)), count(None))
    );
    assert!(tally.cancelled > CALLS / 16 && tally.failed > 0 && tally.succeeded > 0, "{tally:?}");
    adds_up(&tally);
    one_host(&tally);
    adds_up(&stats.snapshot().attempts);
    one_host(&stats.snapshot().attempts);
    drop(calls);
    server.shutdown().await;
}
