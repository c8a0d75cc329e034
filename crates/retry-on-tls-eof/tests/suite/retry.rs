//! The service over mocks, under a paused clock: what is sent how often, and how long it waits.

use std::io;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use jittered_backoff::{Backoff, Jitter, Limits, Once, Replay, Seeds};
use retry_on_tls_eof::{
    Attempt, CollectBodyLayer, EarlierFault, Exhausted, OutcomeUnknown, Reconciled, RetryOnTlsEof,
    RetryOnTlsEofLayer, RetrySafety,
};
use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready, assert_ready_err, task};
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt};
use tower_test::mock::{self, Mock};
use wire_fault::{Boxed, CallId, Cause, Delivery, Fault, Healing, Mark, Phase, Verdict};

type Transport = Mock<Request<String>, Response<&'static str>>;

const S: Duration = Duration::from_secs(1);

/// Waits of 1 s, 2 s, 4 s.
fn layer(attempts: u32) -> RetryOnTlsEofLayer<Boxed> {
    let backoff = Backoff::exponential(S..=4 * S).expect("in range").with_jitter(Jitter::None);
    let limits = Limits::new().with_attempts(attempts).expect("in range").with_deadline(60 * S);
    RetryOnTlsEofLayer::new(backoff).with_limits(limits).with_seeds(Seeds::new(1))
}

fn pair(attempts: u32) -> (mock::Spawn<RetryOnTlsEof<Transport, Boxed>>, Handle) {
    mock::spawn_layer(layer(attempts))
}

type Handle = mock::Handle<Request<String>, Response<&'static str>>;

fn request(method: Method) -> Request<String> {
    Request::builder().method(method).uri("https://api/order?secret=1").body("{}".into()).expect("a request")
}

fn never_sent() -> BoxError {
    Mark::fault(Fault::new(Phase::TlsHandshake, Delivery::NeverSent, Cause::Eof, Healing::Transient)).into()
}

fn cut() -> BoxError {
    io::Error::from(io::ErrorKind::UnexpectedEof).into()
}

fn certificate() -> BoxError {
    Mark::fault(Fault::new(Phase::TlsHandshake, Delivery::NeverSent, Cause::Certificate, Healing::Permanent))
        .into()
}

fn status(status: u16) -> Response<&'static str> {
    let mut response = Response::new("");
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    response
}

/// Runs one call over a script of results and tells how often it was sent and when each attempt began.
async fn run(
    attempts: u32,
    request: Request<String>,
    script: Vec<Result<Response<&'static str>, BoxError>>,
) -> (Result<Response<&'static str>, BoxError>, Vec<Duration>) {
    let (transport, mut handle) = mock::pair::<Request<String>, Response<&'static str>>();
    let mut service = layer(attempts).layer(transport);
    let start = Instant::now();
    let server = async {
        let mut at = Vec::new();
        for result in script {
            let (_, send) = handle.next_request().await.expect("another attempt");
            at.push(start.elapsed());
            match result {
                Ok(response) => send.send_response(response),
                Err(error) => send.send_error(error),
            }
        }
        // The script is the whole story: a further attempt would be one too many.
        let more = tokio::time::timeout(600 * S, handle.next_request()).await;
        assert!(matches!(more, Err(_) | Ok(None)), "sent once more than scripted");
        at
    };
    let call = async { service.ready().await.expect("ready").call(request).await };
    tokio::join!(call, server)
}

#[tokio::test(start_paused = true)]
async fn a_post_that_was_never_sent_is_repeated_after_exact_waits() {
    let script = vec![Err(never_sent()), Err(never_sent()), Ok(Response::new("ordered"))];
    let (result, at) = run(3, request(Method::POST), script).await;
    let response = result.expect("healed");
    assert_eq!(response.extensions().get::<Attempt>().map(|a| a.get()), Some(3));
    assert!(response.extensions().get::<EarlierFault>().is_none(), "no attempt can have landed");
    assert_eq!(at, [Duration::ZERO, S, 3 * S]);
}

#[tokio::test(start_paused = true)]
async fn a_post_that_may_have_landed_is_sent_once_and_says_so() {
    let (result, at) = run(3, request(Method::POST), vec![Err(cut())]).await;
    let error = result.expect_err("unknown");
    let unknown = OutcomeUnknown::of(&*error).expect("OutcomeUnknown");
    assert_eq!((unknown.method(), unknown.path(), unknown.attempts()), (&Method::POST, "/order", 1));
    assert_eq!(unknown.fault().delivery, Delivery::Perhaps);
    assert_eq!(Verdict::of(&*error), Some(Verdict::OutcomeUnknown));
    assert!(wire_fault::chain(&*error).any(<dyn std::error::Error>::is::<io::Error>), "keeps the real error");
    assert!(!format!("{error} {error:?}").contains("secret"), "no query in messages");
    assert_eq!(at.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_post_never_sent_and_then_cut_ends_there() {
    let (result, at) = run(5, request(Method::POST), vec![Err(never_sent()), Err(cut())]).await;
    let error = result.expect_err("unknown");
    assert_eq!(OutcomeUnknown::of(&*error).map(OutcomeUnknown::attempts), Some(2));
    assert_eq!(at.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_get_is_repeated_after_a_cut_until_it_is_exhausted() {
    let (result, at) = run(3, request(Method::GET), vec![Err(cut()), Err(cut()), Err(cut())]).await;
    let error = result.expect_err("exhausted");
    let exhausted = Exhausted::of(&*error).expect("Exhausted");
    assert_eq!((exhausted.attempts(), exhausted.elapsed()), (3, 3 * S));
    assert_eq!(Verdict::of(&*error), Some(Verdict::Exhausted));
    assert_eq!(at, [Duration::ZERO, S, 3 * S]);
}

#[tokio::test(start_paused = true)]
async fn permanent_failures_pass_untouched_at_once() {
    for method in [Method::GET, Method::POST] {
        let (result, at) = run(3, request(method), vec![Err(certificate())]).await;
        let error = result.expect_err("permanent");
        assert_eq!(error.to_string(), certificate().to_string());
        assert_eq!(Verdict::of(&*error), None);
        assert_eq!(at.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn put_and_delete_are_repeated_and_tell_what_came_before() {
    let (result, _) = run(3, request(Method::DELETE), vec![Err(cut()), Ok(status(404))]).await;
    let response = result.expect("an answer");
    let earlier = response.extensions().get::<EarlierFault>().expect("the cut before");
    assert_eq!(earlier.0.cause, Cause::Eof);

    // Repeated as long as may be; and then nobody knows.
    let (result, at) = run(2, request(Method::PUT), vec![Err(cut()), Err(never_sent())]).await;
    let error = result.expect_err("unknown");
    let unknown = OutcomeUnknown::of(&*error).expect("the first may have landed");
    assert_eq!((unknown.attempts(), unknown.fault().delivery), (2, Delivery::Perhaps));
    assert_eq!(at.len(), 2);
}

/// A gateway that gives up leaves the server at work: a DELETE answered 504 may have been carried out.
#[tokio::test(start_paused = true)]
async fn an_answer_that_was_repeated_away_may_have_been_more_than_an_answer() {
    let (result, _) = run(3, request(Method::DELETE), vec![Ok(status(504)), Ok(status(404))]).await;
    let earlier =
        result.expect("an answer").extensions().get::<EarlierFault>().copied().expect("the 504 before");
    assert_eq!(earlier.0.delivery, Delivery::Answered);

    let script = vec![Ok(status(504)), Err(never_sent()), Err(never_sent())];
    let (result, _) = run(3, request(Method::PUT), script).await;
    let error = result.expect_err("unknown");
    assert!(OutcomeUnknown::of(&*error).is_some(), "{error}");
    assert!(error.to_string().contains("no final answer to 3 attempts"), "{error}");

    // What changes nothing has no outcome to be unknown.
    let script = vec![Ok(status(504)), Err(never_sent()), Err(never_sent())];
    let (result, _) = run(3, request(Method::GET), script).await;
    assert!(Exhausted::of(&*result.expect_err("exhausted")).is_some());
}

#[tokio::test(start_paused = true)]
async fn the_extension_overrules_the_method() {
    let marked = |method, safety| {
        let mut request = request(method);
        request.extensions_mut().insert(safety);
        request
    };
    let search = marked(Method::POST, RetrySafety::Idempotent);
    let (result, _) = run(3, search, vec![Err(cut()), Ok(Response::new("found"))]).await;
    assert_eq!(result.expect("healed").into_body(), "found");

    let never = marked(Method::GET, RetrySafety::Never);
    let (result, at) = run(3, never, vec![Err(never_sent())]).await;
    let error = result.expect_err("not repeated");
    assert_eq!((Verdict::of(&*error), at.len()), (None, 1), "and the error is untouched");

    let changes = marked(Method::GET, RetrySafety::IfNeverSent);
    let (result, _) = run(3, changes, vec![Err(cut())]).await;
    assert!(OutcomeUnknown::of(&*result.expect_err("unknown")).is_some());
}

#[tokio::test(start_paused = true)]
async fn passing_statuses_are_repeated_for_idempotent_calls_only() {
    for code in [408, 429, 500, 502, 503, 504] {
        let (result, at) = run(3, request(Method::GET), vec![Ok(status(code)), Ok(status(200))]).await;
        assert_eq!((result.expect("healed").status(), at.len()), (StatusCode::OK, 2));
        let (result, at) = run(3, request(Method::POST), vec![Ok(status(code))]).await;
        assert_eq!((result.expect("handed on").status().as_u16(), at.len()), (code, 1));
    }
    for code in [200, 400, 401, 403, 404, 409, 460, 501] {
        let (result, at) = run(3, request(Method::GET), vec![Ok(status(code))]).await;
        assert_eq!((result.expect("handed on").status().as_u16(), at.len()), (code, 1));
    }
    let (result, at) = run(2, request(Method::GET), vec![Ok(status(503)), Ok(status(503))]).await;
    assert_eq!((result.expect("the last answer").status().as_u16(), at.len()), (503, 2));
}

#[tokio::test(start_paused = true)]
async fn an_answer_marked_unprocessed_is_repeated_once_at_once_whatever_the_method() {
    let stale = || {
        let mut response = status(400);
        response.extensions_mut().insert(wire_fault::Unprocessed);
        Ok(response)
    };
    let (result, at) = run(3, request(Method::POST), vec![stale(), Ok(status(201))]).await;
    assert_eq!((result.expect("mended").status().as_u16(), at), (201, vec![Duration::ZERO; 2]));
    let (result, at) = run(5, request(Method::POST), vec![stale(), stale()]).await;
    assert_eq!((result.expect("handed on").status().as_u16(), at.len()), (400, 2));
    // The limit of attempts does not count it, and holds for the others as before.
    for attempts in 1..=3 {
        let busy = || Ok(status(503));
        for (last, code) in [(Ok(status(201)), 201), (stale(), 400), (busy(), 503)] {
            let mut answers: Vec<_> = (1..attempts).map(|_| busy()).collect();
            answers.extend([stale(), last]);
            let (result, at) = run(attempts, request(Method::GET), answers).await;
            let sent = attempts as usize + 1;
            assert_eq!((result.expect("an answer").status().as_u16(), at.len()), (code, sent));
        }
        let mut first = vec![stale()];
        first.extend((0..attempts).map(|_| busy()));
        let (result, at) = run(attempts, request(Method::GET), first).await;
        assert_eq!((result.expect("an answer").status().as_u16(), at.len()), (503, attempts as usize + 1));
        let failing = (0..attempts).map(|_| Err(never_sent())).collect();
        let (result, at) = run(attempts, request(Method::GET), failing).await;
        let error = result.expect_err("the limit holds");
        assert_eq!((Exhausted::of(&*error).is_some(), at.len()), (attempts > 1, attempts as usize));
    }

    let mut never = request(Method::POST);
    never.extensions_mut().insert(RetrySafety::Never);
    let (result, at) = run(3, never, vec![stale()]).await;
    assert_eq!((result.expect("handed on").status().as_u16(), at.len()), (400, 1));
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_a_floor_and_must_fit_the_deadline() {
    let after = |seconds: &'static str| {
        let mut response = status(503);
        response.headers_mut().insert("retry-after", seconds.parse().expect("a header"));
        response
    };
    let (_, at) = run(3, request(Method::GET), vec![Ok(after("7")), Ok(status(200))]).await;
    assert_eq!(at, [Duration::ZERO, 7 * S]);
    // 60 s is the deadline: no use in waiting for it.
    let (result, at) = run(3, request(Method::GET), vec![Ok(after("60"))]).await;
    assert_eq!((result.expect("handed on").status().as_u16(), at.len()), (503, 1));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_replayed_passes_once() {
    let transport =
        tower::service_fn(|_: Request<Once<String>>| async { Err::<Response<()>, _>(never_sent()) });
    let mut service = layer(3).layer(transport);
    let request = Request::post("https://api/").body(Once::new("stream".to_owned())).expect("a request");
    let error = service.ready().await.expect("ready").call(request).await.expect_err("untouched");
    assert_eq!(Verdict::of(&*error), None);
}

/// A request that can be copied once is repeated once, and its last error comes back as it is.
#[tokio::test(start_paused = true)]
async fn a_request_is_asked_for_a_copy_before_each_attempt() {
    struct Copies(u32);
    impl Replay for Copies {
        fn replay(&self) -> Option<Self> {
            self.0.checked_sub(1).map(Self)
        }
    }
    let start = Instant::now();
    let transport = tower::service_fn(|_: Request<Copies>| async { Err::<Response<()>, _>(never_sent()) });
    let request = Request::post("https://api/").body(Copies(1)).expect("a request");
    let error = layer(5).layer(transport).oneshot(request).await.expect_err("untouched");
    assert_eq!((Verdict::of(&*error), start.elapsed()), (None, S));
}

#[tokio::test(start_paused = true)]
async fn a_layer_below_that_has_decided_is_obeyed() {
    let refused = || -> BoxError {
        let local = Fault::new(Phase::Unknown, Delivery::NeverSent, Cause::Other, Healing::Transient);
        Mark::verdict(Verdict::RefusedLocally).with_fault(local).into()
    };
    let (result, at) = run(3, request(Method::GET), vec![Err(refused())]).await;
    assert_eq!((Verdict::of(&*result.expect_err("refused")), at.len()), (Some(Verdict::RefusedLocally), 1));

    // Two of these layers, one on the other: one OutcomeUnknown, and the outer repeats nothing.
    let (transport, mut handle) = mock::pair::<Request<String>, Response<&'static str>>();
    let mut service = ServiceBuilder::new().layer(layer(3)).layer(layer(3)).service(transport);
    let call = async { service.ready().await.expect("ready").call(request(Method::POST)).await };
    let server = async { handle.next_request().await.expect("one attempt").1.send_error(cut()) };
    let (result, ()) = tokio::join!(call, server);
    let error = result.expect_err("unknown");
    assert_eq!(wire_fault::chain(&*error).filter(|e| e.is::<OutcomeUnknown>()).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn readiness_is_taken_before_every_attempt_and_the_ready_service_is_used() {
    let (mut service, mut handle) = pair(3);
    handle.allow(1);
    assert_ready!(service.poll_ready()).expect("ready");
    let mut call = task::spawn(service.call(request(Method::GET)));
    let (first, send) = assert_ready!(task::spawn(handle.next_request()).poll()).expect("the first attempt");
    assert_eq!(first.extensions().get(), Some(&Attempt::FIRST));
    let id = *first.extensions().get::<CallId>().expect("named");
    handle.allow(0);
    send.send_error(cut());
    assert_pending!(call.poll());
    tokio::time::advance(S).await;
    assert_pending!(call.poll(), "the wait is over, but the service is not ready");
    tokio::time::advance(10 * S).await;
    assert_pending!(call.poll());
    handle.allow(1);
    assert!(call.is_woken());
    assert_pending!(call.poll());
    let (second, send) =
        assert_ready!(task::spawn(handle.next_request()).poll()).expect("the second attempt");
    assert_eq!(second.extensions().get(), Some(&Attempt::FIRST.next()));
    assert_eq!(second.extensions().get(), Some(&id), "a repeat keeps its call's name");
    assert_eq!(second.body(), "{}");
    send.send_response(Response::new("ok"));
    assert_eq!(assert_ready!(call.poll()).expect("healed").into_body(), "ok");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_breaks_between_attempts_ends_the_call() {
    let (mut service, mut handle) = pair(3);
    handle.allow(1);
    assert_ready!(service.poll_ready()).expect("ready");
    let mut call = task::spawn(service.call(request(Method::PUT)));
    let (_, send) = assert_ready!(task::spawn(handle.next_request()).poll()).expect("the first attempt");
    send.send_error(cut());
    assert_pending!(call.poll());
    handle.send_error("the transport is gone");
    tokio::time::advance(S).await;
    let error = assert_ready_err!(call.poll());
    assert!(OutcomeUnknown::of(&*error).is_some(), "the first attempt may have landed");
}

/// A layer that readied a clone while it held the original would wait for itself here.
#[tokio::test(start_paused = true)]
async fn over_a_concurrency_limit_of_one() {
    let (transport, mut handle) = mock::pair::<Request<String>, Response<&'static str>>();
    let mut service = ServiceBuilder::new().layer(layer(3)).concurrency_limit(1).service(transport);
    let server = async {
        for n in 0..6 {
            let (_, send) = handle.next_request().await.expect("an attempt");
            if n % 3 < 2 { send.send_error(cut()) } else { send.send_response(Response::new("ok")) }
        }
    };
    let calls = async {
        for _ in 0..2 {
            service.ready().await.expect("ready").call(request(Method::GET)).await.expect("healed");
        }
        // And the one permit is back.
        service.ready().await.expect("ready");
    };
    tokio::time::timeout(60 * S, async { tokio::join!(calls, server) }).await.expect("no deadlock");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_sends_nothing_more() {
    let (transport, mut handle) = mock::pair::<Request<String>, Response<&'static str>>();
    let mut service = ServiceBuilder::new().layer(layer(3)).concurrency_limit(1).service(transport);
    let mut call = task::spawn(service.ready().await.expect("ready").call(request(Method::GET)));
    let (_, send) = handle.next_request().await.expect("the first attempt");
    send.send_error(cut());
    assert_pending!(call.poll(), "it waits");
    drop(call);
    assert!(
        tokio::time::timeout(60 * S, handle.next_request()).await.is_err(),
        "nothing is sent after the drop"
    );
    // And the one permit is free again.
    let next = task::spawn(service.ready().await.expect("ready").call(request(Method::GET)));
    assert!(handle.next_request().await.is_some());
    drop(next);
}

#[tokio::test(start_paused = true)]
async fn over_a_buffer() {
    let (transport, mut handle) = mock::pair::<Request<String>, Response<&'static str>>();
    let mut service = ServiceBuilder::new().layer(layer(2)).buffer(4).service(transport);
    let server = async {
        handle.next_request().await.expect("first").1.send_error(never_sent());
        handle.next_request().await.expect("second").1.send_response(Response::new("ok"));
    };
    let call = async { service.ready().await.expect("ready").call(request(Method::POST)).await };
    let (result, ()) = tokio::join!(call, server);
    assert_eq!(result.expect("healed").into_body(), "ok");
}

#[test]
fn settings_services_and_futures_are_send_sync_and_clone() {
    fn check<T: Send + Sync + Clone>(_: &T) {}
    fn check_future<T: Send + Sync>(_: &T) {}
    fn mock() -> Transport {
        mock::pair().0
    }
    check(&layer(2));
    check(&layer(2).layer(mock()));
    // Sync, too, over a transport whose future is: a hook's own future need not be.
    let looking = layer(2).with_reconcile(async |_| {
        let not_sync = std::cell::Cell::new(());
        std::future::ready(()).await;
        not_sync.set(());
        Ok(Reconciled::<Response<&'static str>>::NotLanded)
    });
    check(&looking);
    let collecting = CollectBodyLayer::new(9).expect("in range");
    check(&collecting);
    let transport =
        tower::service_fn(|_: Request<String>| std::future::ready(Err::<Response<&'static str>, _>(cut())));
    check(&looking.layer(transport));
    check_future(&looking.layer(transport).oneshot(request(Method::GET)));
    let transport =
        tower::service_fn(|_: Request<String>| std::future::ready(Err::<Response<String>, _>(cut())));
    check_future(&collecting.layer(transport).oneshot(request(Method::GET)));
}
