//! The budget over whole calls: exact after each attempt, shared, and whole after what never went out.

use crate::common;
use crate::common::{S, Script, cut, layer, ok, request, status};
use http::{Method, Request, Response};
use jittered_backoff::RetryBudget;
use retry_on_tls_eof::{EarlierFault, Exhausted, OutcomeUnknown, RetryOnTlsEofLayer};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, ServiceExt};
use tower_test::mock;
use wire_fault::{Boxed, Unprocessed, Verdict};

fn budget(start: u32) -> RetryBudget {
    RetryBudget::new(1, 100).expect("in range").with_reserve(start..=50).expect("in range")
}

fn bounded(budget: &RetryBudget) -> RetryOnTlsEofLayer<Boxed> {
    layer(9).with_budget(budget.clone())
}

#[tokio::test(start_paused = true)]
async fn each_attempt_leaves_what_it_should() {
    let budget = budget(2);
    let (mut service, mut handle) =
        mock::spawn_layer::<Request<String>, Response<&'static str>, _>(bounded(&budget));
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call(request(Method::GET)));
    for (attempt, left) in [(1, 1), (2, 0)] {
        let (_, send) = handle.next_request().await.expect("an attempt");
        send.send_error(cut());
        assert_pending!(call.poll());
        assert_eq!(budget.permits(), left, "attempt {attempt}: held while it waits");
        tokio::time::advance(4 * S).await;
        assert_pending!(call.poll());
        assert_eq!(budget.permits(), left, "attempt {attempt}: spent");
    }
    let (_, send) = handle.next_request().await.expect("the third attempt");
    send.send_error(cut());
    let error = assert_ready_err!(call.poll());
    let exhausted = Exhausted::of(&*error).expect("no permit");
    assert_eq!((exhausted.attempts(), exhausted.history().len()), (3, 3));
    assert_eq!((Verdict::of(&*error), exhausted.history()[2].wait()), (Some(Verdict::Exhausted), None));
    assert_eq!(budget.permits(), 0);
}

/// 1 %: after the reserve, exactly one repeat for a hundred calls, over services and clones.
#[tokio::test(start_paused = true)]
async fn one_repeat_for_a_hundred_calls() {
    let budget = budget(0);
    let layers = [bounded(&budget), bounded(&budget.clone())];
    for round in 0..3 {
        for call in 1..=99 {
            let script = Script::new([Ok(status(503))]);
            let response =
                layers[call % 2].layer(script).oneshot(request(Method::GET)).await.expect("handed on");
            assert_eq!(response.status(), 503, "round {round}, call {call}");
        }
        let script = Script::new([Ok(status(503)), ok()]);
        let response = layers[round % 2].layer(script).oneshot(request(Method::GET)).await.expect("healed");
        assert_eq!((response.status().as_u16(), budget.permits()), (200, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_repeated_costs_nothing() {
    let budget = budget(3);
    for (method, answer) in [
        (Method::POST, Err(cut())),
        (Method::GET, Err(common::certificate())),
        (Method::GET, Ok(status(404))),
        (Method::POST, Ok(status(503))),
    ] {
        let _ = bounded(&budget).layer(Script::new([answer])).oneshot(request(method)).await;
        assert_eq!(budget.permits(), 3);
    }
    // Nor a repeat that doesn't fit the deadline.
    let mut busy = status(503);
    busy.headers_mut().insert("retry-after", "60".parse().expect("a header"));
    bounded(&budget).layer(Script::new([Ok(busy)])).oneshot(request(Method::GET)).await.expect("handed on");
    assert_eq!(budget.permits(), 3);
    // An answer that is repeated at once does.
    let mut stale = status(400);
    stale.extensions_mut().insert(Unprocessed);
    bounded(&budget)
        .layer(Script::new([Ok(stale), ok()]))
        .oneshot(request(Method::POST))
        .await
        .expect("mended");
    assert_eq!(budget.permits(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_put_that_finds_no_permit_is_unknown() {
    let budget = budget(1);
    let script = Script::new([Err(cut()), Err(cut())]);
    let error = bounded(&budget).layer(script).oneshot(request(Method::PUT)).await.expect_err("no permit");
    assert_eq!(OutcomeUnknown::of(&*error).map(OutcomeUnknown::attempts), Some(2));
}

/// The answer that could not be repeated for want of a permit is the caller's, and no earlier attempt's.
#[tokio::test(start_paused = true)]
async fn an_answer_that_finds_no_permit_is_no_earlier_one() {
    let budget = budget(1);
    for (answers, earlier) in [(vec![Ok(status(503)), Ok(status(503))], true), (vec![Ok(status(503))], false)]
    {
        let script = Script::new(answers);
        let response = bounded(&budget).layer(script).oneshot(request(Method::PUT)).await.expect("handed on");
        assert_eq!(response.extensions().get::<EarlierFault>().is_some(), earlier);
    }
}

/// In the wait, and while the service is not ready: the repeat was not sent, and is not paid for.
#[tokio::test(start_paused = true)]
async fn a_call_that_ends_before_its_repeat_gives_it_back() {
    let budget = budget(1);
    let (mut service, mut handle) =
        mock::spawn_layer::<Request<String>, Response<&'static str>, _>(bounded(&budget));
    for (waited, breaks) in [(0, false), (2, false), (2, true)] {
        handle.allow(1);
        assert_ready_ok!(service.poll_ready());
        let mut call = task::spawn(service.call(request(Method::GET)));
        let (_, send) = handle.next_request().await.expect("an attempt");
        handle.allow(0);
        send.send_error(cut());
        assert_pending!(call.poll());
        tokio::time::advance(waited * S).await;
        assert_pending!(call.poll());
        assert_eq!(budget.permits(), 0);
        if breaks {
            handle.send_error("the transport is gone");
            assert_ready_err!(call.poll());
        }
        drop(call);
        assert_eq!(budget.permits(), 1);
    }
}
