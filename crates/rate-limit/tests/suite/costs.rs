//! Calls of several permits, several quotas at once, and permits given back, under a paused clock.

use std::task::Poll;
use std::time::Duration;

use proptest::prelude::*;
use rate_limit::{Limiter, Quota, Quotas};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, advance, sleep};
use tokio_test::{assert_pending, assert_ready_ok, task};

use crate::common::{assert_exact_costs, ms, per_second};

#[tokio::test(start_paused = true)]
async fn a_costly_call_waits_for_all_its_permits_and_nobody_overtakes_it() {
    let limiter = per_second(10);
    limiter.acquire_many(8).await.unwrap();
    advance(ms(100)).await;
    let mut costly = task::spawn(limiter.acquire_many(5));
    let mut cheap = task::spawn(limiter.acquire());
    assert_pending!(costly.poll());
    assert_pending!(cheap.poll());
    // Two are free all the time; the first wants five.
    assert_eq!(limiter.try_acquire().unwrap_err().retry_after(), ms(900));
    sleep(ms(900)).await;
    assert!(costly.is_woken() && !cheap.is_woken());
    assert_eq!(assert_ready_ok!(costly.poll()).cost(), 5);
    assert_ready_ok!(cheap.poll());
    assert_eq!(limiter.snapshot().available, 4);
}

#[tokio::test(start_paused = true)]
async fn a_cost_above_the_quota_is_refused_and_none_is_free() {
    let limiter = Limiter::new(Quota::per_second(10).unwrap().and(Quota::per_minute(6).unwrap()).unwrap());
    let refused = limiter.acquire_many(7).await.unwrap_err();
    assert!(refused.is_never());
    assert_eq!(refused.retry_after(), Duration::MAX);
    assert!(limiter.try_acquire_many(7).unwrap_err().is_never());
    limiter.acquire_many(6).await.unwrap();
    assert_eq!(limiter.acquire_many(0).await.unwrap().cost(), 0);
    limiter.acquire_many(0).await.unwrap().give_back();
    assert_eq!(limiter.snapshot().available, 0);
}

#[tokio::test(start_paused = true)]
async fn under_a_spaced_quota_a_call_is_followed_by_as_many_intervals_as_it_costs() {
    let limiter = Limiter::new(Quota::per_second(10).unwrap().spaced());
    let begun = Instant::now();
    let mut at = vec![];
    for cost in [1, 3, 1, 10, 1] {
        at.push(limiter.acquire_many(cost).await.unwrap().at() - begun);
    }
    // Before the ten, the last of the others must be a second ago.
    assert_eq!(at, [ms(0), ms(100), ms(400), ms(1400), ms(2400)]);
}

#[tokio::test(start_paused = true)]
async fn two_quotas_hold_at_once() {
    let quotas = Quota::per_second(10).unwrap().and(Quota::per_minute(60).unwrap()).unwrap();
    let limiter = Limiter::new(quotas.clone());
    let begun = Instant::now();
    let mut calls = JoinSet::new();
    for _ in 0..150 {
        calls.spawn(limiter.acquire());
    }
    let mut releases = vec![];
    while let Some(permit) = calls.join_next().await {
        releases.push((permit.unwrap().unwrap().at(), 1));
    }
    releases.sort();
    assert_exact_costs(&releases, &quotas);
    // 60 in six bursts of the first minute, then as they leave it.
    let waits: Vec<_> = releases.iter().map(|(at, _)| (*at - begun).as_secs()).collect();
    assert_eq!((waits[59], waits[60], waits[119], waits[120]), (5, 60, 65, 120));
}

#[tokio::test(start_paused = true)]
async fn a_spaced_quota_beside_a_window() {
    let quotas =
        Quotas::new([Quota::per_second(10).unwrap().spaced(), Quota::per_minute(30).unwrap()]).unwrap();
    let limiter = Limiter::new(quotas);
    let begun = Instant::now();
    let mut last = begun;
    for call in 0..60 {
        last = limiter.acquire().await.unwrap().at();
        if call == 29 {
            assert_eq!(last - begun, ms(2900));
        }
    }
    assert_eq!(last - begun, ms(62_900));
}

#[tokio::test(start_paused = true)]
async fn a_permit_given_back_was_never_taken() {
    for quota in [Quota::per_second(1).unwrap(), Quota::per_second(1).unwrap().spaced()] {
        let limiter = Limiter::new(quota);
        let permit = limiter.try_acquire().unwrap();
        let mut waiting = task::spawn(limiter.acquire());
        assert_pending!(waiting.poll());
        sleep(ms(300)).await;
        permit.give_back();
        assert!(waiting.is_woken());
        assert_ready_ok!(waiting.poll());
        assert_eq!(limiter.try_acquire().unwrap_err().retry_after(), ms(1000));
        // Dropped, it counts.
        sleep(ms(1000)).await;
        drop(limiter.try_acquire().unwrap());
        limiter.try_acquire().unwrap_err();
    }
}

#[tokio::test(start_paused = true)]
async fn a_costly_permit_is_given_back_from_the_middle_of_the_log() {
    let limiter = per_second(10);
    limiter.acquire_many(2).await.unwrap();
    advance(ms(100)).await;
    let permit = limiter.acquire_many(5).await.unwrap();
    let sibling = limiter.acquire().await.unwrap();
    advance(ms(100)).await;
    limiter.acquire_many(2).await.unwrap();
    permit.give_back();
    assert_eq!(limiter.snapshot().available, 5);
    sibling.give_back();
    assert_eq!(limiter.snapshot().available, 6);
    advance(ms(800)).await;
    assert_eq!(limiter.snapshot().available, 8);
    advance(ms(200)).await;
    assert_eq!(limiter.snapshot().available, 10);
}

fn quotas() -> impl Strategy<Value = Quotas> {
    let quota = (3u32..8, 1u64..50).prop_map(|(n, millis)| Quota::new(n, ms(millis)).unwrap());
    (prop::collection::vec(quota, 1..4), any::<bool>()).prop_map(|(mut quotas, spaced)| {
        if spaced {
            quotas[0] = quotas[0].spaced();
        }
        Quotas::new(quotas).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// All arrive one after the other and are polled the moment they are woken: each waits as long as was predicted
    /// when it arrived, the windows are exact, and the order is kept.
    #[test]
    fn costs_are_exact_in_order_and_predicted(
        quotas in quotas(),
        calls in prop::collection::vec((1u32..4, 0u64..9), 1..60),
    ) {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let limiter = Limiter::new(quotas.clone());
            let mut waiting = vec![];
            let mut releases = vec![];
            let mut next = 0;
            let mut arrivals = calls.iter();
            let mut gap = 0;
            loop {
                if gap == 0 {
                    if let Some(&(cost, then)) = arrivals.next() {
                        gap = then + 1;
                        let now = Instant::now();
                        let predicted = match limiter.try_acquire_many(cost) {
                            Ok(permit) => { permit.give_back(); Duration::ZERO }
                            Err(refused) => refused.retry_after(),
                        };
                        waiting.push((next, task::spawn(limiter.acquire_many(cost)), now, predicted));
                        next += 1;
                        // Those who arrive are polled at once.
                        let last = waiting.len() - 1;
                        if let Poll::Ready(permit) = waiting[last].1.poll() {
                            let permit = permit.unwrap();
                            assert!(predicted.is_zero());
                            releases.push((permit.at(), permit.cost()));
                            waiting.pop();
                        }
                    } else if waiting.is_empty() {
                        break;
                    }
                }
                while let Some(index) = waiting.iter().position(|call| call.1.is_woken()) {
                    let (_, call, arrived, predicted) = &mut waiting[index];
                    if let Poll::Ready(permit) = call.poll() {
                        assert_eq!(index, 0, "in order");
                        let permit = permit.unwrap();
                        // Spaced intervals are no whole milliseconds, and the timer's are.
                        let late = (permit.at() - *arrived).saturating_sub(*predicted);
                        let exact = quotas.iter().all(|quota| !quota.is_spaced());
                        assert!(!exact || late.is_zero(), "{late:?} later than predicted");
                        assert!(permit.at() - *arrived >= *predicted);
                        releases.push((permit.at(), permit.cost()));
                        drop(waiting.remove(0));
                    }
                }
                advance(ms(1)).await;
                gap = gap.saturating_sub(1);
            }
            assert_exact_costs(&releases, &quotas);
        });
    }
}
