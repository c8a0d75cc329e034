//! What can be set of the layers below, and what a layer of the caller's own sees.

use crate::common;
use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::{BASE, Body, connect_refused, get, post, quick_retry, signed, trusting};
use bytes::Bytes;
use fake_ovh::FakeOvh;
use flaky_tls::{CutBy, CutPoint, FlakyTls, Scenario, Script};
use http::{Request, Response, StatusCode};
use jittered_backoff::{Limits, RetryBudget};
use retry_on_tls_eof::{AttemptTimedOut, Exhausted, MayHaveLanded, OutcomeUnknown, Reconciled};
use tokio::time::Instant;
use tower::util::MapRequestLayer;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt as _, service_fn};
use tower_ovh::{BodyTooLong, CallError, OvhAttempt, OvhClient, OvhStack};
use wire_fault::Fault;

type Log = Arc<Mutex<Vec<(String, Instant, Result<StatusCode, String>)>>>;

/// Writes down each attempt: its path, when it was released, and how it ended.
#[derive(Clone, Default)]
struct Spy(Log);

impl<S> Layer<S> for Spy {
    type Service = Spied<S>;

    fn layer(&self, inner: S) -> Spied<S> {
        Spied { inner, log: Arc::clone(&self.0) }
    }
}

#[derive(Clone)]
struct Spied<S> {
    inner: S,
    log: Log,
}

impl<S> Service<Request<Body>> for Spied<S>
where
    S: Service<Request<Body>, Response = Response<Bytes>, Error = BoxError, Future: Send + 'static>,
{
    type Response = Response<Bytes>;
    type Error = BoxError;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Response<Bytes>, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        assert!(!request.headers().contains_key("x-ovh-signature"), "signed below, each attempt afresh");
        let (path, released, log) = (request.uri().path().to_owned(), Instant::now(), Arc::clone(&self.log));
        let attempt = self.inner.call(request);
        Box::pin(async move {
            let result = attempt.await;
            let end = result.as_ref().map(Response::status).map_err(ToString::to_string);
            log.lock().unwrap().push((path, released, end));
            result
        })
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_layer_sees_every_attempt_as_it_was_released_and_fetches_too() {
    let api = FakeOvh::new();
    api.fail_next("/me", fake_ovh::Failure::Unavailable);
    let spy = Spy::default();
    let stack = signed(OvhStack::new()).with_attempt_layer(spy.clone());
    let ovh = stack.layer().layer(api.router());
    for _ in 0..15 {
        assert_eq!(ovh.clone().oneshot(get(format!("{BASE}/me"))).await.unwrap().status(), 200);
    }
    let log = spy.0.lock().unwrap();
    let served: Vec<_> = api.calls().iter().map(|call| (call.path.clone(), call.status)).collect();
    let seen: Vec<_> = log.iter().map(|(path, _, end)| (path.clone(), end.clone().ok())).collect();
    assert_eq!(seen, served, "fetch, a 503, and what came after, in order");
    assert_eq!((seen.len(), &*seen[0].0), (17, "/1.0/auth/time"));
    // What it sees is the release: none of the limiter's wait is in between.
    let arrived: Vec<_> = api.calls().iter().map(|call| call.at).collect();
    assert_eq!(log.iter().map(|(_, released, _)| *released).collect::<Vec<_>>(), arrived);
    assert_eq!(stack.stats().snapshot().attempts.started, 17);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_layer_stands_above_the_time_limit_and_below_the_statistics() {
    let spy = Spy::default();
    let silent = service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, Infallible>>());
    let stack = OvhStack::new().with_attempt_layer(spy.clone());
    let error = stack.layer().layer(silent).oneshot(post(BASE)).await.unwrap_err();
    assert!(OutcomeUnknown::of(&*error).is_some());
    let timed_out = wire_fault::chain(&*error).find_map(|error| error.downcast_ref::<AttemptTimedOut>());
    assert_eq!(spy.0.lock().unwrap()[0].2, Err(timed_out.unwrap().to_string()));

    // An error that the layer makes is an attempt's, and the retry reads it.
    let refuse = tower::util::MapErrLayer::new(|_: BoxError| BoxError::from(connect_refused()));
    let down =
        service_fn(|_: Request<Body>| async { Err::<Response<Body>, _>(BoxError::from("unreadable")) });
    let stack = OvhStack::new().with_attempt_layer(refuse).with_retry(quick_retry());
    let error = stack.layer().layer(down).oneshot(post(BASE)).await.unwrap_err();
    assert_eq!(Exhausted::of(&*error).unwrap().attempts(), 3);
    let attempts = stack.stats().snapshot().attempts;
    assert_eq!((attempts.failed, attempts.faults[0].cause), (3, wire_fault::Cause::ConnectionRefused));
}

/// An answer too long to be read is one, also where the caller's layer hides what it is: the order has been made.
#[tokio::test(start_paused = true)]
async fn an_attempt_layer_that_wraps_errors_hides_no_success() {
    let config = ovh_auth::Config::new("ovh-eu".parse().unwrap(), None).unwrap();
    let long = service_fn(async |_: Request<Body>| {
        let response = Response::builder().header("x-ovh-queryid", "EU.ext-1.2");
        Ok::<_, Infallible>(response.body(Body::from("\"order 7\"")).unwrap())
    });
    let wrap = tower::util::MapErrLayer::new(|error: BoxError| -> BoxError {
        Arc::new(io::Error::other(Arc::new(*error.downcast::<BodyTooLong>().unwrap()))).into()
    });
    let stack = OvhStack::new().with_body_limit(3).unwrap().with_attempt_layer(wrap);
    let ovh = OvhClient::with_stack(&config, stack, long).unwrap();
    let error = ovh.post::<String>("/order/cart/1/checkout").await.unwrap_err();
    assert!(error.may_have_landed(), "{error:?}");
    let CallError::Answer(answer) = error else { panic!("{error:?}") };
    assert_eq!((answer.status().as_u16(), answer.query_id()), (200, Some("EU.ext-1.2")));
    assert!(answer.to_string().ends_with(" (query id EU.ext-1.2)"), "{answer}");
    assert_eq!(ovh.stats().snapshot().attempts.started, 1);
}

/// A client's, too; several go in as a `ServiceBuilder`.
#[tokio::test(start_paused = true)]
async fn a_client_takes_a_stack_with_a_layer_and_a_hook() {
    let api = FakeOvh::new();
    let spy = Spy::default();
    let layers = ServiceBuilder::new()
        .layer(spy.clone())
        .layer(MapRequestLayer::new(|request: Request<Body>| request));
    let stack = OvhStack::buyer().with_attempt_layer(layers);
    let hook = async |_: MayHaveLanded| Ok(Reconciled::<Response<Bytes>>::StillUnknown);
    let retry = stack.retry().clone().with_reconcile(hook);
    let config = ovh_auth::Config::new("ovh-eu".parse().unwrap(), None).unwrap();
    let ovh = OvhClient::with_stack(&config, stack.with_retry(retry), api.router()).unwrap();
    let time: u64 = ovh.get("/auth/time").await.unwrap();
    assert!(time > 0);
    assert_eq!(spy.0.lock().unwrap().len(), 1);
}

/// A POST whose connection is cut after it was sent: the hook's word decides.
#[tokio::test]
async fn a_reconcile_hook_decides_what_nobody_can_know() {
    for (word, received) in
        [(Reconciled::Landed(()), 1), (Reconciled::NotLanded, 2), (Reconciled::StillUnknown, 1)]
    {
        let cut = Scenario::Cut { at: CutPoint::Head, by: CutBy::Fin };
        let script = Script::list([cut], Scenario::Healthy);
        let server = FlakyTls::new().with_script(script).serve(service_fn(common::ok)).await.unwrap();
        let asked = Arc::new(AtomicU32::new(0));
        let (count, stack) = (Arc::clone(&asked), OvhStack::buyer());
        let retry = quick_retry().with_reconcile(move |call: MayHaveLanded| {
            count.fetch_add(call.attempts(), Ordering::Relaxed);
            std::future::ready(Ok(match word {
                Reconciled::Landed(()) => Reconciled::Landed(Response::new(Bytes::from("found"))),
                Reconciled::NotLanded => Reconciled::NotLanded,
                Reconciled::StillUnknown => Reconciled::StillUnknown,
            }))
        });
        let ovh = stack.with_retry(retry).layer().over_hyper_util().layer(trusting(&server).client());
        let result = ovh.oneshot(post(server.url())).await;
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        match word {
            Reconciled::Landed(()) => assert_eq!(result.unwrap().body(), "found"),
            Reconciled::NotLanded => assert_eq!(result.unwrap().body(), "ok"),
            Reconciled::StillUnknown => assert!(OutcomeUnknown::of(&*result.unwrap_err()).is_some()),
        }
        assert_eq!(server.shutdown().await.total().received, received, "{word:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn repeats_are_told_of() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let retry = OvhStack::watcher().retry().clone().on_retry(move |failure, wait, attempt| {
        tell.lock().unwrap().push((failure.to_string(), wait, attempt.get()));
    });
    let stack = OvhStack::watcher().with_retry(retry);
    let begun = Instant::now();
    stack.layer().layer(service_fn(down)).oneshot(get(BASE)).await.unwrap_err();
    let told = told.lock().unwrap();
    assert_eq!(told.iter().map(|(.., attempt)| *attempt).collect::<Vec<_>>(), [1, 2]);
    // Each wait is the clock's, which rings at whole milliseconds; the limiter's spacing is within them.
    let whole_ms = |wait: Duration| wait.as_nanos().div_ceil(1_000_000);
    assert_eq!(begun.elapsed().as_millis(), told.iter().map(|(_, wait, _)| whole_ms(*wait)).sum());
}

async fn down(_: Request<Body>) -> io::Result<Response<Body>> {
    Err(connect_refused())
}

#[tokio::test(start_paused = true)]
async fn the_retrys_own_knobs_are_the_stacks() {
    // Limits, rules and a budget.
    let attempts = |retry| {
        let stack = OvhStack::new().with_retry(retry);
        async move {
            let _ =
                stack.layer().layer(service_fn(down)).oneshot(post(format!("{BASE}/me/order/1/pay"))).await;
            stack.stats().snapshot().attempts.started
        }
    };
    assert_eq!(attempts(quick_retry()).await, 3);
    assert_eq!(attempts(quick_retry().with_limits(Limits::new().with_attempts(7).unwrap())).await, 7);
    assert_eq!(attempts(quick_retry().with_never(|_, uri| uri.path().ends_with("/pay"))).await, 1);
    let budget = RetryBudget::new(1, 1_000).unwrap();
    let stack = OvhStack::new().with_retry(quick_retry().with_budget(budget));
    for _ in 0..50 {
        stack.layer().layer(service_fn(down)).oneshot(get(BASE)).await.unwrap_err();
    }
    let started = stack.stats().snapshot().attempts.started;
    assert!((50..100).contains(&started), "{started}, and without the budget 150");

    // A 429 to a POST is repeated where the caller has declared it, and the hook's pause is kept.
    for (declared, calls) in [(false, 1), (true, 2)] {
        let count = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&count);
        let busy = service_fn(move |_: Request<Body>| {
            let status = if seen.fetch_add(1, Ordering::Relaxed) == 0 { 429 } else { 200 };
            std::future::ready(Response::builder().status(status).body(Body::default()))
        });
        let retry = if declared { quick_retry().repeat_refused(429).unwrap() } else { quick_retry() };
        OvhStack::new().with_retry(retry).layer().layer(busy).oneshot(post(BASE)).await.unwrap();
        assert_eq!(count.load(Ordering::Relaxed), calls);
    }
}

#[tokio::test(start_paused = true)]
async fn statistics_of_the_callers_own_are_counted_into() {
    let (sender, mut alarms) = tokio::sync::mpsc::unbounded_channel();
    let stats = error_stats::ErrorStats::new().with_threshold(2).unwrap().on_alarm(move |alarm| {
        sender.send(*alarm).unwrap();
    });
    let down = service_fn(|_: Request<Body>| async {
        Err::<Response<Body>, _>(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    for stack in [OvhStack::watcher(), OvhStack::new()] {
        let stack = stack.with_stats(stats.clone()).with_retry(quick_retry());
        let error = stack.layer().layer(down).oneshot(get(BASE)).await.unwrap_err();
        assert!(Fault::of(&*error).cause == wire_fault::Cause::Reset);
    }
    assert_eq!(stats.snapshot().calls.failed, 2);
    assert!(matches!(alarms.recv().await, Some(error_stats::Alarm::Raised { failures: 2, .. })));
    assert!(alarms.try_recv().is_err());
}

/// The type of an attempt can be named, to write a layer for this stack alone.
#[test]
fn a_layer_can_be_made_for_attempts_alone() {
    struct Own;
    impl<S> Layer<OvhAttempt<S>> for Own {
        type Service = OvhAttempt<S>;

        fn layer(&self, inner: OvhAttempt<S>) -> OvhAttempt<S> {
            inner
        }
    }
    impl Clone for Own {
        fn clone(&self) -> Self {
            Self
        }
    }
    let ovh = OvhStack::new().with_attempt_layer(Own).layer().layer(FakeOvh::new().router());
    assert!(format!("{ovh:?}").starts_with("Ovh"));
}
