//! All layers, stacked, over real TLS that is cut at every point: what was ordered is ordered once, and the caller knows.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use cross_tests::{Transport, client};
use error_stats::ErrorStats;
use flaky_tls::{
    AlertDescription, BadCertificate, CutPoint, FlakyTls, Mix, RequestBody, Running, Scenario, Script, Truth,
};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use jittered_backoff::{Backoff, Limits, Seeds};
use rate_limit::{Quota, RateLimitLayer};
use retry_on_tls_eof::{
    AttemptTimeoutLayer, CollectBodyLayer, Exhausted, OutcomeUnknown, RetryOnTlsEofLayer,
};
use tokio::task::JoinSet;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};
use wire_fault::{Boxed, Delivery, Fault, Healing, Verdict};

const POSTS: usize = 2_000;
const AT_ONCE: usize = 32;
const ATTEMPTS: u32 = 12;
/// How long an answer is: long enough to be cut.
const ANSWER: usize = 2_048;

/// As many healthy connections as cut ones, so that a dozen attempts all but always suffice.
fn mix() -> Mix {
    let faults = Scenario::cuts()
        .map(|cut| (cut, 4))
        .chain([CutPoint::ClientHello, CutPoint::Request].map(|point| (Scenario::Stall(point), 1)))
        .chain([
            (Scenario::Alert(AlertDescription::InternalError), 4),
            (Scenario::Alert(AlertDescription::HandshakeFailure), 1),
            (Scenario::Certificate(BadCertificate::Expired), 1),
        ]);
    Mix::new(faults.chain([(Scenario::Healthy, 90)])).expect("a valid mix")
}

/// The endpoint acts on each request it receives, as an order would: the response is large enough to be cut anywhere.
async fn serve(seed: u64) -> Running {
    let order = service_fn(|_: Request<RequestBody>| async {
        let mut response = Response::new(Full::new(Bytes::from(vec![b'o'; ANSWER])));
        *response.status_mut() = StatusCode::CREATED;
        Ok::<_, Infallible>(response)
    });
    FlakyTls::new().with_script(Script::seeded(seed, mix())).serve(order).await.expect("a free port")
}

type Outcome = Result<StatusCode, BoxError>;

/// Sends the orders, a few at a time, and tells how each ended, by its id.
async fn order(stats: &ErrorStats, transport: Transport, url: String) -> BTreeMap<String, Outcome> {
    let backoff =
        Backoff::exponential(Duration::from_millis(1)..=Duration::from_millis(5)).expect("in range");
    let limits = Limits::new().with_attempts(ATTEMPTS).expect("in range").without_deadline();
    let stack = ServiceBuilder::new()
        .layer(stats.calls())
        .layer(RetryOnTlsEofLayer::<Boxed>::new(backoff).with_limits(limits).with_seeds(Seeds::new(7)))
        .layer(RateLimitLayer::new(Quota::per_second(2_000).expect("in range")))
        .layer(stats.attempts())
        .layer(AttemptTimeoutLayer::new(Duration::from_millis(500)).expect("in range").over_hyper_util())
        .layer(CollectBodyLayer::new(64 * 1024).expect("in range"))
        .service(transport);

    let mut outcomes = BTreeMap::new();
    let mut calls = JoinSet::new();
    for n in 0..POSTS {
        if calls.len() == AT_ONCE {
            let (id, outcome) = calls.join_next().await.expect("some are under way").expect("no panic");
            outcomes.insert(id, outcome);
        }
        let id = format!("order-{n}");
        let request = Request::post(format!("{url}/order/cart/1/checkout"))
            .header("x-request-id", &id)
            .body(Full::<Bytes>::from(format!("{{\"order\":{n}}}")))
            .expect("a request");
        let mut stack = stack.clone();
        calls.spawn(async move {
            let outcome = async {
                let response = stack.ready().await?.call(request).await?;
                let status = response.status();
                // Collected below the retry: what is here is whole.
                let body = response.into_body().collect().await?.to_bytes();
                assert_eq!(body.len(), ANSWER);
                Ok(status)
            };
            (id, outcome.await)
        });
    }
    while let Some(done) = calls.join_next().await {
        let (id, outcome) = done.expect("no panic");
        outcomes.insert(id, outcome);
    }
    outcomes
}

/// Holds what the caller was told against what the server knows.
fn judge(outcomes: &BTreeMap<String, Outcome>, truth: &Truth) -> (usize, usize, usize) {
    let (mut healed, mut unknown, mut failed) = (0, 0, 0);
    for (id, outcome) in outcomes {
        let received = truth.tally(id).received;
        assert!(received <= 1, "{id} was received {received} times: {outcome:?}");
        match outcome {
            Ok(status) => {
                assert_eq!((*status, received), (StatusCode::CREATED, 1), "{id}");
                healed += 1;
            }
            Err(error) => {
                let fault = Fault::of(&**error);
                if let Some(error) = OutcomeUnknown::of(&**error) {
                    assert!(error.fault().may_have_landed(), "{id}: {error:?}");
                    unknown += 1;
                } else if let Some(exhausted) = Exhausted::of(&**error) {
                    assert_eq!((exhausted.attempts(), received), (ATTEMPTS, 0), "{id}: {error:?}");
                    failed += 1;
                } else {
                    // Handed on untouched: never sent, and nothing a repeat could have healed.
                    assert_eq!((Verdict::of(&**error), received), (None, 0), "{id}: {error:?}");
                    assert_eq!(
                        (fault.delivery, fault.healing),
                        (Delivery::NeverSent, Healing::Permanent),
                        "{id} was given up while attempts were left: {error:?}"
                    );
                    failed += 1;
                }
            }
        }
    }
    (healed, unknown, failed)
}

async fn run(seed: u64, idle: usize) {
    let server = serve(seed).await;
    let stats = ErrorStats::new();
    let outcomes = order(&stats, client(&server, idle), server.url()).await;
    let truth = server.shutdown().await;
    assert_eq!((outcomes.len(), truth.unrecorded()), (POSTS, 0));

    let (answered, unknown, failed) = judge(&outcomes, &truth);
    assert_eq!(answered + unknown + failed, POSTS);
    // The mix did what it is there for, as far as there were connections for it: one that is expected twenty times and
    // never comes would be a miracle.
    let weights: u32 = mix().entries().iter().map(|&(_, weight)| weight).sum();
    for &(scenario, weight) in mix().entries().iter().filter(|(scenario, _)| *scenario != Scenario::Healthy) {
        let expected = truth.accepted() * u64::from(weight) / u64::from(weights);
        let struck = truth.connections().iter().filter(|c| c.scenario == scenario && c.carried_out).count();
        assert!(struck > 0 || expected < 20, "{scenario} never struck, of {expected} expected");
    }
    for point in CutPoint::ALL {
        let cut = |s| matches!(s, Scenario::Cut { at, .. } if at == point);
        assert!(
            truth.connections().iter().any(|c| cut(c.scenario) && c.carried_out),
            "never cut at {point:?}"
        );
    }
    assert!(unknown > 50, "only {unknown} outcomes were in doubt");

    // And the statistics saw all of it.
    let snapshot = stats.snapshot();
    assert_eq!((snapshot.calls.started, snapshot.calls.in_flight), (POSTS as u64, 0));
    assert_eq!(
        (snapshot.calls.succeeded, snapshot.calls.failed),
        (answered as u64, (unknown + failed) as u64)
    );
    assert_eq!(snapshot.calls.verdicts.outcome_unknown, unknown as u64);
    let attempts = &snapshot.attempts;
    assert_eq!(attempts.started, attempts.succeeded + attempts.failed);
    assert!(attempts.started > POSTS as u64, "nothing was repeated");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_orders_on_fresh_connections() {
    run(2024, 0).await;
}

/// Connections that are used again add a race of their own: the server may close one just as it is taken from the pool.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_orders_on_pooled_connections() {
    run(2025, 8).await;
}
