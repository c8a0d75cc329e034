//! What is told of a call while it goes on: the hook for repeats, the history, the span.

mod common;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Answer, S, Script, cut, layer, ms, never_sent, ok, request, status};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use jittered_backoff::{Backoff, Jitter, Limits, RetryBudget, Seeds};
use retry_on_tls_eof::{
    CollectBodyLayer, Exhausted, Failure, OutcomeUnknown, PastAttempt, RetryOnTlsEofLayer,
};
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt, service_fn};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;
use wire_fault::{Boxed, Delivery, Fault, QueryId};

type Told = Arc<Mutex<Vec<(Failure, Duration, u32)>>>;

fn telling() -> (RetryOnTlsEofLayer<Boxed>, Told) {
    let told = Told::default();
    let teller = told.clone();
    let layer = layer(9).on_retry(move |failure, wait, attempt| {
        teller.lock().unwrap().push((failure, wait, attempt.get()));
    });
    (layer, told)
}

#[tokio::test(start_paused = true)]
async fn each_repeat_is_told_once_before_its_wait() {
    let (layer, told) = telling();
    let mut busy = status(429);
    busy.headers_mut().insert("retry-after", "9".parse().expect("a header"));
    let script = Script::new([Err(never_sent()), Ok(busy), ok()]);
    let mut call = tokio_test::task::spawn(layer.layer(script).oneshot(request(Method::GET)));
    tokio_test::assert_pending!(call.poll());
    tokio::task::yield_now().await;
    tokio::time::advance(ms(1)).await;
    tokio_test::assert_pending!(call.poll());
    let fault = Fault::of(&*never_sent());
    assert_eq!(*told.lock().unwrap(), [(Failure::Fault(fault), S, 1)]);
    call.await.expect("healed");
    let busy = Failure::Status(StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(*told.lock().unwrap(), [(Failure::Fault(fault), S, 1), (busy, 9 * S, 2)]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_repeated_is_not_told() {
    for (method, answer) in [(Method::POST, Err(cut())), (Method::GET, Ok(status(404))), (Method::GET, ok())]
    {
        let (layer, told) = telling();
        let _ = layer.layer(Script::new([answer])).oneshot(request(method)).await;
        assert!(told.lock().unwrap().is_empty());
    }
    let (layer, told) = telling();
    let tight = layer.with_limits(Limits::new().with_deadline(S));
    tight.layer(Script::new([Err(cut())])).oneshot(request(Method::GET)).await.expect_err("no time");
    assert!(told.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_panics_changes_nothing() {
    let layer = layer(3).on_retry(|_, _, _| panic!("in the hook"));
    let script = Script::new([Err(never_sent()), Err(never_sent()), ok()]);
    layer.layer(script.clone()).oneshot(request(Method::POST)).await.expect("healed");
    assert_eq!(script.at(), [0, 1_000, 3_000]);
}

/// The last 16 attempts, whatever became of them.
#[tokio::test(start_paused = true)]
async fn the_history_is_exact_and_bounded() {
    let millisecond = ms(1);
    let quick = Backoff::exponential(millisecond..=millisecond).expect("in range").with_jitter(Jitter::None);
    let limits = Limits::new().with_attempts(40).expect("in range");
    let answers = (0..40).map(|n| -> Answer {
        if n % 2 == 0 { Ok(status(503)) } else { Err(cut()) }
    });
    let layer = RetryOnTlsEofLayer::<Boxed>::new(quick).with_limits(limits);
    let error = layer.layer(Script::new(answers)).oneshot(request(Method::GET)).await.expect_err("used up");
    let exhausted = Exhausted::of(&*error).expect("exhausted");
    assert_eq!(exhausted.attempts(), 40);
    let history = exhausted.history();
    assert_eq!(history.len(), 16);
    for (past, number) in history.iter().zip(25..) {
        assert_eq!((past.attempt().get(), past.began()), (number, ms(u64::from(number) - 1)));
        assert_eq!(past.wait(), (number < 40).then_some(millisecond));
        match past.failure() {
            Failure::Status(status) => assert_eq!((status.as_u16(), number % 2), (503, 1)),
            Failure::Fault(fault) => assert_eq!((fault.delivery, number % 2), (Delivery::Perhaps, 0)),
            _ => panic!("an unknown kind of failure"),
        }
    }
    assert_eq!(history[0].failure().to_string(), "answered 503 Service Unavailable");

    let script = Script::new([Err(never_sent()), Err(cut())]);
    let error = common::layer(3).layer(script).oneshot(request(Method::POST)).await.expect_err("unknown");
    let history = OutcomeUnknown::of(&*error).expect("unknown").history();
    assert_eq!(history.iter().map(PastAttempt::wait).collect::<Vec<_>>(), [Some(S), None]);
}

/// With seeds, each call's waits are known in advance, to the nanosecond. The clock rings at whole milliseconds, not before.
#[tokio::test(start_paused = true)]
async fn seeded_calls_wait_as_computed() {
    let (told, seeds) = (Arc::new(Mutex::new(Vec::new())), Seeds::new(7));
    let teller = Arc::clone(&told);
    let layer = RetryOnTlsEofLayer::<Boxed>::new(Backoff::default())
        .with_limits(Limits::new().with_attempts(5).expect("in range").without_deadline())
        .with_seeds(Seeds::new(7))
        .on_retry(move |_, wait, _| teller.lock().unwrap().push(wait));
    for _ in 0..3 {
        // A call that is not repeated takes no seed.
        layer.layer(Script::new([ok()])).oneshot(request(Method::GET)).await.expect("answered");
        let script = Script::new((0..4).map(|_| Err(never_sent())).chain([ok()]));
        layer.layer(script.clone()).oneshot(request(Method::POST)).await.expect("healed");
        let waits: Vec<_> = Backoff::default().delays(seeds.next_seed()).take(4).collect();
        assert_eq!(std::mem::take(&mut *told.lock().unwrap()), waits);
        let due = waits.iter().scan(0, |due, wait| {
            *due += wait.as_nanos().div_ceil(1_000_000);
            Some(*due)
        });
        assert_eq!(script.at(), [0].into_iter().chain(due).collect::<Vec<_>>());
    }
}

/// The last id that came is what the support asks for, however little the attempts after it know; each keeps its own.
#[tokio::test(start_paused = true)]
async fn the_query_of_an_earlier_attempt_is_told() {
    let named = |code, id: &'static str| {
        let mut response = status(code);
        response.headers_mut().insert("x-ovh-queryid", id.parse().expect("a header"));
        Ok(response)
    };
    let answers = || [named(503, "EU.ext-1"), Err(cut()), named(500, "EU.ext-2"), Err(never_sent())];
    let error =
        layer(4).layer(Script::new(answers())).oneshot(request(Method::PUT)).await.expect_err("unknown");
    let unknown = OutcomeUnknown::of(&*error).expect("it may have landed");
    assert_eq!((unknown.query_id(), QueryId::of(&*error)), (Some("EU.ext-2"), QueryId::new("EU.ext-2")));
    let ids: Vec<_> = unknown.history().iter().map(PastAttempt::query_id).collect();
    assert_eq!(ids, [Some("EU.ext-1"), None, Some("EU.ext-2"), None]);
    assert!(error.to_string().ends_with("to 4 attempts, 7.0s, query EU.ext-2"), "{error}");

    let error =
        layer(4).layer(Script::new(answers())).oneshot(request(Method::GET)).await.expect_err("used up");
    let exhausted = Exhausted::of(&*error).expect("nothing changed");
    assert_eq!((exhausted.query_id(), QueryId::of(&*error)), (Some("EU.ext-2"), QueryId::new("EU.ext-2")));
    assert_eq!(error.to_string(), "gave up after 4 attempts, 7.0s, query EU.ext-2");

    // Also where the attempt itself is kept no longer.
    let answers = [named(503, "EU.ext-1")].into_iter().chain((0..19).map(|_| Err(cut())));
    let endless =
        layer(20).with_limits(Limits::new().with_attempts(20).expect("in range").without_deadline());
    let error = endless.layer(Script::new(answers)).oneshot(request(Method::GET)).await.expect_err("used up");
    let exhausted = Exhausted::of(&*error).expect("nothing changed");
    assert!(exhausted.history().iter().all(|past| past.query_id().is_none()));
    assert_eq!(exhausted.query_id(), Some("EU.ext-1"));
}

/// Collects what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).expect("text")
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What this thread logs until the guard goes.
fn logging() -> (Log, DefaultGuard) {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::NEW | FmtSpan::CLOSE)
        .with_ansi(false)
        .without_time()
        .with_writer(log.clone())
        .finish();
    // Other threads have no subscriber: what they come by first must not count as of no interest to anybody.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
    (log, tracing::subscriber::set_default(subscriber))
}

/// With one in its URI, its headers and its body.
fn secretive(method: Method) -> Request<String> {
    let mut request = request(method);
    request.headers_mut().insert("authorization", "Bearer secret".parse().expect("a header"));
    *request.body_mut() = "secret".to_owned();
    request
}

#[tokio::test(start_paused = true)]
async fn the_span_tells_of_the_call_and_no_secret() {
    let (log, _guard) = logging();
    let script = Script::new([Err(cut()), Ok(status(503)), ok()]);
    let inner = service_fn(move |request| {
        tracing::debug!("below");
        script.clone().oneshot(request)
    });
    layer(3).layer(inner).oneshot(secretive(Method::GET)).await.expect("healed");

    let log = log.take();
    assert!(!log.contains("secret"), "{log}");
    let below: Vec<_> = log.lines().filter(|line| line.contains("below")).collect();
    assert_eq!(below.len(), 3, "{log}");
    for (line, attempt) in below.iter().zip(1..) {
        assert!(line.contains("call{call=") && line.contains("method=GET path=\"/order\""), "{line}");
        assert!(line.contains(&format!("attempt={attempt}")), "{line}");
    }
    assert!(below[1].contains("fault=") && below[1].contains("wait=1s"), "{}", below[1]);
    assert!(below[2].contains("status=503") && below[2].contains("wait=2s"), "{}", below[2]);
    assert_eq!(log.matches("WARN").count(), 2, "one for each repeat: {log}");
    assert_eq!(log.lines().filter(|line| line.contains("close")).count(), 1, "one span for the call: {log}");
}

/// Why, after how many attempts and how long, and what the last one died of.
#[tokio::test(start_paused = true)]
async fn giving_up_is_told_once_with_its_reason_and_no_secret() {
    let (log, _guard) = logging();
    let told = |error: BoxError, limit: &str, attempts: u32, elapsed: &str| {
        let log = log.take();
        assert!(!log.contains("secret"), "{log}");
        let lines: Vec<_> = log.lines().filter(|line| line.contains("gave up the call")).collect();
        let [line] = lines[..] else { panic!("not once: {log}") };
        assert!(line.contains("WARN") && line.contains(" retry_on_tls_eof::"), "{line}");
        let exhausted = Exhausted::of(&*error).expect("exhausted");
        assert_eq!(exhausted.attempts(), attempts, "{line}");
        let fault = exhausted.fault();
        let fields = format!(
            "method=GET path=\"/order\" attempts={attempts} elapsed={elapsed} limit=\"{limit}\" fault={fault}"
        );
        assert!(line.ends_with(&fields), "{fields} is not the end of {line}");
    };
    let cuts = |attempts| Script::new((0..attempts).map(|_| Err(cut())));

    let call = layer(3).layer(cuts(3)).oneshot(secretive(Method::GET));
    told(call.await.expect_err("used up"), "attempts", 3, "3s");

    // No room for the wait, and cut under way.
    let short = |deadline| layer(9).with_limits(Limits::new().with_deadline(deadline));
    let call = short(2 * S).layer(cuts(2)).oneshot(secretive(Method::GET));
    told(call.await.expect_err("too late"), "deadline", 2, "1s");
    let call = short(2 * S).layer(cuts(1).then_silent()).oneshot(secretive(Method::GET));
    told(call.await.expect_err("cut"), "deadline", 2, "2s");

    let budget = RetryBudget::new(1, 100).expect("in range").with_reserve(1..=1).expect("in range");
    let call = layer(9).with_budget(budget).layer(cuts(2)).oneshot(secretive(Method::GET));
    told(call.await.expect_err("no permit"), "budget", 2, "1s");

    // Cut in its body, so that there is no answer to hand on.
    let broken = Limited::new(Full::new(&b"busy"[..]), 0).map_err(|_| cut());
    let busy = Response::builder().status(503).header("retry-after", 25 * 3600).body(broken);
    let mut busy = Some(busy.expect("a response"));
    let client = service_fn(move |_: Request<String>| {
        std::future::ready(Ok::<_, BoxError>(busy.take().expect("one attempt")))
    });
    let service = ServiceBuilder::new()
        .layer(layer(9).with_limits(Limits::new().without_deadline()))
        .layer(CollectBodyLayer::new(9).expect("in range"))
        .buffer(1)
        .service(client);
    told(service.oneshot(secretive(Method::GET)).await.expect_err("a day and more"), "wait", 1, "0ns");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_given_up_is_not_told_to_be() {
    let (log, _guard) = logging();
    for (attempts, method, answers) in [
        (3, Method::GET, vec![Err(cut()), ok()]),
        // Handed on, a call of one attempt, one that no repeat heals, and one that nobody knows of.
        (2, Method::GET, vec![Ok(status(503)), Ok(status(503))]),
        (1, Method::GET, vec![Err(cut())]),
        (3, Method::GET, vec![Err(common::certificate())]),
        (2, Method::PUT, vec![Err(cut()), Err(never_sent())]),
    ] {
        let _ = layer(attempts).layer(Script::new(answers)).oneshot(request(method)).await;
        let log = log.take();
        assert!(log.contains("close") && !log.contains("gave up"), "{log}");
    }
}
