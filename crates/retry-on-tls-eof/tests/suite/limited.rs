//! Over a rate limit: repeats are paced like any call, and a call that ends leaves the limiter whole wherever it stood.

use std::pin::pin;
use std::time::Duration;

use crate::common::{Answer, S, Script, at_most, cut, layer, limits, ms, never_sent, ok, request, status};
use http::Method;
use jittered_backoff::RetryBudget;
use proptest::prelude::*;
use rate_limit::{Limiter, Pauses, Quota, RateLimit, RateLimitLayer, RateLimited};
use retry_on_tls_eof::{AttemptTimeoutLayer, Exhausted, OutcomeUnknown};
use tower::{Layer, ServiceBuilder, ServiceExt};
use wire_fault::{Delivery, Verdict};

/// One call in five seconds: longer than the backoff's first waits.
fn slow() -> RateLimitLayer {
    RateLimitLayer::new(Quota::new(1, 5 * S).expect("in range"))
}

fn answers() -> [Answer; 4] {
    [Err(never_sent()), Ok(status(503)), Err(cut()), ok()]
}

/// The wait for the repeat and the wait for its turn go on at once.
#[tokio::test(start_paused = true)]
async fn a_repeat_waits_for_its_turn() {
    let script = Script::new(answers());
    let service = ServiceBuilder::new().layer(layer(4)).layer(slow()).service(script.clone());
    service.oneshot(request(Method::GET)).await.expect("healed");
    assert_eq!(script.at(), [0, 5_000, 10_000, 15_000]);
}

/// Both hear what the server asks for, and it is waited for once.
#[tokio::test(start_paused = true)]
async fn a_pause_is_not_waited_for_twice() {
    let mut busy = status(429);
    busy.headers_mut().insert("retry-after", "7".parse().expect("a header"));
    let script = Script::new([Ok(busy), ok()]);
    let paced =
        RateLimitLayer::new(Quota::per_second(10).expect("in range")).with_listener(Pauses::default());
    let service = ServiceBuilder::new().layer(layer(2)).layer(paced).service(script.clone());
    service.oneshot(request(Method::GET)).await.expect("healed");
    assert_eq!(script.at(), [0, 7_000]);
}

/// Refused at a bound it was never sent, and is not sent again: the limiter knows how long it would take. Only what may have
/// landed before stays unknown.
#[tokio::test(start_paused = true)]
async fn a_limits_refusal_is_the_end() {
    let budget = RetryBudget::new(1, 100).expect("in range").with_reserve(5..=5).expect("in range");
    let bounded = || Limiter::new(Quota::new(1, 5 * S).expect("in range")).with_max_wait(S);
    for (method, first) in
        [(Method::POST, None), (Method::POST, Some(never_sent())), (Method::PUT, Some(cut()))]
    {
        let unknown = method == Method::PUT;
        let limiter = bounded();
        let before = budget.permits();
        let repeated = u32::from(first.is_some());
        if first.is_none() {
            limiter.acquire().await.expect("the one permit");
        }
        let script = Script::new(first.map(Err));
        let paced = RateLimit::new(script, limiter.clone());
        let result = layer(4).with_budget(budget.clone()).layer(paced).oneshot(request(method)).await;
        let error = result.expect_err("it would wait too long");
        assert_eq!(OutcomeUnknown::of(&*error).is_some(), unknown, "{error:?}");
        assert_eq!(error.is::<RateLimited>(), !unknown);
        let verdict = if unknown { Verdict::OutcomeUnknown } else { Verdict::RefusedLocally };
        assert_eq!(Verdict::of(&*error), Some(verdict));
        // The repeat was handed to the limiter: that pays for it.
        assert_eq!((budget.permits(), limiter.snapshot().waiting), (before - repeated, 0));
    }
}

/// Dropped after each number of polls: nobody waits in its place, and the limiter has given the permits of the attempts that
/// were sent and no other.
#[tokio::test(start_paused = true)]
async fn dropped_at_any_point_it_leaves_the_limiter_whole() {
    let mut seen = Vec::new();
    for polls in 0.. {
        let script = Script::timed(answers().map(|answer| (ms(10), answer)));
        let paced = slow();
        let limiter = paced.limiter().clone();
        let timed = AttemptTimeoutLayer::new(S).expect("in range");
        let service = ServiceBuilder::new().layer(layer(4)).layer(paced).layer(timed).service(script.clone());
        let result = at_most(polls, service.oneshot(request(Method::GET))).await;
        let sent = script.at();
        assert_eq!(script.under_way(), 0, "after {polls} polls");
        assert_eq!(limiter.snapshot().waiting, 0, "after {polls} polls");
        // The next caller has its turn when it would have had it without the repeat that was not sent.
        limiter.acquire().await.expect("unbounded");
        let next = script.elapsed().as_millis();
        let due = sent.last().map_or(0, |last| last + 5_000);
        assert_eq!(next, due, "after {polls} polls, sent at {sent:?}");
        if let Some(result) = result {
            result.expect("healed");
            break;
        }
        seen.push(sent.len());
    }
    seen.dedup();
    assert_eq!(seen, [0, 1, 2, 3, 4]);
}

/// Cut by its deadline in the limiter's queue: provably unsent, and nobody waits in its place.
#[tokio::test(start_paused = true)]
async fn cut_in_the_queue_it_leaves_it() {
    for deadline in [ms(1_001), ms(3_000), ms(5_000), ms(5_001)] {
        let script = Script::new([Err(never_sent())]).then_silent();
        let paced = slow();
        let limiter = paced.limiter().clone();
        let ending = layer(4).with_limits(limits(4).with_deadline(deadline)).over_attempt_timeout();
        let timed = AttemptTimeoutLayer::new(10 * S).expect("in range");
        let service = ServiceBuilder::new().layer(ending).layer(paced).layer(timed).service(script.clone());
        let mut call = pin!(service.oneshot(request(Method::POST)));
        let error = call.as_mut().await.expect_err("cut");
        assert_eq!(script.elapsed(), deadline);
        // The second attempt's turn comes at 5 s.
        let sent = deadline > 5 * S;
        assert_eq!((script.at().len(), OutcomeUnknown::of(&*error).is_some()), (1 + usize::from(sent), sent));
        if !sent {
            let exhausted = Exhausted::of(&*error).expect("never sent");
            assert_eq!((exhausted.attempts(), exhausted.fault().delivery), (1, Delivery::NeverSent));
        }
        // Also if the caller keeps the future.
        assert_eq!(limiter.snapshot().waiting, 0);
    }
}

/// What comes of an attempt that is sent, and when.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Comes {
    NeverSent,
    Cut,
    Answer,
    Nothing,
}

/// A POST over a limiter and a time limit for each attempt, between deadlines and timers that all ring at their own time: what
/// was released to the client, and not known in time to have been in vain, is an unknown outcome, and nothing else is.
async fn post(quota: Duration, limit: Duration, deadline: Duration, taken: bool, comes: [(u64, Comes); 6]) {
    let steps = comes.map(|(takes, comes)| match comes {
        Comes::NeverSent => (ms(takes), Err(never_sent())),
        Comes::Cut => (ms(takes), Err(cut())),
        Comes::Answer => (ms(takes), ok()),
        Comes::Nothing => (3_600 * S, ok()),
    });
    let script = Script::timed(steps);
    let paced = RateLimitLayer::new(Quota::new(1, quota).expect("in range"));
    let limiter = paced.limiter().clone();
    if taken {
        limiter.acquire().await.expect("unbounded");
    }
    let service = ServiceBuilder::new()
        .layer(layer(6).with_limits(limits(6).with_deadline(deadline)).over_attempt_timeout())
        .layer(paced)
        .layer(AttemptTimeoutLayer::new(limit).expect("in range"))
        .service(script.clone());
    let result = service.oneshot(request(Method::POST)).await;
    assert!(script.elapsed() <= deadline, "the time limit needs no grace");
    assert_eq!((script.under_way(), limiter.snapshot().waiting), (0, 0));

    let sent = script.at();
    let ended = |n: usize| {
        let (takes, comes) = comes[n];
        let until = (sent[n] + limit.as_millis()).min(deadline.as_millis());
        Some(comes).filter(|_| comes != Comes::Nothing && sent[n] + u128::from(takes) <= until)
    };
    let (last, before) = match sent.len() {
        0 => (Some(Comes::NeverSent), 0),
        sent => (ended(sent - 1), sent - 1),
    };
    assert!(
        (0..before).all(|n| ended(n) == Some(Comes::NeverSent)),
        "repeated what may have landed: {sent:?}"
    );
    match result {
        Ok(_) => assert_eq!(last, Some(Comes::Answer)),
        Err(error) => {
            let unknown = OutcomeUnknown::of(&*error).is_some();
            assert_eq!(unknown, last != Some(Comes::NeverSent), "sent at {sent:?}: {error:?}");
            assert_eq!(Exhausted::of(&*error).is_some(), !unknown);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_released_and_no_more_may_have_landed(
        (quota, limit, deadline) in (1..6_000u64, 1..4_000u64, 1..20_000u64),
        taken in any::<bool>(),
        comes in prop::array::uniform6((0..4_500u64, prop_oneof![
            6 => Just(Comes::NeverSent),
            1 => Just(Comes::Cut),
            1 => Just(Comes::Answer),
            1 => Just(Comes::Nothing),
        ])),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(post(ms(quota), ms(limit), ms(deadline), taken, comes));
    }
}
