//! The hook that looks whether a call has landed.

use crate::common;
use std::sync::{Arc, Mutex};

use crate::common::{S, Script, certificate, cut, layer, ms, never_sent, ok, request, status};
use http::{Method, Request, Response, StatusCode};
use jittered_backoff::{Limits, Once, RetryBudget};
use retry_on_tls_eof::{
    Attempt, EarlierFault, Exhausted, MayHaveLanded, OutcomeUnknown, Reconcile, Reconciled,
    RetryOnTlsEofLayer,
};
use tokio::time::Instant;
use tower::{BoxError, Layer, ServiceExt};
use wire_fault::{Boxed, Delivery};

type Looking = RetryOnTlsEofLayer<Boxed, Reconcile<Response<&'static str>>>;
type Answers = Vec<Result<Reconciled<Response<&'static str>>, BoxError>>;

#[derive(Clone, Debug, PartialEq)]
struct Reference(&'static str);

/// Answers from a list, half a second each, and keeps the questions.
fn looking(layer: RetryOnTlsEofLayer<Boxed>, answers: Answers) -> (Looking, Arc<Mutex<Vec<MayHaveLanded>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let answers = Arc::new(Mutex::new(std::collections::VecDeque::from(answers)));
    let questions = asked.clone();
    let layer = layer.with_reconcile(move |question: MayHaveLanded| {
        questions.lock().unwrap().push(question);
        let answer = answers.lock().unwrap().pop_front().expect("asked once more than scripted");
        async move {
            tokio::time::sleep(ms(500)).await;
            answer
        }
    });
    (layer, asked)
}

fn post() -> Request<String> {
    let mut request = request(Method::POST);
    request.extensions_mut().insert(Reference("order 1"));
    request
}

#[tokio::test(start_paused = true)]
async fn landed_is_an_answer() {
    let mut found = Response::new("order 1");
    *found.status_mut() = StatusCode::CREATED;
    let (layer, asked) = looking(layer(3), vec![Ok(Reconciled::Landed(found))]);
    let script = Script::new([Err(never_sent()), Err(cut())]);
    let response = layer.layer(script.clone()).oneshot(post()).await.expect("it has landed");
    assert_eq!((response.status(), *response.body()), (StatusCode::CREATED, "order 1"));
    assert_eq!(response.extensions().get::<Attempt>().map(|attempt| attempt.get()), Some(2));
    let earlier = response.extensions().get::<EarlierFault>().expect("it wasn't answered");
    assert_eq!(earlier.0.delivery, Delivery::Perhaps);
    assert_eq!(script.at(), [0, 1_000]);

    let asked = asked.lock().unwrap();
    let [question] = &asked[..] else { panic!("asked once: {asked:?}") };
    assert_eq!((question.method(), question.uri().query()), (&Method::POST, Some("secret=1")));
    assert_eq!((question.attempts(), question.elapsed(), question.fault()), (2, S, earlier.0));
    assert_eq!(question.extensions().get(), Some(&Reference("order 1")), "as the caller made them");
    assert_eq!(question.extensions().get(), Some(&question.id()));
    assert!(question.response_head().is_none());
    assert!(!format!("{question:?}").contains("secret"), "{question:?}");
}

#[tokio::test(start_paused = true)]
async fn not_landed_permits_a_repeat_after_the_next_wait() {
    let (layer, asked) = looking(layer(3), vec![Ok(Reconciled::NotLanded), Ok(Reconciled::NotLanded)]);
    let script = Script::new([Err(cut()), Err(cut()), ok()]);
    let response = layer.layer(script.clone()).oneshot(post()).await.expect("healed");
    assert!(response.extensions().get::<EarlierFault>().is_none(), "none of them has landed");
    // Each failure is followed by half a second's look, and then by the wait.
    assert_eq!(script.at(), [0, 1_500, 4_000]);
    assert_eq!(asked.lock().unwrap().iter().map(MayHaveLanded::attempts).collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn still_unknown_is_unknown() {
    let failing = || Err(BoxError::from("the list did not come"));
    for answer in [Ok(Reconciled::StillUnknown), failing()] {
        let (layer, _) = looking(layer(3), vec![answer]);
        let script = Script::new([Err(cut())]);
        let error = layer.layer(script.clone()).oneshot(post()).await.expect_err("unknown");
        let unknown = OutcomeUnknown::of(&*error).expect("nobody knows");
        assert_eq!((unknown.attempts(), unknown.elapsed(), script.at().len()), (1, ms(500), 1));
        assert!(wire_fault::chain(&*error).any(<dyn std::error::Error>::is::<std::io::Error>));
    }
}

/// Asked where the call would end as unknown, and nowhere else.
#[tokio::test(start_paused = true)]
async fn it_is_asked_only_where_nobody_knows() {
    for (method, answers) in [
        (Method::POST, vec![ok()]),
        (Method::POST, vec![Ok(status(400))]),
        (Method::POST, vec![Err(never_sent()), ok()]),
        (Method::POST, vec![Err(certificate())]),
        (Method::GET, vec![Err(cut()), Err(cut()), Err(cut())]),
        (Method::PUT, vec![Err(cut()), Err(cut()), ok()]),
    ] {
        let (layer, asked) = looking(layer(3), vec![]);
        let _ = layer.layer(Script::new(answers)).oneshot(request(method)).await;
        assert!(asked.lock().unwrap().is_empty());
    }
    // A PUT is repeated first; when its attempts are used up, somebody looks.
    let (layer, asked) = looking(layer(3), vec![Ok(Reconciled::NotLanded)]);
    let script = Script::new([Err(cut()), Err(never_sent()), Err(never_sent())]);
    let error = layer.layer(script.clone()).oneshot(request(Method::PUT)).await.expect_err("used up");
    assert_eq!((asked.lock().unwrap().len(), script.at().len()), (1, 3));
    assert!(OutcomeUnknown::of(&*error).is_none());
    assert_eq!(Exhausted::of(&*error).map(Exhausted::attempts), Some(3), "known, and used up");
}

#[tokio::test(start_paused = true)]
async fn a_repeat_stays_within_the_limits() {
    // Attempts.
    let (two, _) = looking(layer(2), vec![Ok(Reconciled::NotLanded), Ok(Reconciled::NotLanded)]);
    let script = Script::new([Err(cut()), Err(cut())]);
    let error = two.layer(script).oneshot(post()).await.expect_err("used up");
    assert_eq!(Exhausted::of(&*error).map(Exhausted::attempts), Some(2));

    // Budget.
    let budget = RetryBudget::new(1, 100).expect("in range").with_reserve(0..=1).expect("in range");
    let (poor, _) = looking(layer(3).with_budget(budget), vec![Ok(Reconciled::NotLanded)]);
    let error = poor.layer(Script::new([Err(cut())])).oneshot(post()).await.expect_err("no permit");
    assert_eq!(Exhausted::of(&*error).map(Exhausted::attempts), Some(1));

    // A body that passes once.
    let (once, _) = looking(layer(3), vec![Ok(Reconciled::NotLanded)]);
    let stream = post().map(Once::new);
    let error = once.layer(Script::new([Err(cut())])).oneshot(stream).await.expect_err("can't be repeated");
    assert!(error.is::<std::io::Error>(), "known, and untouched: {error:?}");

    // A failure that no repeat heals: hyper's own parse errors are such.
    let (permanent, _) = looking(layer(3), vec![Ok(Reconciled::NotLanded)]);
    let broken: BoxError = wire_fault::Mark::fault(wire_fault::Fault::new(
        wire_fault::Phase::InFlight,
        Delivery::Perhaps,
        wire_fault::Cause::Protocol,
        wire_fault::Healing::Permanent,
    ))
    .into();
    let script = Script::new([Err(broken)]);
    let error = permanent.layer(script.clone()).oneshot(post()).await.expect_err("permanent");
    assert!(error.is::<wire_fault::Mark>() && script.at().len() == 1, "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_bounds_the_look() {
    let silent = || {
        layer(3).with_reconcile(|_| {
            std::future::pending::<Result<Reconciled<Response<&'static str>>, BoxError>>()
        })
    };
    let ends = [
        (Limits::new().with_deadline(5 * S), 5_000),
        // 90 s where there is none.
        (Limits::new().without_deadline(), 90_000),
    ];
    for (limits, ends) in ends {
        let start = Instant::now();
        let script = Script::new([Err(cut())]);
        let error = silent().with_limits(limits).layer(script).oneshot(post()).await.expect_err("unknown");
        assert!(OutcomeUnknown::of(&*error).is_some());
        assert_eq!(start.elapsed().as_millis(), ends);
    }
    // The deadline has cut the attempt: no time is left to look.
    let (layer, asked) = looking(layer(3).with_limits(Limits::new().with_deadline(S)), vec![]);
    let error = layer.layer(Script::new([]).then_silent()).oneshot(post()).await.expect_err("cut");
    assert!(OutcomeUnknown::of(&*error).is_some() && asked.lock().unwrap().is_empty());
    // NotLanded in time, but too late for another wait and attempt.
    let (layer, _) = looking(
        common::layer(3).with_limits(Limits::new().with_deadline(ms(1_500))),
        vec![Ok(Reconciled::NotLanded)],
    );
    let error = layer.layer(Script::new([Err(cut())])).oneshot(post()).await.expect_err("no time");
    assert_eq!(Exhausted::of(&*error).map(|error| (error.attempts(), error.elapsed())), Some((1, ms(500))));
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_panics_has_shown_nothing() {
    fn at_once(_: MayHaveLanded) -> std::future::Ready<Result<Reconciled<Response<&'static str>>, BoxError>> {
        panic!("when asked")
    }
    let later = async |_: MayHaveLanded| -> Result<Reconciled<Response<&'static str>>, BoxError> {
        tokio::time::sleep(S).await;
        panic!("while it looks")
    };
    for layer in [layer(3).with_reconcile(at_once), layer(3).with_reconcile(later)] {
        let script = Script::new([Err(cut())]);
        let error = layer.layer(script.clone()).oneshot(post()).await.expect_err("unknown");
        assert!(OutcomeUnknown::of(&*error).is_some() && script.at().len() == 1);
    }
}

/// A service that breaks between attempts of a call that may have landed: somebody looks, and nothing is sent to it.
#[tokio::test(start_paused = true)]
async fn a_broken_service_is_not_sent_a_repeat() {
    let (layer, asked) = looking(layer(3), vec![Ok(Reconciled::NotLanded)]);
    let (transport, mut handle) = tower_test::mock::pair::<Request<String>, Response<&'static str>>();
    let mut service = layer.layer(transport);
    handle.allow(1);
    let call =
        async { tower::Service::call(service.ready().await.expect("ready"), request(Method::PUT)).await };
    let server = async {
        let (_, send) = handle.next_request().await.expect("an attempt");
        send.send_error(cut());
        handle.send_error("the transport is gone");
    };
    let (result, ()) = tokio::join!(call, server);
    let error = result.expect_err("broken");
    assert!(OutcomeUnknown::of(&*error).is_none() && Exhausted::of(&*error).is_none(), "{error:?}");
    assert_eq!(asked.lock().unwrap().len(), 1);
}
