//! The deadline: to the millisecond, over everything a call does, and without losing what is known of the attempt it cuts.

use std::future::Future;
use std::time::Duration;

use crate::common::{S, Script, backoff, cut, layer, limits, ms, never_sent, ok, request, status};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use jittered_backoff::{Backoff, Jitter, Limits, RetryBudget};
use retry_on_tls_eof::{
    AttemptTimedOut, AttemptTimeoutLayer, Deadline, DeadlinePassed, Exhausted, Failure, OutcomeUnknown,
    RetryOnTlsEofLayer, RetrySafety,
};
use tokio::time::Instant;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use wire_fault::{Boxed, Cause, Delivery, Fault, Phase, Verdict};

fn ending(attempts: u32, deadline: Duration) -> RetryOnTlsEofLayer<Boxed> {
    layer(attempts).with_limits(limits(attempts).with_deadline(deadline))
}

async fn timed<T>(call: impl Future<Output = T>) -> (T, u128) {
    let start = Instant::now();
    (call.await, start.elapsed().as_millis())
}

#[tokio::test(start_paused = true)]
async fn it_cuts_the_last_attempt_to_the_millisecond() {
    for deadline in [ms(1), ms(999), ms(3_001)] {
        let script = Script::new([]).then_silent();
        let (result, took) =
            timed(ending(5, deadline).layer(script.clone()).oneshot(request(Method::GET))).await;
        let error = result.expect_err("cut");
        assert_eq!(took, deadline.as_millis());
        let exhausted = Exhausted::of(&*error).expect("a GET changes nothing");
        assert_eq!((exhausted.attempts(), exhausted.elapsed()), (1, deadline));
        assert_eq!(
            (exhausted.fault().cause, exhausted.fault().delivery),
            (Cause::Timeout, Delivery::Perhaps)
        );
        let passed = wire_fault::chain(&*error).find_map(|e| e.downcast_ref::<DeadlinePassed>());
        assert_eq!(passed.map(DeadlinePassed::after), Some(deadline));
        assert_eq!(script.under_way(), 0, "the attempt is gone before the caller knows");
    }
}

#[tokio::test(start_paused = true)]
async fn it_leaves_a_repeat_what_is_left() {
    // Fails after 500 ms, waits 1 s, and has 700 ms for the second attempt.
    let script = Script::timed([(ms(500), Err(cut()))]).then_silent();
    let (result, took) =
        timed(ending(5, ms(2_200)).layer(script.clone()).oneshot(request(Method::GET))).await;
    assert_eq!((script.at(), took), (vec![0, 1_500], 2_200));
    let error = result.expect_err("cut");
    let exhausted = Exhausted::of(&*error).expect("exhausted");
    assert_eq!(exhausted.attempts(), 2);
    assert!(
        wire_fault::chain(&*error).any(<dyn std::error::Error>::is::<std::io::Error>),
        "the last real error is kept: {error:?}"
    );
    let history: Vec<_> =
        exhausted.history().iter().map(|past| (past.attempt().get(), past.began(), past.wait())).collect();
    assert_eq!(history, [(1, ms(0), Some(S)), (2, ms(1_500), None)]);
    let Failure::Fault(fault) = exhausted.history()[1].failure() else { panic!("a fault") };
    assert_eq!(fault, exhausted.fault());
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_would_pass_it_is_refused_at_once() {
    for (deadline, sent) in [(ms(1_000), 1), (ms(1_001), 2)] {
        let script = Script::new([Err(cut()), ok()]);
        let (_, took) = timed(ending(5, deadline).layer(script.clone()).oneshot(request(Method::GET))).await;
        assert_eq!((script.at().len(), took), (sent, if sent == 1 { 0 } else { 1_000 }));
    }
    // A server's wish counts, too.
    let mut busy = status(503);
    busy.headers_mut().insert("ratelimit", "\"minute\";r=0;t=30".parse().expect("a header"));
    let script = Script::new([Ok(busy)]);
    let (result, took) = timed(ending(5, 30 * S).layer(script).oneshot(request(Method::GET))).await;
    assert_eq!((result.expect("handed on").status().as_u16(), took), (503, 0));
}

/// The timer counts whole milliseconds: a wait that ends before the deadline by less than one is over when it passes. Then it
/// is too late for an answer, and the POST stays provably unsent.
#[tokio::test(start_paused = true)]
async fn a_repeat_that_comes_too_late_is_not_sent() {
    let wait = Duration::from_micros(999_500);
    let exact = Backoff::exponential(wait..=wait).expect("in range").with_jitter(Jitter::None);
    let budget = RetryBudget::new(1, 100).expect("in range").with_reserve(5..=5).expect("in range");
    let retrying = RetryOnTlsEofLayer::<Boxed>::new(exact).with_budget(budget.clone());
    for (deadline, sent) in [(S, 1), (ms(1_001), 2)] {
        let script = Script::new([Err(never_sent())]).then_silent();
        let retrying = retrying.clone().with_limits(limits(3).with_deadline(deadline));
        let (result, took) = timed(retrying.layer(script.clone()).oneshot(request(Method::POST))).await;
        let error = result.expect_err("cut");
        assert_eq!((script.at().len(), took), (sent, deadline.as_millis()));
        assert_eq!(OutcomeUnknown::of(&*error).is_some(), sent == 2);
        assert_eq!(Exhausted::of(&*error).map(Exhausted::attempts), (sent == 1).then_some(1));
        assert_eq!(budget.permits(), if sent == 1 { 5 } else { 4 }, "not sent, not paid for");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_time_is_an_answer() {
    let script = Script::timed([(ms(999), ok())]);
    ending(1, S).layer(script).oneshot(request(Method::POST)).await.expect("in time");
    // There when the time is up.
    let script = Script::timed([(S, ok())]);
    ending(1, S).layer(script).oneshot(request(Method::POST)).await.expect("in time");
}

#[tokio::test(start_paused = true)]
async fn a_post_cut_in_flight_is_unknown() {
    let script = Script::new([]).then_silent();
    let error = ending(3, S).layer(script).oneshot(request(Method::POST)).await.expect_err("cut");
    let unknown = OutcomeUnknown::of(&*error).expect("it may have landed");
    assert_eq!((unknown.attempts(), unknown.elapsed(), unknown.fault().phase), (1, S, Phase::InFlight));
    assert_eq!((unknown.history().len(), unknown.response_head().is_none()), (1, true));
    assert_eq!(Verdict::of(&*error), Some(Verdict::OutcomeUnknown));
}

/// A PUT whose first attempt may have landed, and whose second was provably never sent, is unknown for the first.
#[tokio::test(start_paused = true)]
async fn what_may_have_landed_before_is_not_forgotten() {
    let script = Script::new([Err(cut())]).then_silent();
    let (result, took) = timed(ending(3, 3 * S).layer(script).oneshot(request(Method::PUT))).await;
    let error = result.expect_err("cut");
    let unknown = OutcomeUnknown::of(&*error).expect("the first may have landed");
    assert_eq!((unknown.attempts(), took), (2, 3_000));
}

/// Time is up while the service is not ready for the next attempt, and while it waits: no attempt is under way.
#[tokio::test(start_paused = true)]
async fn it_ends_a_call_that_waits_for_readiness() {
    for (method, unknown) in [(Method::GET, false), (Method::PUT, true)] {
        let (transport, mut handle) = tower_test::mock::pair::<Request<String>, Response<&'static str>>();
        handle.allow(1);
        let mut service = ending(3, 5 * S).layer(transport);
        let call = timed(async { service.ready().await.expect("ready").call(request(method)).await });
        let server = async {
            let (_, send) = handle.next_request().await.expect("the first attempt");
            handle.allow(0);
            send.send_error(cut());
            tokio::time::sleep(60 * S).await;
        };
        let ((result, took), ()) = tokio::join!(call, server);
        let error = result.expect_err("never ready");
        assert_eq!((took, OutcomeUnknown::of(&*error).is_some()), (5_000, unknown));
        if !unknown {
            let exhausted = Exhausted::of(&*error).expect("exhausted");
            assert_eq!((exhausted.attempts(), exhausted.history().len()), (1, 1));
            assert_eq!(exhausted.fault().delivery, Delivery::NeverSent, "of the second attempt");
            assert!(wire_fault::chain(&*error).any(<dyn std::error::Error>::is::<std::io::Error>));
        }
    }
}

/// A connector that never connects, below the real client: cut by the deadline, the POST is provably unsent.
#[tokio::test(start_paused = true)]
async fn the_attempts_own_limit_keeps_the_evidence() {
    let connector =
        service_fn(|_: http::Uri| std::future::pending::<Result<TokioIo<tokio::net::TcpStream>, BoxError>>());
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let service = ServiceBuilder::new()
        .layer(ending(1, 3 * S))
        .layer(AttemptTimeoutLayer::new(10 * S).expect("in range").over_hyper_util())
        .service(client);
    let post = Request::post("http://api/order").body(Empty::new()).expect("a request");
    let (result, took) = timed(service.oneshot(post)).await;
    let error = result.expect_err("no connection");
    assert_eq!(took, 3_000);
    assert!(OutcomeUnknown::of(&*error).is_none(), "{error:?}");
    let timed_out = wire_fault::chain(&*error)
        .find_map(|e| e.downcast_ref::<AttemptTimedOut>())
        .expect("cut by the attempt's limit");
    assert_eq!((timed_out.after(), timed_out.fault().delivery), (3 * S, Delivery::NeverSent));
}

/// Over other clients the attempt's limit can't know, and says so, at the same instant.
#[tokio::test(start_paused = true)]
async fn the_attempts_own_limit_shrinks_with_the_deadline() {
    let script = Script::new([Err(never_sent())]).then_silent();
    let service = ServiceBuilder::new()
        .layer(ending(3, ms(2_500)))
        .layer(AttemptTimeoutLayer::new(10 * S).expect("in range"))
        .service(script.clone());
    let (result, took) = timed(service.oneshot(request(Method::POST))).await;
    let error = result.expect_err("cut");
    assert_eq!((took, script.at()), (2_500, vec![0, 1_000]));
    let timed_out = wire_fault::chain(&*error).find_map(|e| e.downcast_ref::<AttemptTimedOut>());
    assert_eq!(timed_out.map(AttemptTimedOut::after), Some(ms(1_500)));
    assert!(OutcomeUnknown::of(&*error).is_some());
}

/// A queue between the two layers, as a limiter's: the attempt has not come to its own limit when time is up.
async fn queued(layer: RetryOnTlsEofLayer<Boxed>) -> (BoxError, Script) {
    let script = Script::new([]).then_silent();
    let below = AttemptTimeoutLayer::new(10 * S).expect("in range").layer(script.clone());
    let queue = service_fn(move |request: Request<String>| {
        let below = below.clone();
        async move {
            tokio::time::sleep(30 * S).await;
            below.oneshot(request).await
        }
    });
    let (result, took) = timed(layer.layer(queue).oneshot(request(Method::POST))).await;
    assert_eq!(took, 2_000);
    (result.expect_err("cut in the queue"), script)
}

#[tokio::test(start_paused = true)]
async fn an_attempt_cut_in_a_queue_is_unsent_if_the_layer_may_know() {
    let (error, script) = queued(ending(3, 2 * S).over_attempt_timeout()).await;
    let exhausted = Exhausted::of(&*error).expect("never sent");
    assert_eq!((exhausted.fault().delivery, script.at().len()), (Delivery::NeverSent, 0));
    // No attempt was made, and the network has no part in it.
    assert_eq!(
        (exhausted.attempts(), exhausted.history(), exhausted.fault().phase),
        (0, &[][..], Phase::Unknown)
    );
    let texts: Vec<_> = wire_fault::chain(&*error).map(ToString::to_string).collect();
    assert_eq!(texts[0], "gave up after waiting for the first attempt's turn, 2.0s");
    let passed =
        "the call's deadline passed after 2.0s, while an attempt waited for its turn: it was not sent";
    assert!(texts.iter().any(|text| text == passed), "{texts:?}");
    assert!(!texts.iter().any(|text| text.contains("connection")), "{texts:?}");

    let (error, _) = queued(ending(3, 2 * S)).await;
    assert!(OutcomeUnknown::of(&*error).is_some(), "undeclared, nobody can know");
}

/// A layer in between that makes the request anew leaves the deadline behind. The attempt's limit never heard of it, and that
/// is no proof that the attempt has not come so far.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_lost_its_deadline_is_not_called_unsent() {
    let script = Script::new([]).then_silent();
    let below = AttemptTimeoutLayer::new(10 * S).expect("in range").layer(script.clone());
    let forgets = service_fn(move |mut request: Request<String>| {
        request.extensions_mut().clear();
        below.clone().oneshot(request)
    });
    let service = ending(3, 2 * S).over_attempt_timeout().layer(forgets);
    let (result, took) = timed(service.oneshot(request(Method::POST))).await;
    let error = result.expect_err("cut");
    let unknown = OutcomeUnknown::of(&*error).expect("it was in flight");
    assert_eq!((unknown.fault().delivery, script.at(), took), (Delivery::Perhaps, vec![0], 2_000));
}

/// A queue that outlives the call and sends after all: refused at the attempt's limit, since the caller was told otherwise.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_comes_too_late_is_not_sent() {
    let script = Script::new([]);
    let below = AttemptTimeoutLayer::new(10 * S).expect("in range").layer(script.clone());
    let (late, mut came) = tokio::sync::mpsc::channel(1);
    let detached = service_fn(move |request: Request<String>| {
        let (below, late) = (below.clone(), late.clone());
        let sent = tokio::spawn(async move {
            tokio::time::sleep(5 * S).await;
            let result = below.oneshot(request).await;
            late.send(result.map(drop)).await.expect("listened to");
            std::future::pending::<Result<Response<&'static str>, BoxError>>().await
        });
        async move { sent.await.expect("no panic") }
    });
    let service = ending(3, 2 * S).over_attempt_timeout().layer(detached);
    let error = service.oneshot(request(Method::POST)).await.expect_err("cut in the queue");
    assert!(Exhausted::of(&*error).is_some());
    let error = came.recv().await.expect("it came").expect_err("refused");
    assert_eq!((Fault::of(&*error).delivery, script.at().len()), (Delivery::NeverSent, 0));
}

/// The caller may give one call less time than the layer does; more it can't.
#[tokio::test(start_paused = true)]
async fn a_requests_own_deadline_counts_if_it_is_sooner() {
    for (own, ends) in [(ms(700), 700), (S, 1_000), (9 * S, 3_000)] {
        let script = Script::new([]).then_silent();
        let mut get = request(Method::GET);
        get.extensions_mut().insert(Deadline::at(Instant::now() + own));
        let (result, took) = timed(ending(3, 3 * S).layer(script.clone()).oneshot(get)).await;
        result.expect_err("cut");
        assert_eq!(took, ends);
        let told = script.sent()[0].extensions.get::<Deadline>().expect("told").instant();
        assert_eq!(told.elapsed(), Duration::ZERO, "the layers below are told");
    }
    // It counts without a limit of the layer's, too, and a wait must fit it.
    let script = Script::new([Err(cut())]);
    let mut get = request(Method::GET);
    get.extensions_mut().insert(Deadline::at(Instant::now() + S));
    let endless = layer(3).with_limits(Limits::new().without_deadline());
    let (result, took) = timed(endless.layer(script).oneshot(get)).await;
    assert!(Exhausted::of(&*result.expect_err("no time for a repeat")).is_some());
    assert_eq!(took, 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_begins_too_late_is_not_sent() {
    let script = Script::new([]);
    let mut post = request(Method::POST);
    post.extensions_mut().insert(Deadline::at(Instant::now()));
    let error = ending(3, S).layer(script.clone()).oneshot(post).await.expect_err("too late");
    assert!(error.is::<DeadlinePassed>(), "{error:?}");
    assert_eq!(
        (Verdict::of(&*error), Fault::of(&*error).delivery),
        (Some(Verdict::RefusedLocally), Delivery::NeverSent)
    );
    let error = ending(3, Duration::ZERO).layer(script.clone()).oneshot(request(Method::GET)).await;
    assert!(error.expect_err("no time at all").is::<DeadlinePassed>());
    assert_eq!(script.at().len(), 0);
}

/// One retry above another: the inner keeps the deadline for both, and its word on the attempt stands.
#[tokio::test(start_paused = true)]
async fn a_retry_below_keeps_it_too() {
    let script = Script::new([Err(never_sent())]).then_silent();
    let service = ServiceBuilder::new()
        .layer(ending(3, ms(2_500)).over_attempt_timeout())
        .layer(ending(9, 60 * S))
        .service(script.clone());
    let (result, took) = timed(service.oneshot(request(Method::POST))).await;
    let error = result.expect_err("cut");
    assert_eq!((took, script.at()), (2_500, vec![0, 1_000]));
    assert!(OutcomeUnknown::of(&*error).is_some(), "the inner one's attempt was in flight");
}

/// It has seen the attempt, even if what it says of it comes too late.
#[tokio::test(start_paused = true)]
async fn what_a_retry_below_had_is_not_called_unsent() {
    let inner = ending(9, 60 * S).layer(Script::new([]).then_silent());
    let dawdles = service_fn(move |request: Request<String>| {
        let inner = inner.clone();
        async move {
            let result = inner.oneshot(request).await;
            tokio::time::sleep(10 * S).await;
            result
        }
    });
    let outer = ending(3, 2 * S).over_attempt_timeout();
    let (result, took) = timed(outer.layer(dawdles).oneshot(request(Method::POST))).await;
    let error = result.expect_err("cut");
    assert!(OutcomeUnknown::of(&*error).is_some(), "{error:?}");
    assert_eq!(took, 2_001, "it was given its millisecond");
}

/// Never is never, in time or not.
#[tokio::test(start_paused = true)]
async fn a_call_sent_once_is_cut_as_well() {
    let script = Script::new([]).then_silent();
    let mut pay = request(Method::POST);
    pay.extensions_mut().insert(RetrySafety::Never);
    let (result, took) = timed(ending(3, S).layer(script).oneshot(pay)).await;
    assert!(OutcomeUnknown::of(&*result.expect_err("cut")).is_some());
    assert_eq!(took, 1_000);
}

/// Beyond what a clock can count there is no deadline.
#[tokio::test(start_paused = true)]
async fn an_endless_deadline_is_none() {
    let script = Script::timed([(3_600 * S, ok())]);
    let layer =
        RetryOnTlsEofLayer::<Boxed>::new(backoff()).with_limits(Limits::new().with_deadline(Duration::MAX));
    layer.layer(script.clone()).oneshot(request(Method::GET)).await.expect("answered");
    assert!(script.sent()[0].extensions.get::<Deadline>().is_none());
}
