//! The same failures over hyper-util, over reqwest, and from a mock end in the same way.

use crate::common;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::common::{Body, trusting};
use bytes::Bytes;
use flaky_tls::{AlertDescription, BadCertificate, CutBy, CutPoint, FlakyTls, Scenario, Script};
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use retry_on_tls_eof::{Attempt, Exhausted, OutcomeUnknown};
use rustls::CertificateError;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tower::{BoxError, Layer as _, Service, ServiceExt as _, service_fn};
use tower_ovh::{OvhLayer, OvhStack, ReqwestTransport, UrlChanged};
use wire_fault::{Cause, Delivery, Fault, Mark, Phase, Verdict};

/// What happens to each attempt of a call, one after another; after the last one all is well.
#[derive(Clone, Debug)]
struct Script50 {
    method: Method,
    steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Wire(Scenario),
    Status(u16),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Answered { status: StatusCode, attempts: u32 },
    Unknown { attempts: u32 },
    Exhausted { attempts: u32 },
    Failed { phase: Phase, cause: Cause },
}

fn scripts() -> Vec<Script50> {
    use CutPoint as P;
    let wire = |scenario| vec![Step::Wire(scenario)];
    let mut steps = Vec::new();
    for at in [P::Accept, P::ClientHello, P::ServerHello, P::Request, P::Head, P::Body] {
        for by in CutBy::ALL {
            steps.push(wire(Scenario::Cut { at, by }));
        }
    }
    for alert in [AlertDescription::HandshakeFailure, AlertDescription::InternalError] {
        steps.push(wire(Scenario::Alert(alert)));
    }
    for bad in [BadCertificate::Expired, BadCertificate::UnknownIssuer] {
        steps.push(wire(Scenario::Certificate(bad)));
    }
    steps.push(wire(Scenario::Stall(P::Request)));
    steps.push(wire(Scenario::Stall(P::ClientHello)));
    let hello = Step::Wire(Scenario::Cut { at: P::ClientHello, by: CutBy::Fin });
    let head = Step::Wire(Scenario::Cut { at: P::Head, by: CutBy::Rst });
    steps.push(vec![hello; 3]);
    steps.push(vec![head; 3]);
    steps.push(vec![hello, Step::Status(503), head]);
    steps.push(vec![Step::Status(429), Step::Status(500)]);
    steps.push(vec![Step::Status(404)]);
    let both = |steps: Vec<Step>| {
        [Method::GET, Method::POST].map(|method| Script50 { method, steps: steps.clone() })
    };
    steps.into_iter().flat_map(both).collect()
}

const LIMIT: Duration = Duration::from_secs(3);

/// A call by itself, with a stack of its own.
async fn call<S, R>(script: &Script50, url: &str, ours: bool, transport: S) -> Outcome
where
    S: Service<Request<Body>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    R: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    R::Error: Into<BoxError> + Send,
{
    let stack = OvhStack::new().with_retry(common::quick_retry());
    let layer: OvhLayer<Body> = stack.with_attempt_timeout(LIMIT).unwrap().layer();
    let layer = if ours { layer.over_hyper_util() } else { layer };
    let request = Request::builder().method(&script.method).uri(url).body(Body::from("{}")).unwrap();
    match layer.layer(transport).oneshot(request).await {
        Ok(response) => {
            let attempts = response.extensions().get::<Attempt>().unwrap().get();
            Outcome::Answered { status: response.status(), attempts }
        }
        Err(error) => {
            if let Some(unknown) = OutcomeUnknown::of(&*error) {
                Outcome::Unknown { attempts: unknown.attempts() }
            } else if let Some(exhausted) = Exhausted::of(&*error) {
                Outcome::Exhausted { attempts: exhausted.attempts() }
            } else {
                let fault = Fault::of(&*error);
                Outcome::Failed { phase: fault.phase, cause: fault.cause }
            }
        }
    }
}

/// The fault server with this script, each attempt on a connection of its own.
async fn server(script: &Script50) -> flaky_tls::Running {
    let statuses = script.steps.to_vec();
    let wire = statuses.iter().map(|step| match step {
        Step::Wire(scenario) => *scenario,
        Step::Status(_) => Scenario::Healthy,
    });
    let wire = Script::list(wire.collect::<Vec<_>>(), Scenario::Healthy);
    // A step of the wire before the request is read never reaches the service, so the statuses are found by counting
    // the steps that do.
    let seen: Arc<[u16]> = statuses
        .iter()
        .filter_map(|step| match step {
            Step::Status(status) => Some(*status),
            Step::Wire(Scenario::Cut { at, .. } | Scenario::Stall(at)) if *at >= CutPoint::Request => {
                Some(200)
            }
            Step::Wire(_) => None,
        })
        .collect();
    let count = Arc::new(AtomicUsize::new(0));
    let answer = service_fn(move |_: Request<Body>| {
        let status = seen.get(count.fetch_add(1, Ordering::Relaxed)).copied().unwrap_or(200);
        let response = Response::builder().status(status).body(Body::from("some body"));
        std::future::ready(response)
    });
    FlakyTls::new().with_script(wire).serve(answer).await.unwrap()
}

async fn over_hyper_util(script: &Script50) -> (Outcome, u64) {
    let server = server(script).await;
    let client = trusting(&server).with_idle_per_host(0).client();
    let outcome = call(script, &server.url(), true, client).await;
    (outcome, server.shutdown().await.total().received)
}

async fn over_reqwest(script: &Script50) -> (Outcome, u64) {
    let server = server(script).await;
    let tls = server.authority().client_config().unwrap();
    let client =
        reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).tls_backend_preconfigured(tls);
    let client = ReqwestTransport::new(client).unwrap();
    let outcome = call(script, &server.url(), false, client).await;
    (outcome, server.shutdown().await.total().received)
}

/// Errors made up as the two show them, less what they wrap them in.
async fn over_a_mock(script: &Script50) -> (Outcome, u64) {
    let (steps, count) = (script.steps.clone(), Arc::new(AtomicUsize::new(0)));
    let received = Arc::new(AtomicUsize::new(0));
    let receive = Arc::clone(&received);
    let mock = service_fn(move |_: Request<Body>| {
        let step = steps.get(count.fetch_add(1, Ordering::Relaxed)).copied().unwrap_or(Step::Status(200));
        let receive = Arc::clone(&receive);
        async move {
            let (reaches, result) = attempt(step);
            receive.fetch_add(usize::from(reaches), Ordering::Relaxed);
            match result {
                Some(result) => result,
                None => std::future::pending().await,
            }
        }
    });
    let outcome = call(script, "https://mock.invalid/", false, mock).await;
    (outcome, received.load(Ordering::Relaxed) as u64)
}

type MockBody = BoxBody<Bytes, io::Error>;

fn attempt(step: Step) -> (bool, Option<Result<Response<MockBody>, io::Error>>) {
    use CutPoint as P;
    let whole = || Full::new(Bytes::from("some body")).map_err(|never| match never {}).boxed();
    let tls = |error: rustls::Error| io::Error::new(io::ErrorKind::InvalidData, error);
    let handshake = || io::Error::other(io::Error::new(io::ErrorKind::UnexpectedEof, "tls handshake eof"));
    // That an alert ended the handshake hyper-util's error says; who has none says it by a mark.
    let alerted = |error: io::Error| {
        let Fault { cause, healing, .. } = Fault::of(&error);
        let fault = Fault::new(Phase::TlsHandshake, Delivery::NeverSent, cause, healing);
        io::Error::other(Mark::fault(fault).with_source(error))
    };
    let broken = |by| {
        io::Error::from(if by == CutBy::Rst {
            io::ErrorKind::ConnectionReset
        } else {
            io::ErrorKind::UnexpectedEof
        })
    };
    match step {
        Step::Status(status) => (true, Some(Ok(Response::builder().status(status).body(whole()).unwrap()))),
        Step::Wire(Scenario::Cut { at: P::Body, by }) => {
            let frames = [Ok(Frame::data(Bytes::from("some"))), Err(broken(by))];
            let body = BodyExt::boxed(StreamBody::new(futures_util::stream::iter(frames)));
            (true, Some(Ok(Response::new(body))))
        }
        Step::Wire(Scenario::Cut { at, by }) if at >= P::Request => (true, Some(Err(broken(by)))),
        Step::Wire(Scenario::Cut { .. }) => (false, Some(Err(handshake()))),
        Step::Wire(Scenario::Stall(at)) => (at >= P::Request, None),
        Step::Wire(Scenario::Alert(alert)) => {
            (false, Some(Err(alerted(tls(rustls::Error::AlertReceived(alert))))))
        }
        Step::Wire(Scenario::Certificate(bad)) => {
            let error = if bad == BadCertificate::Expired {
                CertificateError::Expired
            } else {
                CertificateError::UnknownIssuer
            };
            (false, Some(Err(tls(rustls::Error::InvalidCertificate(error)))))
        }
        Step::Wire(other) => panic!("no mock for {other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_scripts_end_in_the_same_way() {
    let scripts = scripts();
    assert!(scripts.len() >= 50, "{}", scripts.len());
    // A few at a time, so that on a busy machine no attempt runs out of time but those that are meant to.
    let turns = Arc::new(Semaphore::new(6));
    let mut calls = JoinSet::new();
    for (number, script) in scripts.iter().cloned().enumerate() {
        let turns = Arc::clone(&turns);
        calls.spawn(async move {
            let stalls = script.steps.iter().any(|step| matches!(step, Step::Wire(Scenario::Stall(_))));
            let _turn = if stalls { None } else { Some(turns.acquire_owned().await.unwrap()) };
            let (ours, reqwest, mock) =
                tokio::join!(over_hyper_util(&script), over_reqwest(&script), over_a_mock(&script));
            (number, [ours, reqwest, mock])
        });
    }
    let mut kinds = BTreeMap::new();
    for (number, [ours, reqwest, mock]) in calls.join_all().await {
        let script = &scripts[number];
        // The one difference that the documentation of `ReqwestTransport` names: only over hyper-util it is known that a
        // connection was not had in time.
        let hidden = script.method == Method::POST
            && matches!(script.steps[..], [Step::Wire(Scenario::Stall(CutPoint::ClientHello))]);
        if hidden {
            assert_eq!(ours, (Outcome::Answered { status: StatusCode::OK, attempts: 2 }, 1));
            assert_eq!(reqwest, (Outcome::Unknown { attempts: 1 }, 0));
        } else {
            assert_eq!(ours, reqwest, "{script:?}");
        }
        assert_eq!(reqwest, mock, "{script:?}");
        for (outcome, received) in [ours, reqwest, mock] {
            assert!(script.method == Method::GET || received <= 1, "{script:?}: {received}, {outcome:?}");
            let kind = match outcome {
                Outcome::Answered { .. } => "answered",
                Outcome::Unknown { .. } => "unknown",
                Outcome::Exhausted { .. } => "exhausted",
                Outcome::Failed { .. } => "failed",
            };
            *kinds.entry(kind).or_insert(0) += 1;
        }
    }
    // All kinds of ends are among them.
    assert_eq!(kinds.len(), 4, "{kinds:?}");
}

/// What reqwest would change in a URL is refused, for it may have been signed; what it leaves alone is sent to the letter.
#[tokio::test]
async fn urls_go_out_as_they_are_or_not_at_all() {
    let echo = service_fn(|request: Request<Body>| {
        let target = request.uri().path_and_query().unwrap().to_string();
        std::future::ready(Ok::<_, BoxError>(Response::new(Body::from(target))))
    });
    let server = FlakyTls::new().serve(echo).await.unwrap();
    let tls = server.authority().client_config().unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls);
    let client = ReqwestTransport::new(client).unwrap();
    for path in
        ["/", "/a%2fb%2Fc", "/x?planCode=24adv01&a=1&a=2", "/x?q=%27%20+", "/~a_b-c.d", "/x?a=b/c?d", "/x?"]
    {
        let request = common::get(format!("{}{path}", server.url()));
        let response = client.clone().oneshot(request).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), path);
    }
    let mut changed = ["/a/../b", "/a/./b", "/x?q='", "/a/%2e%2e/b"].map(|path| server.url() + path).to_vec();
    // The host, too, is signed as it is written.
    changed.extend(
        ["https://LOCALHOST:8443/", "https://localhost:08443/", "https://localhost:443/"].map(Into::into),
    );
    for url in changed {
        let error = client.clone().oneshot(common::get(&url)).await.unwrap_err();
        assert!(error.is::<UrlChanged>(), "{url}: {error:?}");
        assert_eq!(Verdict::of(&*error), Some(Verdict::RefusedLocally));
    }
}

/// Neither redirects nor repeats of its own, and no URL in its errors.
#[tokio::test]
async fn reqwest_does_nothing_by_itself() {
    let moved = service_fn(|_: Request<Body>| {
        std::future::ready(
            Response::builder().status(302).header("location", "/elsewhere").body(Body::default()),
        )
    });
    let cut = Scenario::Cut { at: CutPoint::Head, by: CutBy::Fin };
    let script = Script::list([Scenario::Healthy, cut], Scenario::Healthy);
    let server = FlakyTls::new().with_script(script).serve(moved).await.unwrap();
    let tls = server.authority().client_config().unwrap();
    let client =
        reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).tls_backend_preconfigured(tls);
    let client = ReqwestTransport::new(client).unwrap();
    let url = format!("{}/?secret=s3cret", server.url());
    assert_eq!(client.clone().oneshot(common::get(&url)).await.unwrap().status(), 302);
    let error = client.oneshot(common::get(&url)).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("s3cret"), "{shown}");
    assert_eq!(server.shutdown().await.total().received, 2);
}
