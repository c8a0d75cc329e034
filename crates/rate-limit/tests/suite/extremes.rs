//! What a stranger would try: values at their ends, clocks far ahead, panics in every function that is not ours.

use std::convert::Infallible;
use std::time::Duration;

use rate_limit::{Deaf, KeyedLimiter, Limiter, Quota, RateLimitLayer};
use tokio::time::{Instant, advance, sleep};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, service_fn};

use crate::common::{ms, per_second};

const YEAR: Duration = Duration::from_secs(366 * 24 * 60 * 60);

fn echo() -> impl Service<u32, Response = u32, Error = Infallible, Future: Send> + Clone + use<> {
    service_fn(|request: u32| async move { Ok(request) })
}

#[tokio::test(start_paused = true)]
async fn the_largest_quota_and_the_longest_window() {
    let limiter = Limiter::new(Quota::new(1_000_000, YEAR).unwrap());
    limiter.try_acquire_many(1_000_000).unwrap();
    assert_eq!(limiter.try_acquire().unwrap_err().retry_after(), YEAR);
    assert!(limiter.try_acquire_many(u32::MAX).unwrap_err().is_never());
    let mut waiting: Vec<_> = (0..3).map(|_| task::spawn(limiter.acquire_many(1_000_000))).collect();
    for call in &mut waiting {
        assert_pending!(call.poll());
    }
    // A whole window each.
    assert_eq!(limiter.try_acquire().unwrap_err().retry_after(), YEAR * 4);
    advance(YEAR).await;
    assert_ready_ok!(waiting[0].poll());
    assert_pending!(waiting[1].poll());
}

#[tokio::test(start_paused = true)]
async fn a_clock_far_ahead() {
    for quota in [Quota::per_second(1).unwrap(), Quota::per_second(1).unwrap().spaced()] {
        let limiter = Limiter::new(quota);
        let mut waiting = task::spawn(limiter.acquire());
        let mut behind = task::spawn(limiter.acquire());
        assert_ready_ok!(waiting.poll());
        assert_pending!(behind.poll());
        // A laptop that was asleep for a century.
        advance(YEAR * 100).await;
        assert_ready_ok!(behind.poll());
        assert!(limiter.try_acquire().is_err(), "nothing is saved up");
        advance(ms(1000)).await;
        limiter.try_acquire().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn pauses_and_bounds_without_end() {
    let limiter = per_second(1).with_max_wait(Duration::MAX).with_max_queue(usize::MAX);
    limiter.try_acquire().unwrap();
    let mut waiting = task::spawn(limiter.acquire());
    assert_pending!(waiting.poll());
    limiter.pause(Duration::MAX, Duration::MAX);
    // It is cut to 366 days.
    let begun = Instant::now();
    assert_eq!(limiter.snapshot().paused_until, Some(begun + YEAR));
    advance(YEAR).await;
    assert_ready_ok!(waiting.poll());
    // Longer than calls wait for: who waits fails, and so does who comes.
    let mut waiting = task::spawn(limiter.acquire());
    assert_pending!(waiting.poll());
    limiter.pause(Duration::MAX, Duration::ZERO);
    limiter.pause(Duration::MAX, ms(1));
    assert!(waiting.is_woken());
    assert_eq!(assert_ready_err!(waiting.poll()).retry_after(), YEAR);
    assert!(limiter.acquire().await.is_err());
    sleep(ms(1000)).await;
    limiter.acquire().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_quota_made_smaller_and_smaller_under_waiters() {
    let limiter = Limiter::new(Quota::per_second(1000).unwrap());
    limiter.try_acquire_many(1000).unwrap();
    let mut waiting: Vec<_> = (1..=20).map(|cost| task::spawn(limiter.acquire_many(cost))).collect();
    for call in &mut waiting {
        assert_pending!(call.poll());
    }
    for n in [500, 15, 5, 1] {
        limiter.set_quotas(Quota::per_second(n).unwrap()).unwrap();
    }
    // Who costs one can be served still; all others are told at once that they never will be.
    for call in &mut waiting[1..] {
        assert!(call.is_woken());
        assert!(assert_ready_err!(call.poll()).is_never());
    }
    sleep(ms(1000)).await;
    assert_ready_ok!(waiting[0].poll());
    assert_eq!(limiter.snapshot().waiting, 0);
}

/// Whoever panics loses their own call, and nothing of the limiter's.
#[tokio::test(start_paused = true)]
async fn panics_of_others_cost_nobody_else_anything() {
    let limiter = per_second(1);
    let boom =
        |request: &u32| -> u32 { if *request == 13 { panic!("in the cost function") } else { *request } };
    let layer = RateLimitLayer::from(limiter.clone());
    let costly = layer.clone().with_cost(boom);
    let mut service = costly.layer(echo());
    let mut other = service.clone();
    tokio::spawn(async move { other.call(13).await.is_ok() }).await.unwrap_err();
    assert_eq!(service.call(1).await.unwrap(), 1);

    // In the listener: the call fails, its permit was used.
    let listening = layer.with_listener(|_: &u32| -> Option<Duration> { panic!("in the listener") });
    let mut listener = listening.layer(echo());
    tokio::spawn(async move { listener.call(1).await.is_ok() }).await.unwrap_err();
    let begun = Instant::now();
    assert_eq!(service.call(1).await.unwrap(), 1);
    assert_eq!(begun.elapsed(), ms(1000));

    // In the key function: no key was made.
    let keys = KeyedLimiter::<u32>::new(Quota::per_second(1).unwrap(), 1).unwrap();
    let keyed = RateLimitLayer::keyed(keys.clone(), boom).with_listener(Deaf);
    let mut keyed = keyed.layer(echo());
    let mut other = keyed.clone();
    tokio::spawn(async move { other.call(13).await.is_ok() }).await.unwrap_err();
    assert!(keys.is_empty());
    keyed.call(1).await.unwrap();
}
