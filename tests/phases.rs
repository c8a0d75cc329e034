//! Every way the fault server ends a connection, and what is read of it: for each scenario, many times, each way of reading
//! it that the protocol allows.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use cross_tests::client;
use flaky_tls::{AlertDescription, BadCertificate, CutBy, CutPoint, FlakyTls, RequestBody, Scenario, Script};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use retry_on_tls_eof::AttemptTimeoutLayer;
use tokio::task::JoinSet;
use tower::{Layer, ServiceExt, service_fn};
use wire_fault::{AsFault, Cause, Delivery, Fault, Healing, Phase};

/// How often each scenario is run for each method: the readings of a race need a few chances to show.
const ROUNDS: usize = 8;

/// How long a stall is waited for. A machine too busy to come as far as the stall in the first of these times gets the
/// next: a phase that is read wrong is wrong with all of them.
const PATIENCE: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(25)];

/// What may be read of a scenario.
struct Expected {
    phases: &'static [Phase],
    causes: &'static [Cause],
    healing: Healing,
    /// Whether a POST may be repeated after it: always, never, or as the race went.
    post: Option<bool>,
}

fn expected(scenario: Scenario) -> Option<Expected> {
    use CutPoint as P;
    use Phase::{Body, InFlight, Pool, TlsHandshake};
    let broken: &[Cause] = match scenario {
        Scenario::Cut { by: CutBy::Fin, .. } => &[Cause::Eof],
        Scenario::Cut { by: CutBy::Rst, .. } => &[Cause::Reset],
        // In the handshake a close_notify and an end of file look alike.
        Scenario::Cut { by: CutBy::CloseNotify, at } if at < P::Handshake => &[Cause::Eof, Cause::CleanClose],
        Scenario::Cut { by: CutBy::CloseNotify, at: P::Body } => &[Cause::Eof],
        Scenario::Cut { by: CutBy::CloseNotify, .. } => &[Cause::CleanClose],
        _ => &[Cause::Timeout],
    };
    let expected = |phases, post| Expected { phases, causes: broken, healing: Healing::Transient, post };
    Some(match scenario {
        Scenario::Healthy => return None,
        Scenario::Cut { at: P::Accept | P::ClientHello | P::ServerHello, .. } => {
            expected(&[TlsHandshake], Some(true))
        }
        // The client of TLS 1.3 has finished first: its request may be on its way when the cut comes, or it may find the
        // connection closed before it has written anything, and then a FIN is as good as a RST or a close.
        Scenario::Cut { at: P::Handshake, .. } => Expected {
            phases: &[TlsHandshake, Pool, InFlight],
            causes: &[Cause::Eof, Cause::Reset, Cause::CleanClose],
            healing: Healing::Transient,
            post: None,
        },
        Scenario::Cut { at: P::Request | P::Head, .. } => expected(&[InFlight], Some(false)),
        Scenario::Cut { at: P::Body, .. } => expected(&[Body], Some(false)),
        Scenario::Stall(P::Accept | P::ClientHello | P::ServerHello) => expected(&[Pool], Some(true)),
        Scenario::Stall(_) => expected(&[InFlight], Some(false)),
        Scenario::Alert(alert) => Expected {
            phases: &[TlsHandshake],
            causes: match alert {
                AlertDescription::AccessDenied => &[Cause::TlsAlert],
                AlertDescription::CertificateRequired => &[Cause::Certificate],
                _ => &[Cause::TlsAlert],
            },
            healing: match alert {
                AlertDescription::InternalError | AlertDescription::UserCanceled => Healing::Transient,
                _ => Healing::Permanent,
            },
            post: Some(matches!(alert, AlertDescription::InternalError | AlertDescription::UserCanceled)),
        },
        Scenario::Certificate(_) => Expected {
            phases: &[TlsHandshake],
            causes: &[Cause::Certificate],
            healing: Healing::Permanent,
            post: Some(false),
        },
        other => panic!("no expectation for {other}"),
    })
}

async fn answer(_: Request<RequestBody>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from(vec![b'x'; 4096])))
}

/// One call, its body read to the end; a stall until its phase is one of those expected, or the patience at its end.
async fn call(scenario: Scenario, method: Method) -> Option<(Fault, u64)> {
    let phases = expected(scenario).expect("a fault").phases;
    let first = if matches!(scenario, Scenario::Stall(_)) { 0 } else { PATIENCE.len() - 1 };
    let mut failure = None;
    for limit in &PATIENCE[first..] {
        failure = call_within(*limit, scenario, method.clone()).await;
        if failure.is_some_and(|(fault, _)| phases.contains(&fault.phase)) {
            break;
        }
    }
    failure
}

async fn call_within(limit: Duration, scenario: Scenario, method: Method) -> Option<(Fault, u64)> {
    let server = FlakyTls::new()
        .with_script(Script::always(scenario))
        .serve(service_fn(answer))
        .await
        .expect("a free port");
    let timeout = AttemptTimeoutLayer::new(limit).expect("in range").over_hyper_util();
    let service = timeout.layer(client(&server, 0));
    let request =
        Request::builder().method(method).uri(server.url()).body(Full::from("{}")).expect("a request");
    let fault = match service.oneshot(request).await {
        Err(error) => Some(error.as_fault()),
        Ok(response) => tokio::time::timeout(limit, response.into_body().collect())
            .await
            .map_or(None, |body| body.err().map(|error| error.as_fault())),
    };
    let truth = server.shutdown().await;
    fault.map(|fault| (fault, truth.total().received))
}

/// Runs them all at once: most of the time of a stall is waiting.
async fn run(scenarios: impl Iterator<Item = Scenario>) {
    let mut calls = JoinSet::new();
    for scenario in scenarios {
        for round in 0..ROUNDS {
            for method in [Method::GET, Method::POST] {
                calls.spawn(async move { (scenario, round, method.clone(), call(scenario, method).await) });
            }
        }
    }
    while let Some(done) = calls.join_next().await {
        let (scenario, round, method, failure) = done.expect("no panic");
        let (fault, received) = failure.unwrap_or_else(|| panic!("{scenario}: {method} did not fail"));
        let expected = expected(scenario).expect("a fault");
        let context = format!("{scenario}, {method}, round {round}, received {received}: {fault:?}");
        assert!(expected.phases.contains(&fault.phase), "{context}");
        assert!(expected.causes.contains(&fault.cause), "{context}");
        assert_eq!(fault.healing, expected.healing, "{context}");
        assert!(received == 0 || fault.may_have_landed(), "{context}: it was received");
        if let Some(post) = expected.post {
            assert_eq!(fault.may_repeat(false), post, "{context}");
        }
        assert_eq!(fault.may_repeat(true), expected.healing == Healing::Transient, "{context}");
        assert!(
            fault.phase != Phase::InFlight || fault.delivery != Delivery::NeverSent,
            "{context}: in flight, and yet never sent"
        );
        if fault.phase == Phase::Body {
            assert_eq!(fault.delivery, Delivery::Answered, "{context}");
        }
    }
}

#[tokio::test]
async fn cuts() {
    run(Scenario::cuts()).await;
}

#[tokio::test]
async fn alerts_and_certificates() {
    let alerts = [
        AlertDescription::HandshakeFailure,
        AlertDescription::InternalError,
        AlertDescription::ProtocolVersion,
        AlertDescription::UnrecognisedName,
        AlertDescription::AccessDenied,
        AlertDescription::CertificateRequired,
        AlertDescription::UserCanceled,
        AlertDescription::DecodeError,
    ];
    let certificates = BadCertificate::ALL.map(Scenario::Certificate);
    run(alerts.into_iter().map(Scenario::Alert).chain(certificates)).await;
}

#[tokio::test]
async fn stalls() {
    // After the head there is nothing left to time out but the body, which the attempt's limit does not cover.
    let points = CutPoint::ALL.into_iter().filter(|&point| point != CutPoint::Body);
    run(points.map(Scenario::Stall)).await;
}
