//! Against a server that cuts connections and knows what it did: each counter equals its truth.

use std::collections::BTreeMap;
use std::convert::Infallible;
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

/// What the service answers the request with this number. Every twentieth ends its connection.
fn status(n: u64) -> StatusCode {
    match n % 10 {
        1 => StatusCode::NO_CONTENT,
        2 => StatusCode::FOUND,
        3 => StatusCode::NOT_FOUND,
        6 => StatusCode::TOO_MANY_REQUESTS,
        7 => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::OK,
    }
}

fn service() -> impl Serve + use<> {
    service_fn(async |request: Request<RequestBody>| {
        let n = number(request.headers().get(ID).unwrap().to_str().unwrap());
        let mut response = Response::builder().status(status(n));
        if n % 20 == 9 {
            response = response.header("connection", "close");
        }
        let body = if status(n) == StatusCode::NO_CONTENT { "" } else { "what was asked for" };
        Ok::<_, Infallible>(response.body(Full::new(Bytes::from_static(body.as_bytes()))).unwrap())
    })
}

/// The header by which the server tells requests apart.
const ID: &str = "x-request-id";

fn get(url: &str, n: u64) -> Request<Full<Bytes>> {
    Request::get(url).header(ID, n.to_string()).body(Full::default()).unwrap()
}

fn number(id: &str) -> u64 {
    id.parse().unwrap()
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_five_thousand_calls_each_counter_equals_the_servers_truth() {
    let mut runs = JoinSet::new();
    for seed in [6, 2027, 77_000] {
        runs.spawn(seeded(seed));
    }
    while let Some(run) = runs.join_next().await {
        run.unwrap();
    }
}

async fn seeded(seed: u64) {
    const CALLS: u64 = 5_000;
    let server = FlakyTls::new().with_script(Script::seeded(seed, mix())).serve(service()).await.unwrap();
    let stats = ErrorStats::new();
    let mut calls =
        ServiceBuilder::new().layer(stats.calls()).layer(stats.attempts()).service(client(&server));
    for n in 0..CALLS {
        if let Ok(response) = calls.ready().await.unwrap().call(get(&server.url(), n)).await {
            // Read to its end, so that the connection is used again.
            response.into_body().collect().await.unwrap();
        }
    }
    drop(calls);
    let truth = server.shutdown().await;
    assert_eq!(truth.unrecorded(), 0);
    let snapshot = stats.snapshot();
    let tally = &snapshot.calls;

    // Each phase × cause × delivery: what the cuts did, by the server's own account. All others are zero.
    let readings: Vec<_> = cuts().collect();
    let mut expected = BTreeMap::new();
    for connection in truth.connections().iter().filter(|connection| connection.carried_out) {
        let (_, read) = readings.iter().find(|(scenario, _)| *scenario == connection.scenario).unwrap();
        *expected.entry(*read).or_insert(0_u64) += 1;
    }
    let cut: u64 = expected.values().sum();
    assert!(cut > 80 && expected.len() == 4, "only {expected:?}");
    let counted: BTreeMap<_, _> =
        tally.faults.iter().map(|fault| ((fault.phase, fault.cause, fault.delivery), fault.count)).collect();
    assert_eq!((counted, tally.unlisted_faults), (expected, 0), "seed {seed}");

    // Each class: what the server has answered in full, request by request.
    let mut answered = BTreeMap::new();
    for request in truth.requests().iter().filter(|request| request.answered) {
        *answered.entry(status(number(request.id.as_deref().unwrap()))).or_insert(0_u64) += 1;
    }
    let of = |status| answered.get(&status).copied().unwrap_or_default();
    let responses = tally.responses;
    assert_eq!(
        [responses.informational, responses.success, responses.redirection, responses.client_error],
        [
            0,
            of(StatusCode::OK) + of(StatusCode::NO_CONTENT),
            of(StatusCode::FOUND),
            of(StatusCode::NOT_FOUND)
        ]
    );
    assert_eq!(
        [responses.too_many_requests, responses.server_error, responses.other],
        [of(StatusCode::TOO_MANY_REQUESTS), of(StatusCode::SERVICE_UNAVAILABLE), 0]
    );

    // And the sums of these.
    let failed = cut + of(StatusCode::TOO_MANY_REQUESTS) + of(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((tally.started, tally.succeeded, tally.failed), (CALLS, CALLS - failed, failed));
    assert_eq!(CALLS, answered.values().sum::<u64>() + cut);
    assert_eq!((tally.cancelled, tally.in_flight, tally.not_ready, tally.panicked), (0, 0, 0, 0));
    assert_eq!((tally.latency.count, tally.grpc.len()), (CALLS, 0));
    adds_up(tally);
    one_host(tally);

    // Calls and attempts saw the same: nothing repeats here, so nothing was healed.
    let attempts = &snapshot.attempts;
    assert_eq!((&attempts.faults, attempts.responses), (&tally.faults, tally.responses));
    assert_eq!((attempts.started, attempts.latency.count), (CALLS, CALLS));
    assert_eq!((snapshot.healed, snapshot.unjoined), (0, 0));
}

/// 64 at a time, dropped anywhere: in the handshake, waiting for the head, before the first poll.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn at_sixty_four_at_once_with_random_drops_the_counts_add_up_exactly() {
    const CALLS: u64 = 1_500;
    let server = FlakyTls::new().with_script(Script::seeded(64, mix())).serve(service()).await.unwrap();
    let stats = ErrorStats::new();
    let calls = ServiceBuilder::new().layer(stats.calls()).layer(stats.attempts()).service(client(&server));

    /// None: dropped.
    async fn call<S>(mut calls: S, url: String, n: u64) -> Option<bool>
    where
        S: Service<Request<Full<Bytes>>, Response = Response<hyper::body::Incoming>>,
    {
        let call = calls.call(get(&url, n));
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
