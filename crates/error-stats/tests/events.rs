//! What `tracing` is told, and what it is never told.

use std::convert::Infallible;
use std::fmt::{self, Write as _};
use std::future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use error_stats::ErrorStats;
use http::{Request, Response};
use tower::{Layer, Service, ServiceExt, service_fn};
use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use wire_fault::{CallId, Cause, Delivery, Fault, Healing, Mark, Phase, Verdict};

const SECRET: &str = "hunter2";

/// An event: its level, its target, and its fields as "name=value;".
#[derive(Clone, Debug)]
struct Told(Level, &'static str, String);

#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Vec<Told>>>);

impl<S: Subscriber> tracing_subscriber::Layer<S> for Ear {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        struct Fields(String);
        impl Visit for Fields {
            fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
                write!(self.0, "{}={value:?};", field.name()).unwrap();
            }
        }
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        self.0.lock().unwrap().push(Told(*event.metadata().level(), event.metadata().target(), fields.0));
    }
}

impl Ear {
    fn listen() -> (Self, DefaultGuard) {
        let ear = Self::default();
        // Other threads have no subscriber: what they come by first must not count as of no interest to anybody.
        let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
        (ear.clone(), tracing::subscriber::set_default(tracing_subscriber::registry().with(ear)))
    }

    /// What was told since, each checked to be ours and to give nothing away.
    fn take(&self) -> Vec<Told> {
        let told: Vec<_> = std::mem::take(&mut *self.0.lock().unwrap());
        for Told(_, target, fields) in &told {
            assert_eq!(*target, "error_stats");
            for leak in [SECRET, "?", "key=", "authorization", "api.example.org"] {
                assert!(!fields.contains(leak), "{leak} in {fields}");
            }
        }
        told
    }

    fn one(&self) -> Told {
        let told = self.take();
        assert_eq!(told.len(), 1, "{told:#?}");
        told[0].clone()
    }
}

/// A request with something to hide everywhere; its body tells the service what to do.
fn request<B>(body: B) -> Request<B> {
    Request::post(format!("https://api.example.org/1.0/order?key={SECRET}"))
        .header("authorization", SECRET)
        .extension(CallId::next())
        .body(body)
        .unwrap()
}

fn respond(request: Request<u16>) -> future::Ready<Result<Response<()>, Infallible>> {
    future::ready(Ok(Response::builder().status(request.into_body()).body(()).unwrap()))
}

#[test]
fn a_failed_call_is_an_error_once_and_the_rest_is_debug() {
    let (ear, _guard) = Ear::listen();
    let stats = ErrorStats::new();
    let mut calls = stats.calls().layer(stats.attempts().layer(service_fn(respond)));
    for (status, expected) in
        [(503, Level::ERROR), (429, Level::ERROR), (404, Level::DEBUG), (200, Level::DEBUG)]
    {
        let request = request(status);
        let id = *request.extensions().get::<CallId>().unwrap();
        tokio_test::block_on(calls.call(request)).unwrap();
        let told = ear.take();
        assert_eq!(told.len(), 2, "{told:#?}");
        let [attempt, call] = [&told[0], &told[1]];
        assert_eq!((attempt.0, call.0), (Level::DEBUG, expected), "{status}");
        for Told(_, _, fields) in [attempt, call] {
            assert!(fields.contains(&format!("call={id};")), "{fields}");
            assert!(fields.contains(r#"method="POST";"#), "{fields}");
            assert!(fields.contains(r#"path="/1.0/order";"#), "{fields}");
            assert!(fields.contains(&format!("status={status};")), "{fields}");
        }
    }
}

#[test]
fn an_error_is_told_by_its_fault_and_never_by_its_own_text() {
    let (ear, _guard) = Ear::listen();
    let stats = ErrorStats::new();
    let fault = Fault::new(Phase::TlsHandshake, Delivery::NeverSent, Cause::Eof, Healing::Transient);
    let mut service = stats.calls().layer(service_fn(move |_: Request<()>| {
        let quoting = format!("error for https://api.example.org/?key={SECRET}");
        let mark = Mark::verdict(Verdict::Exhausted).with_fault(fault).with_source(quoting);
        future::ready(Err::<Response<()>, _>(mark))
    }));
    tokio_test::block_on(service.call(request(()))).unwrap_err();
    let Told(level, _, fields) = ear.one();
    assert_eq!(level, Level::ERROR);
    assert!(fields.contains("fault=TLS handshake cut by the peer; the request was never sent;"), "{fields}");
    assert!(fields.contains("verdict=not tried again, the limits are used up;"), "{fields}");
    assert!(!fields.contains("status="), "{fields}");
}

#[test]
fn a_cancelled_call_is_debug() {
    let (ear, _guard) = Ear::listen();
    let stats = ErrorStats::new();
    let call = stats.calls().layer(service_fn(respond)).call(request(200));
    assert!(!format!("{call:?}").contains(SECRET));
    drop(call);
    let Told(level, _, fields) = ear.one();
    assert_eq!(level, Level::DEBUG);
    assert!(fields.contains("call cancelled"), "{fields}");
}

#[test]
fn an_alarm_is_an_error_when_raised_and_an_info_when_cleared() {
    let (ear, _guard) = Ear::listen();
    let stats = ErrorStats::new().with_threshold(2).unwrap();
    let mut service = stats.calls().layer(service_fn(respond));
    for status in [500, 503, 503, 404, 200, 200] {
        tokio_test::block_on(service.call(request(status))).unwrap();
    }
    let alarms: Vec<_> = ear.take().into_iter().filter(|told| told.2.contains("alarm")).collect();
    assert_eq!(alarms.len(), 2, "{alarms:#?}");
    assert_eq!((alarms[0].0, alarms[1].0), (Level::ERROR, Level::INFO));
    assert!(alarms[0].2.contains("failures=2;") && alarms[0].2.contains("status=503;"), "{alarms:#?}");
    assert!(alarms[1].2.contains("failures=3;"), "{alarms:#?}");
}

#[test]
fn a_hook_that_panics_is_an_error_with_its_message() {
    let (ear, _guard) = Ear::listen();
    let stats = ErrorStats::new().with_threshold(1).unwrap();
    let stats = stats.on_alarm(|_| panic!("the pager is broken")).on_alarm(|alarm| panic!("of {alarm}"));
    tokio_test::block_on(stats.calls().layer(service_fn(respond)).call(request(500))).unwrap();
    let told = ear.take();
    let panics: Vec<_> = told.iter().filter(|told| told.2.contains("hook panicked")).collect();
    assert_eq!(panics.len(), 2, "{told:#?}");
    assert!(panics.iter().all(|told| told.0 == Level::ERROR));
    assert!(panics[0].2.contains(r#"panic="the pager is broken";"#), "{told:#?}");
    assert!(panics[1].2.contains(r#"panic="of 1 call failed"#), "{told:#?}");
}

#[test]
fn a_service_that_is_not_ready_is_an_error_for_calls_and_debug_for_attempts() {
    let (ear, _guard) = Ear::listen();
    let stats = ErrorStats::new();
    let (mock, mut handle) = tower_test::mock::pair::<Request<u16>, Response<()>>();
    let mut service = stats.calls().layer(stats.attempts().layer(mock));
    handle.send_error(Mark::fault(Fault::UNKNOWN));
    let not_ready = tokio_test::block_on(async { service.ready().await.map(|_| ()) });
    assert!(not_ready.is_err());
    let levels: Vec<_> = ear.take().into_iter().map(|told| told.0).collect();
    assert_eq!(levels, [Level::DEBUG, Level::ERROR]);
}

#[test]
fn a_request_without_a_path_is_told_as_it_is() {
    let (ear, _guard) = Ear::listen();
    let stats = ErrorStats::new();
    let connect = Request::connect("proxy:443").body(500).unwrap();
    tokio_test::block_on(stats.calls().layer(service_fn(respond)).call(connect)).unwrap();
    let Told(_, _, fields) = ear.one();
    assert!(fields.contains(r#"method="CONNECT";path="";"#), "{fields}");
}

/// A subscriber that panics is its author's fault and the call's loss; the count and the next alarm are not
/// lost by it.
#[test]
fn a_subscriber_that_panics_does_not_silence_the_bell() {
    struct Deaf;
    impl<S: Subscriber> tracing_subscriber::Layer<S> for Deaf {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            assert!(event.metadata().fields().field("failures").is_none(), "no alarms, please");
        }
    }

    let heard = Arc::new(Mutex::new(0));
    let ear = heard.clone();
    let stats = ErrorStats::new().with_threshold(1).unwrap().on_alarm(move |_| *ear.lock().unwrap() += 1);
    let mut service = stats.calls().layer(service_fn(respond));
    let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(Deaf));
    let call = AssertUnwindSafe(|| tokio_test::block_on(service.call(request(500))).unwrap());
    assert!(catch_unwind(call).is_err());
    drop(guard);
    assert_eq!(*heard.lock().unwrap(), 1);

    tokio_test::block_on(service.call(request(200))).unwrap();
    assert_eq!(*heard.lock().unwrap(), 2);
    let calls = stats.snapshot().calls;
    assert_eq!((calls.started, calls.succeeded, calls.failed), (2, 1, 1));
}

/// A subscriber that panics at everything.
struct Mute;

impl<S: Subscriber> tracing_subscriber::Layer<S> for Mute {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        panic!("no events, please: {}", event.metadata().name());
    }
}

/// What is counted does not depend on who listens: the streak, and the hooks, know of every failure.
#[test]
fn a_subscriber_that_panics_takes_no_step_from_the_streak() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = heard.clone();
    let stats = ErrorStats::new().with_threshold(3).unwrap();
    let stats = stats.on_alarm(move |alarm| ear.lock().unwrap().push(alarm.to_string()));
    let mut service = stats.calls().layer(service_fn(respond));
    let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(Mute));
    for status in [500, 502, 503, 200] {
        let call = AssertUnwindSafe(|| tokio_test::block_on(service.call(request(status))).unwrap());
        assert!(catch_unwind(call).is_err());
    }
    drop(guard);
    let calls = stats.snapshot().calls;
    assert_eq!((calls.succeeded, calls.failed, calls.streak.longest, calls.streak.current), (1, 3, 3, 0));
    let heard = heard.lock().unwrap();
    assert!(heard.len() == 2 && heard[0].starts_with("3 calls in a row"), "{heard:?}");
}

/// A panic within a panic would be the process's end.
#[test]
fn a_service_and_a_subscriber_may_panic_at_once() {
    let stats = ErrorStats::new();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(Mute));
    let mut service =
        stats.calls().layer(service_fn(async |_: Request<()>| -> Result<Response<()>, Infallible> {
            panic!("the service is broken")
        }));
    let call = AssertUnwindSafe(|| tokio_test::block_on(service.call(request(()))));
    assert_eq!(catch_unwind(call).unwrap_err().downcast_ref(), Some(&"the service is broken"));
    assert_eq!(stats.snapshot().calls.panicked, 1);
}
