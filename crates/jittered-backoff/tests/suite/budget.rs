//! The budget: exact balances, shared by clones, whole after what is dropped.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jittered_backoff::{
    Backoff, BackoffLayer, Decision, InvalidBudget, Jitter, Limits, Replay, RetryBudget, RetryPermit,
    Untouched,
};
use proptest::prelude::*;
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::retry::budget::Budget;
use tower::{Layer, ServiceExt, service_fn};
use tower_test::assert_request_eq;
use tower_test::mock;

fn budget(repeats: u32, calls: u32, start: u32, cap: u32) -> RetryBudget {
    RetryBudget::new(repeats, calls).unwrap().with_reserve(start..=cap).unwrap()
}

fn drain(budget: &RetryBudget) -> u32 {
    std::iter::from_fn(|| budget.take().map(RetryPermit::spend)).count() as u32
}

#[test]
fn what_is_out_of_range_is_refused_by_name() {
    for (repeats, calls) in
        [(0, 0), (0, 100), (1, 0), (1, 1), (100, 100), (2, 1), (1, 1_000_001), (u32::MAX, u32::MAX)]
    {
        let refused: InvalidBudget = RetryBudget::new(repeats, calls).unwrap_err();
        let text = refused.to_string();
        assert!(text.contains(&format!("{repeats} repeats for {calls} calls")), "{text}");
        assert!(text.contains("from 2 to 1000000"), "{text}");
    }
    for (start, cap) in [(0, 0), (2, 1), (0, 1_000_001)] {
        let text = RetryBudget::new(1, 2).unwrap().with_reserve(start..=cap).unwrap_err().to_string();
        assert!(text.contains(&format!("{start}..={cap}")) && text.contains("from 1 to 1000000"), "{text}");
    }
    for (repeats, calls) in [(1, 2), (1, 1_000_000), (999_999, 1_000_000)] {
        RetryBudget::new(repeats, calls).unwrap().with_reserve(0..=1_000_000).unwrap();
    }
}

#[test]
fn one_percent_is_one_in_a_hundred_after_the_reserve() {
    let budget = budget(1, 100, 3, 10);
    assert_eq!(drain(&budget), 3);
    // A float of 0.01 would drift here, and a truncated reciprocal give 1 in 99.
    for repeat in 0..1_000 {
        for call in 1..=100 {
            assert!(budget.take().is_none(), "repeat {repeat}, call {call}");
            budget.earn();
        }
        assert_eq!(drain(&budget), 1, "repeat {repeat}");
    }
}

#[test]
fn odd_shares_are_exact_too() {
    let budget = budget(3, 7, 0, 1_000);
    for _ in 0..7 * 50 {
        budget.earn();
    }
    assert_eq!(drain(&budget), 150);
    // 3/7 + 3/7 + 3/7 is one permit and two parts of seven, which are kept.
    for expected in [0, 0, 1, 0, 1, 0, 1, 0, 0, 1] {
        budget.earn();
        assert_eq!(drain(&budget), expected);
    }
}

#[test]
fn the_cap_holds_and_the_reserve_is_where_it_starts() {
    let budget = budget(1, 2, 1, 2);
    for expected in [1, 1, 2, 2, 2] {
        assert_eq!(budget.permits(), expected);
        budget.earn();
    }
    assert_eq!(drain(&budget), 2);
    assert_eq!(RetryBudget::default().permits(), 10);
    assert_eq!(RetryBudget::new(1, 100).unwrap().permits(), 10);
}

#[test]
fn a_permit_that_is_dropped_goes_back() {
    let budget = budget(1, 100, 2, 2);
    let (one, two) = (budget.take().unwrap(), budget.take().unwrap());
    assert!(budget.take().is_none());
    drop(one);
    assert_eq!(budget.permits(), 1);
    two.spend();
    assert_eq!(budget.permits(), 1);
    // What came in meanwhile never lifts it above the cap.
    let held = budget.take().unwrap();
    for _ in 0..200 {
        budget.earn();
    }
    assert_eq!(budget.permits(), 2);
    drop(held);
    assert_eq!(budget.permits(), 2);
}

#[test]
fn a_tower_budget() {
    fn through(budget: &impl Budget) -> (bool, bool) {
        let first = budget.withdraw();
        budget.deposit();
        budget.deposit();
        (first, budget.withdraw())
    }
    let budget = budget(1, 2, 0, 1);
    assert_eq!(through(&budget), (false, true));
    assert_eq!(budget.permits(), 0, "withdrawn is spent");
}

/// Threads that take, earn and give back at once: no permit is made or lost.
#[test]
fn shared_by_clones_over_threads() {
    let budget = budget(1, 4, 0, 1_000_000);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let budget = budget.clone();
            scope.spawn(move || {
                for n in 0..10_000 {
                    budget.earn();
                    if n % 3 == 0 {
                        drop(budget.take());
                    }
                }
            });
        }
    });
    assert_eq!(drain(&budget), 10_000);
}

proptest! {
    /// Against a model in fractions: the balance is exact after any sequence.
    #[test]
    fn as_reckoned_by_hand(
        calls in 2_u32..1_000,
        share in 1_u32..1_000,
        start in 0_u32..5,
        room in 0_u32..5,
        steps in prop::collection::vec(any::<bool>(), 0..400),
    ) {
        let repeats = share % (calls - 1) + 1;
        prop_assume!(repeats < calls);
        let cap = (start + room).max(1);
        let budget = budget(repeats, calls, start, cap);
        let (price, most) = (u64::from(calls), u64::from(cap) * u64::from(calls));
        let mut model = u64::from(start) * price;
        for earns in steps {
            if earns {
                budget.earn();
                model = (model + u64::from(repeats)).min(most);
            } else {
                let permit = budget.take();
                prop_assert_eq!(permit.is_some(), model >= price);
                if let Some(permit) = permit {
                    permit.spend();
                    model -= price;
                }
            }
            prop_assert_eq!(u64::from(budget.permits()), model / price);
        }
    }
}

/// Errors are repeated after exactly a second; a thousand attempts each.
fn layer(
    budget: &RetryBudget,
) -> BackoffLayer<impl Fn(&&'static str, Result<&&'static str, &tower::BoxError>) -> Decision + Clone> {
    let second = Duration::from_secs(1);
    let decide = |_: &&'static str, result: Result<&&'static str, &tower::BoxError>| {
        result.map_or(Decision::Retry, |_| Decision::Done)
    };
    BackoffLayer::new(Backoff::exponential(second..=second).unwrap().with_jitter(Jitter::None), decide)
        .with_limits(Limits::new().with_attempts(1_000).unwrap().without_deadline())
        .with_budget(budget.clone())
}

#[tokio::test(start_paused = true)]
async fn each_attempt_through_the_layer_leaves_what_it_should() {
    let budget = budget(1, 4, 2, 5);
    let (mut service, mut handle) = mock::spawn_layer(layer(&budget));
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call("fails"));
    assert_pending!(call.poll());
    assert_eq!(budget.permits(), 2, "and a quarter, earned");
    for left in [1, 0] {
        assert_request_eq!(handle, "fails").send_error("cut");
        assert_pending!(call.poll());
        assert_eq!(budget.permits(), left, "held while it waits");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_pending!(call.poll());
        assert_eq!(budget.permits(), left, "spent with the attempt");
    }
    assert_request_eq!(handle, "fails").send_error("the last one");
    assert_eq!(assert_ready_err!(call.poll()).to_string(), "the last one", "at once, and untouched");

    // Three more calls, and the next quarter makes a permit.
    for expected in [0, 0, 1] {
        assert_ready_ok!(service.poll_ready());
        let mut call = task::spawn(service.call("passes"));
        assert_request_eq!(handle, "passes").send_response("ok");
        assert_ready_ok!(call.poll());
        assert_eq!(budget.permits(), expected);
    }
}

/// Dropped while it waits, and while it awaits readiness: in both cases no repeat was sent, and none is paid for.
#[tokio::test(start_paused = true)]
async fn a_dropped_call_leaves_the_budget_whole() {
    let budget = budget(1, 1_000_000, 1, 1);
    let (mut service, mut handle) = mock::spawn_layer(layer(&budget));
    for waits in [0, 1] {
        handle.allow(1);
        assert_ready_ok!(service.poll_ready());
        let mut call = task::spawn(service.call("dropped"));
        assert_request_eq!(handle, "dropped").send_error("cut");
        handle.allow(0);
        assert_pending!(call.poll());
        assert_eq!(budget.permits(), 0);
        tokio::time::advance(Duration::from_secs(waits)).await;
        assert_pending!(call.poll());
        assert_eq!(budget.permits(), 0);
        drop(call);
        assert_eq!(budget.permits(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_used_up_is_not_repeated() {
    #[derive(Debug)]
    struct Stream(Untouched<String>);
    impl Replay for Stream {
        fn replay(&self) -> Option<Self> {
            self.0.replay().map(Self)
        }
        fn is_whole(&self) -> bool {
            self.0.is_whole()
        }
    }
    // Fails before it touches the stream, and then after it has.
    let made = Arc::new(Mutex::new(0));
    let inner = service_fn({
        let made = made.clone();
        move |stream: Stream| {
            let touches = {
                let mut made = made.lock().unwrap();
                *made += 1;
                *made == 3
            };
            async move {
                if touches {
                    http_body_util::BodyExt::frame(&mut Box::pin(stream.0)).await.unwrap().unwrap();
                }
                Err::<(), _>("cut")
            }
        }
    });
    let second = Duration::from_secs(1);
    let decide = |_: &Stream, _: Result<&(), &&str>| Decision::Retry;
    let layer = BackoffLayer::new(Backoff::exponential(second..=second).unwrap(), decide)
        .with_limits(Limits::new().with_attempts(9).unwrap());
    let upload = Stream(Untouched::new("stream".to_owned()));
    layer.layer(inner).oneshot(upload).await.unwrap_err();
    assert_eq!(*made.lock().unwrap(), 3);
}
