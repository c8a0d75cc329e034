//! The layer over a service that makes it wait: readiness, permits, dropped calls.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jittered_backoff::{Backoff, BackoffLayer, BackoffPolicy, Decide, Decision, Jitter};
use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::limit::ConcurrencyLimitLayer;
use tower::retry::Retry;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_test::assert_request_eq;
use tower_test::mock::{self, Handle, Mock, Spawn};

/// Errors are repeated, answers are not.
#[derive(Clone)]
struct Errors;

impl<Req, Res, E> Decide<Req, Res, E> for Errors {
    fn decide(&self, _: &Req, result: Result<&Res, &E>, _: u32) -> Decision {
        result.map_or(Decision::Retry, |_| Decision::Done)
    }
}

type Retrying = Spawn<Retry<BackoffPolicy<Errors>, Mock<&'static str, &'static str>>>;

/// Waits of exactly a second.
fn layer() -> BackoffLayer<Errors> {
    let second = Duration::from_secs(1);
    BackoffLayer::new(Backoff::exponential(second..=second).unwrap().with_jitter(Jitter::None), Errors)
}

fn mocked() -> (Retrying, Handle<&'static str, &'static str>) {
    mock::spawn_layer(layer())
}

async fn advance(millis: u64) {
    tokio::time::advance(Duration::from_millis(millis)).await;
}

#[tokio::test(start_paused = true)]
async fn the_wait_ends_on_the_millisecond() {
    let (mut service, mut handle) = mocked();
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call("request"));
    assert_pending!(call.poll());
    assert_request_eq!(handle, "request").send_error("cut");
    assert_pending!(call.poll());

    advance(999).await;
    assert!(!call.is_woken());
    assert_pending!(call.poll());
    assert_pending!(handle.poll_request());

    advance(1).await;
    assert!(call.is_woken());
    assert_pending!(call.poll());
    assert_request_eq!(handle, "request").send_response("answer");
    assert_eq!(assert_ready_ok!(call.poll()), "answer");
}

#[tokio::test(start_paused = true)]
async fn readiness_is_awaited_before_each_attempt() {
    let (mut service, mut handle) = mocked();
    handle.allow(0);
    assert_pending!(service.poll_ready());
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call("request"));
    assert_pending!(call.poll());
    assert_request_eq!(handle, "request").send_error("cut");
    assert_pending!(call.poll());

    // The wait is over; the service is not ready yet.
    advance(1_000).await;
    assert_pending!(call.poll());
    assert_pending!(handle.poll_request());

    handle.allow(1);
    assert!(call.is_woken());
    assert_pending!(call.poll());
    assert_request_eq!(handle, "request").send_response("answer");
    assert_eq!(assert_ready_ok!(call.poll()), "answer");
}

/// A service that fails to become ready ends the call with its error.
#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_is_handed_on() {
    let (mut service, mut handle) = mocked();
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call("request"));
    assert_pending!(call.poll());
    assert_request_eq!(handle, "request").send_error("cut");
    assert_pending!(call.poll());
    advance(1_000).await;
    handle.send_error("closed for good");
    assert_eq!(assert_ready_err!(call.poll()).to_string(), "closed for good");
}

/// A clone is never ready: only what was polled ready is called, and a clone asks for itself.
#[tokio::test(start_paused = true)]
async fn a_clone_is_not_ready() {
    let (mut service, mut handle) = mocked();
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    let mut clone = service.clone();
    let _call = service.call("first");
    assert_request_eq!(handle, "first").send_response("answer");
    assert_pending!(clone.poll_ready());
}

/// Dropped in the midst of a wait, a call leaves no attempt, no timer, and no trace in other calls.
#[tokio::test(start_paused = true)]
async fn a_call_dropped_while_it_waits_is_gone() {
    let (mut service, mut handle) = mocked();
    let mut calls = Vec::new();
    for name in ["dropped", "kept"] {
        assert_ready_ok!(service.poll_ready());
        let mut call = task::spawn(service.call(name));
        assert_pending!(call.poll());
        assert_request_eq!(handle, name).send_error("cut");
        assert_pending!(call.poll());
        calls.push(call);
    }
    advance(500).await;
    drop(calls.remove(0));
    advance(500).await;

    let mut kept = calls.remove(0);
    assert_pending!(kept.poll());
    assert_request_eq!(handle, "kept").send_response("answer");
    assert_pending!(handle.poll_request());
    assert_eq!(assert_ready_ok!(kept.poll()), "answer");

    // The service goes on with sessions that have all their attempts.
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call("next"));
    for attempt in 1..=3 {
        assert_pending!(call.poll(), "attempt {attempt}");
        assert_request_eq!(handle, "next").send_error(format!("cut {attempt}"));
        if attempt < 3 {
            assert_pending!(call.poll());
            advance(1_000).await;
        }
    }
    assert_eq!(assert_ready_err!(call.poll()).to_string(), "cut 3");
}

/// Dropping a call drops all it held: service, policy and the copy of the request.
#[tokio::test(start_paused = true)]
async fn a_dropped_call_holds_nothing() {
    #[derive(Clone)]
    struct Held(#[expect(dead_code, reason = "counted only")] Arc<()>);
    impl jittered_backoff::Replay for Held {
        fn replay(&self) -> Option<Self> {
            Some(self.clone())
        }
    }

    let held = Arc::new(());
    let inner = service_fn({
        let held = held.clone();
        move |_: Held| {
            let _ = &held;
            std::future::ready(Err::<(), _>("cut"))
        }
    });
    let mut service = layer().layer(inner);
    let before = Arc::strong_count(&held);
    let mut call = task::spawn(service.ready().await.unwrap().call(Held(held.clone())));
    assert_pending!(call.poll());
    assert!(Arc::strong_count(&held) > before);
    drop(call);
    assert_eq!(Arc::strong_count(&held), before);
}

/// A call that waits holds no permit of the services below: others pass meanwhile, and it can't wait for itself.
#[tokio::test(start_paused = true)]
async fn a_waiting_call_holds_no_permit() {
    let inner = service_fn(|request: &'static str| async move {
        tokio::time::sleep(Duration::from_millis(10)).await;
        if request == "fails" { Err(BoxError::from("cut")) } else { Ok(request) }
    });
    let service = ServiceBuilder::new().layer(layer()).layer(ConcurrencyLimitLayer::new(1)).service(inner);
    let start = Instant::now();
    let fails = service.clone().oneshot("fails");
    let passes = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let answer = service.clone().oneshot("passes").await.unwrap();
        (answer, start.elapsed().as_millis())
    };
    let (failed, passed) = tokio::join!(fails, passes);
    assert_eq!(failed.unwrap_err().to_string(), "cut");
    assert_eq!(passed, ("passes", 30));
    assert_eq!(start.elapsed().as_millis(), 2_030);
}

/// A panic of the inner service or of the decision stays in its call.
#[tokio::test(start_paused = true)]
async fn a_panic_leaves_the_service_usable() {
    let decide = |request: &&'static str, result: Result<&(), &&'static str>| match (*request, result) {
        ("panics", _) => panic!("in the decision"),
        (_, Ok(())) => Decision::Done,
        (_, Err(_)) => Decision::Retry,
    };
    let second = Duration::from_secs(1);
    let service = BackoffLayer::new(Backoff::exponential(second..=second).unwrap(), decide)
        .layer(service_fn(|_: &'static str| std::future::ready(Err::<(), _>("cut"))));
    let panicked = tokio::spawn(service.clone().oneshot("panics")).await.unwrap_err();
    assert!(panicked.is_panic());

    let start = Instant::now();
    assert_eq!(service.oneshot("request").await, Err("cut"));
    assert_eq!(start.elapsed(), Duration::from_secs(2), "both waits of a fresh session");
}

/// Nothing is boxed and nothing borrowed: the future can be polled from any task.
#[tokio::test(start_paused = true)]
async fn the_future_moves_between_tasks() {
    fn assert_send<T: Send + 'static>(future: T) -> T {
        future
    }
    let (mut service, mut handle) = mocked();
    assert_ready_ok!(service.poll_ready());
    let mut call = Box::pin(assert_send(service.call("request")));
    assert_pending!(task::spawn(()).enter(|cx, _| call.as_mut().poll(cx)));
    assert_request_eq!(handle, "request").send_error("cut");
    assert_pending!(task::spawn(()).enter(|cx, _| call.as_mut().poll(cx)));

    let call = tokio::spawn(call);
    assert_request_eq!(handle, "request").send_response("answer");
    assert_eq!(call.await.unwrap().unwrap(), "answer");
    assert_ready!(service.poll_ready()).unwrap();
}
