//! The limiter by itself, under a paused clock.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rate_limit::{Limiter, Quota};
use tokio::task::JoinSet;
use tokio::time::{Instant, advance, sleep, timeout};
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task};
use wire_fault::{Delivery, Fault, Verdict};

use crate::common::{Counted, Rng, assert_exact, ms, per_second};

#[tokio::test(start_paused = true)]
async fn a_burst_then_a_window_then_a_burst() {
    let limiter = per_second(10);
    let begun = Instant::now();
    let mut waits = Vec::new();
    for _ in 0..25 {
        waits.push(limiter.acquire().await.unwrap().at() - begun);
    }
    assert!(waits[..10].iter().all(Duration::is_zero));
    assert!(waits[10..20].iter().all(|wait| *wait == ms(1000)));
    assert!(waits[20..].iter().all(|wait| *wait == ms(2000)));
    // After a pause, the burst is back, whole.
    sleep(ms(1000)).await;
    assert_eq!(limiter.snapshot().available, 10);
}

#[tokio::test(start_paused = true)]
async fn the_window_is_half_open_to_the_nanosecond() {
    let limiter = per_second(1);
    limiter.try_acquire().unwrap();
    advance(Duration::from_nanos(999_999_999)).await;
    assert_eq!(limiter.try_acquire().unwrap_err().retry_after(), Duration::from_nanos(1));
    advance(Duration::from_nanos(1)).await;
    limiter.try_acquire().unwrap();
}

#[tokio::test(start_paused = true)]
async fn spaced_releases_are_an_interval_apart_rounded_up() {
    // 333,333,333.3 ns: a third of a second, rounded up.
    let quota = Quota::per_second(3).unwrap().spaced();
    let limiter = Limiter::new(quota);
    sleep(ms(5000)).await;
    limiter.try_acquire().unwrap();
    let first = Instant::now();
    assert_eq!(limiter.snapshot().next_slot, first + Duration::from_nanos(333_333_334));
    advance(Duration::from_nanos(333_333_333)).await;
    assert_eq!(limiter.try_acquire().unwrap_err().retry_after(), Duration::from_nanos(1));
    advance(Duration::from_nanos(1)).await;
    limiter.try_acquire().unwrap();

    let mut releases = vec![];
    for _ in 0..100 {
        releases.push(limiter.acquire().await.unwrap().at());
    }
    assert_exact(&releases, quota);
    // Each wait ends at the timer's next millisecond.
    assert_eq!(releases[99] - releases[0], ms(334) * 99);
}

#[tokio::test(start_paused = true)]
async fn a_guard_lengthens_the_window() {
    let limiter = Limiter::new(Quota::per_second(10).unwrap().with_guard(ms(50)).unwrap());
    let begun = Instant::now();
    for _ in 0..11 {
        limiter.acquire().await.unwrap();
    }
    assert_eq!(begun.elapsed(), ms(1050));
}

/// 10,000 grants, random arrivals and drops: exact in every window, and in order of arrival.
async fn scan(quota: Quota, grants: usize, seed: u64) {
    let limiter = Limiter::new(quota);
    let arrivals = Arc::new(AtomicUsize::new(0));
    let granted = Arc::new(Mutex::new(Vec::<(usize, Instant)>::new()));
    let mut rng = Rng(seed);
    let mut tasks = JoinSet::new();
    let mut dropped = 0;
    while granted.lock().unwrap().len() < grants {
        // Around the quota's rate, in fits: sometimes nobody waits, sometimes hundreds do.
        let burst = rng.below(u64::from(quota.n()) * 2) + 1;
        for _ in 0..burst {
            let patience = match rng.below(10) {
                0..3 => Duration::from_micros(rng.below(quota.window().as_micros() as u64 * 2)),
                _ => Duration::from_secs(3600),
            };
            let (limiter, arrivals, granted) = (limiter.clone(), Arc::clone(&arrivals), Arc::clone(&granted));
            tasks.spawn(async move {
                let number = arrivals.fetch_add(1, Ordering::Relaxed);
                match timeout(patience, limiter.acquire()).await {
                    Ok(permit) => granted.lock().unwrap().push((number, permit.unwrap().at())),
                    Err(_) => return true,
                }
                false
            });
        }
        sleep(Duration::from_micros(rng.below(quota.window().as_micros() as u64 * 2))).await;
        while let Some(done) = tasks.try_join_next() {
            dropped += usize::from(done.unwrap());
        }
    }
    while let Some(done) = tasks.join_next().await {
        dropped += usize::from(done.unwrap());
    }
    let granted = granted.lock().unwrap();
    let releases: Vec<_> = granted.iter().map(|(_, at)| *at).collect();
    assert_exact(&releases, quota);
    assert!(granted.is_sorted_by_key(|(number, _)| *number), "granted in order of arrival");
    assert!(dropped > grants / 100, "{dropped} dropped: the schedule is too tame");
    assert_eq!(granted.len() + dropped, arrivals.load(Ordering::Relaxed), "everybody else was served");
    assert_eq!(limiter.snapshot().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_grants_are_exact_and_in_order() {
    for (seed, n) in [(1, 10), (2, 100), (3, 7)] {
        scan(Quota::per_second(n).unwrap(), 10_000, seed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_spaced_grants_are_exact_and_in_order() {
    scan(Quota::per_second(60).unwrap().spaced(), 10_000, 4).await;
}

#[tokio::test(start_paused = true)]
async fn two_polls_per_permit() {
    for quota in [Quota::per_second(10).unwrap(), Quota::per_second(10).unwrap().spaced()] {
        let limiter = Limiter::new(quota);
        let polls = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..1000 {
            tasks.spawn(Counted { future: Box::pin(limiter.acquire()), polls: Arc::clone(&polls) });
        }
        let begun = Instant::now();
        while let Some(done) = tasks.join_next().await {
            done.unwrap().unwrap();
        }
        let polls = polls.load(Ordering::Relaxed);
        assert!(polls <= 2000, "{polls} polls for 1000 permits");
        let wanted = if quota.is_spaced() { ms(99_900) } else { ms(99_000) };
        assert!(begun.elapsed() >= wanted && begun.elapsed() < wanted + ms(110), "{:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_head_leaves_its_permit_to_the_next() {
    let limiter = per_second(1);
    limiter.try_acquire().unwrap();
    let mut head = task::spawn(limiter.acquire());
    let mut next = task::spawn(limiter.acquire());
    assert_pending!(head.poll());
    assert_pending!(next.poll());

    // Before its turn: nothing happens yet.
    drop(head);
    assert!(!next.is_woken());
    assert_eq!(limiter.snapshot().waiting, 1);
    sleep(ms(1000)).await;
    assert!(next.is_woken());
    assert_ready_ok!(next.poll());
}

#[tokio::test(start_paused = true)]
async fn a_woken_waiter_that_is_dropped_leaves_its_permit_to_the_next() {
    for quota in [Quota::per_second(1).unwrap(), Quota::per_second(1).unwrap().spaced()] {
        let limiter = Limiter::new(quota);
        limiter.try_acquire().unwrap();
        let mut head = task::spawn(limiter.acquire());
        let mut next = task::spawn(limiter.acquire());
        assert_pending!(head.poll());
        assert_pending!(next.poll());
        sleep(ms(1000)).await;
        assert!(head.is_woken() && !next.is_woken());
        // In the drop itself, with no timer.
        drop(head);
        assert!(next.is_woken());
        assert_ready_ok!(next.poll());
        assert_eq!(limiter.snapshot().waiting, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn half_of_the_waiters_dropped_costs_no_permit() {
    let limiter = per_second(100);
    let mut kept = JoinSet::new();
    let mut dropped = JoinSet::new();
    for i in 0..2000 {
        if i % 2 == 0 { &mut kept } else { &mut dropped }.spawn(limiter.acquire());
    }
    let begun = Instant::now();
    sleep(ms(500)).await;
    dropped.abort_all();
    // 50 of each were served at once; 950 remain, at 100 per second.
    while let Some(done) = kept.join_next().await {
        done.unwrap().unwrap();
    }
    assert!(begun.elapsed() >= ms(10_000) && begun.elapsed() < ms(10_010), "{:?}", begun.elapsed());
    // And newcomers find all that the quota has.
    sleep(ms(1000)).await;
    assert_eq!(limiter.snapshot().available, 100);
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_does_not_overtake_a_woken_waiter() {
    let limiter = per_second(2);
    limiter.try_acquire().unwrap();
    limiter.try_acquire().unwrap();
    let mut head = task::spawn(limiter.acquire());
    assert_pending!(head.poll());
    sleep(ms(1000)).await;
    assert!(head.is_woken());
    // There are two permits and one waiter; the newcomer still comes second, though without delay.
    let mut newcomer = task::spawn(limiter.acquire());
    assert_pending!(newcomer.poll());
    assert!(!newcomer.is_woken());
    let first = assert_ready_ok!(head.poll());
    assert!(newcomer.is_woken());
    let second = assert_ready_ok!(newcomer.poll());
    assert!(first.at() <= second.at());
}

#[tokio::test(start_paused = true)]
async fn a_parked_head_delays_the_others_by_one_interval() {
    let begun = Instant::now();
    let limiter = Limiter::new(Quota::per_second(10).unwrap().spaced());
    limiter.try_acquire().unwrap();
    let mut parked = task::spawn(limiter.acquire());
    assert_pending!(parked.poll());
    let mut others = JoinSet::new();
    for _ in 0..5 {
        others.spawn(limiter.acquire());
    }
    let mut at = vec![];
    while let Some(done) = others.join_next().await {
        at.push(done.unwrap().unwrap().at() - begun);
    }
    // Without it, at 100, 200, … ms; it was woken at 100 ms and passed over at 200.
    assert_eq!(at, [ms(200), ms(300), ms(400), ms(500), ms(600)]);
    assert_eq!(limiter.snapshot().waiting, 1);

    // Polled again, with others behind it, it is the first in the line.
    assert!(parked.is_woken());
    assert_pending!(parked.poll());
    let mut behind = task::spawn(limiter.acquire());
    assert_pending!(behind.poll());
    sleep(ms(100)).await;
    assert!(parked.is_woken() && !behind.is_woken());
    assert_ready_ok!(parked.poll());
    sleep(ms(100)).await;
    assert_ready_ok!(behind.poll());
}

#[tokio::test(start_paused = true)]
async fn a_parked_head_delays_a_burst_by_one_interval() {
    let begun = Instant::now();
    let limiter = per_second(10);
    for _ in 0..10 {
        limiter.try_acquire().unwrap();
    }
    let mut parked = task::spawn(limiter.acquire());
    assert_pending!(parked.poll());
    let mut others = JoinSet::new();
    for _ in 0..20 {
        others.spawn(limiter.acquire());
    }
    let mut at = vec![];
    while let Some(done) = others.join_next().await {
        at.push(done.unwrap().unwrap().at() - begun);
    }
    assert!(at[..10].iter().all(|at| *at == ms(1100)), "{at:?}");
    assert!(at[10..].iter().all(|at| *at == ms(2100)), "{at:?}");
    // With a permit free, the parked one takes it at its first poll.
    assert_ready_ok!({
        sleep(ms(1000)).await;
        parked.poll()
    });
}

#[tokio::test(start_paused = true)]
async fn who_came_early_is_woken_when_the_head_is_passed_over() {
    let limiter = per_second(2);
    limiter.try_acquire().unwrap();
    limiter.try_acquire().unwrap();
    let mut parked = task::spawn(limiter.acquire());
    let mut early = task::spawn(limiter.acquire());
    assert_pending!(parked.poll());
    assert_pending!(early.poll());
    sleep(ms(1000)).await;
    // Both have a permit, but it is not the second's turn.
    assert!(parked.is_woken() && !early.is_woken());
    assert_pending!(early.poll());
    sleep(ms(499)).await;
    assert!(!early.is_woken());
    sleep(ms(1)).await;
    assert!(early.is_woken());
    assert_ready_ok!(early.poll());
    assert_ready_ok!(parked.poll());
}

#[tokio::test(start_paused = true)]
async fn whenever_a_permit_is_taken_the_next_has_a_whole_interval() {
    let limiter = Limiter::new(Quota::new(2, ms(2000)).unwrap());
    limiter.try_acquire().unwrap();
    limiter.try_acquire().unwrap();
    let mut waiters: Vec<_> = (0..3).map(|_| task::spawn(limiter.acquire())).collect();
    for waiter in &mut waiters {
        assert_pending!(waiter.poll());
    }
    sleep(ms(2900)).await;
    assert_ready_ok!(waiters[0].poll());
    sleep(ms(999)).await;
    assert!(!waiters[2].is_woken());
    sleep(ms(1)).await;
    assert!(waiters[2].is_woken());
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_among_offers_has_the_youngest_of_them() {
    let limiter = Limiter::new(Quota::new(2, ms(2000)).unwrap());
    limiter.try_acquire().unwrap();
    limiter.try_acquire().unwrap();
    let mut calls: Vec<_> = (0..5).map(|_| task::spawn(limiter.acquire())).collect();
    for call in &mut calls {
        assert_pending!(call.poll());
    }
    // The first is passed over at 3 s, and all others that have a permit are woken.
    sleep(ms(3000)).await;
    assert!(calls[1].is_woken() && calls[2].is_woken() && !calls[3].is_woken());
    // The third comes too early; the second does not come. At 4 s it is the third's turn.
    assert_pending!(calls[2].poll());
    sleep(ms(1000)).await;
    assert!(calls[2].is_woken());
    assert_ready_ok!(calls[2].poll());
    assert_ready_ok!(calls[3].poll());
    // The first comes back. At 6 s, it is woken, and then the second comes back too.
    assert_pending!(calls[0].poll());
    sleep(ms(2100)).await;
    assert!(calls[0].is_woken() && !calls[4].is_woken());
    assert_pending!(calls[1].poll());
    assert_ready_ok!(calls[0].poll());
    assert!(calls[1].is_woken());
    assert_ready_ok!(calls[1].poll());
    // For the fifth there is none left.
    assert_pending!(calls[4].poll());
    sleep(ms(1999)).await;
    assert!(!calls[4].is_woken());
    sleep(ms(1)).await;
    assert!(calls[4].is_woken());
    assert_ready_ok!(calls[4].poll());
}

#[tokio::test(start_paused = true)]
async fn many_parked_heads_in_a_row_are_passed_over_too() {
    let limiter = Limiter::new(Quota::per_second(10).unwrap().spaced());
    limiter.try_acquire().unwrap();
    let mut parked: Vec<_> = (0..20).map(|_| task::spawn(limiter.acquire())).collect();
    for waiter in &mut parked {
        assert_pending!(waiter.poll());
    }
    let begun = Instant::now();
    limiter.acquire().await.unwrap();
    // One interval for each, and its own.
    assert_eq!(begun.elapsed(), ms(2100));
    // They come back in reverse, and are served in their own order.
    for waiter in parked.iter_mut().rev() {
        assert_pending!(waiter.poll());
    }
    for waiter in &mut parked {
        sleep(ms(100)).await;
        assert!(waiter.is_woken());
        assert_ready_ok!(waiter.poll());
    }
}

#[tokio::test(start_paused = true)]
async fn a_parked_head_delays_nobody_for_longer_than_a_second() {
    const HOUR: Duration = Duration::from_secs(3600);
    let limiter = Limiter::new(Quota::new(1, HOUR).unwrap());
    limiter.try_acquire().unwrap();
    let begun = Instant::now();
    let mut parked = task::spawn(limiter.acquire());
    assert_pending!(parked.poll());
    let next = limiter.acquire().await.unwrap();
    assert_eq!(next.at() - begun, HOUR + ms(1000));
    assert!(parked.is_woken());
    assert_pending!(parked.poll());
}

#[tokio::test(start_paused = true)]
async fn a_permit_given_back_to_a_parked_head_goes_on_after_an_interval() {
    for interval in [ms(500), ms(10)] {
        let limiter = Limiter::new(Quota::new(20, interval * 20).unwrap());
        let permit = limiter.try_acquire_many(20).unwrap();
        // They see no slot for twenty intervals, but then it is given back.
        let mut waiters: Vec<_> = (0..3).map(|_| task::spawn(limiter.acquire())).collect();
        for waiter in &mut waiters {
            assert_pending!(waiter.poll());
        }
        permit.give_back();
        assert!(waiters[0].is_woken() && !waiters[1].is_woken());
        sleep(interval).await;
        assert!(waiters[1].is_woken());
        // The second leaves, and all goes to the third.
        drop(waiters.remove(1));
        assert!(waiters[1].is_woken());
        assert_ready_ok!(waiters[1].poll());
    }
}

/// The same as a caller meets it: `&mut future` in a `select!` loop whose other arm is busy.
#[tokio::test(start_paused = true)]
async fn a_future_parked_in_select_harms_nobody_and_is_served() {
    let limiter = per_second(1);
    limiter.try_acquire().unwrap();
    let begun = Instant::now();
    let busy = tokio::spawn({
        let limiter = limiter.clone();
        async move {
            let permit = limiter.acquire();
            tokio::pin!(permit);
            let mut ticks = tokio::time::interval(ms(10));
            loop {
                tokio::select! {
                    biased;
                    permit = &mut permit => break permit.unwrap().at(),
                    _ = ticks.tick() => sleep(ms(3500)).await,
                }
            }
        }
    });
    sleep(ms(1)).await;
    let other = limiter.acquire().await.unwrap();
    assert_eq!(other.at() - begun, ms(2000));
    // Polled at 3.5 s; the permit of 3.0 s was free, and nobody else wanted it.
    assert_eq!(busy.await.unwrap() - begun, ms(3500));
}

#[tokio::test(start_paused = true)]
async fn late_polls_are_served_however_late() {
    // Every waiter is polled only long after its offer has run out, with others waiting: no livelock.
    let quota = Quota::new(2, ms(20)).unwrap();
    let limiter = Limiter::new(quota);
    let mut waiters: Vec<_> = (0..50).map(|_| task::spawn(limiter.acquire())).collect();
    let mut releases = vec![];
    for _ in 0..100 {
        waiters.retain_mut(|waiter| match waiter.poll() {
            std::task::Poll::Ready(permit) => {
                releases.push(permit.unwrap().at());
                false
            }
            std::task::Poll::Pending => true,
        });
        sleep(ms(333)).await;
    }
    assert_eq!(releases.len(), 50);
    assert_exact(&releases, quota);
}

#[tokio::test(start_paused = true)]
async fn max_wait_refuses_exactly_those_who_would_wait_longer() {
    for quota in [Quota::per_second(2).unwrap(), Quota::per_second(2).unwrap().spaced()] {
        let limiter = Limiter::new(quota).with_max_wait(ms(2000));
        let begun = Instant::now();
        let mut waiting = JoinSet::new();
        let mut refused = vec![];
        for _ in 0..10 {
            let mut call = task::spawn(limiter.acquire());
            match call.poll() {
                std::task::Poll::Ready(Err(error)) => refused.push(error),
                std::task::Poll::Ready(Ok(_)) => {}
                std::task::Poll::Pending => {
                    waiting.spawn(call.into_inner());
                }
            }
        }
        // Window: 2 at 0 s, 2 at 1 s, 2 at 2 s. Spaced: one each at 0, 0.5, 1, 1.5, 2 s.
        let (waits, longer) = if quota.is_spaced() { (4, ms(2500)) } else { (4, ms(3000)) };
        let at_once = if quota.is_spaced() { 1 } else { 2 };
        assert_eq!((waiting.len(), refused.len()), (waits, 10 - waits - at_once));
        assert!(refused.iter().all(|error| error.retry_after() == longer));
        while let Some(done) = waiting.join_next().await {
            assert!(done.unwrap().unwrap().at() - begun <= ms(2000));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_was_passed_over_waits_as_long_as_it_takes() {
    let limiter = per_second(1);
    limiter.acquire().await.unwrap();
    let begun = Instant::now();
    let mut parked = task::spawn(limiter.clone().with_max_wait(ms(1500)).acquire());
    assert_pending!(parked.poll());
    // It does not come to its turn; others have the permits meanwhile.
    for _ in 0..3 {
        limiter.acquire().await.unwrap();
    }
    assert_eq!(begun.elapsed(), ms(4000));
    assert_pending!(parked.poll());
    sleep(ms(1000)).await;
    assert!(parked.is_woken());
    assert_eq!(assert_ready_ok!(parked.poll()).waited(), ms(5000));
}

#[tokio::test(start_paused = true)]
async fn the_prediction_is_what_comes_true() {
    let quota = Quota::new(3, ms(100)).unwrap();
    let limiter = Limiter::new(quota);
    limiter.acquire().await.unwrap();
    advance(ms(30)).await;
    limiter.acquire().await.unwrap();
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let limiter = limiter.clone();
        calls.spawn(async move {
            let arrived = Instant::now();
            let predicted = match limiter.clone().with_max_wait(Duration::ZERO).acquire().await {
                Ok(permit) => return (Duration::ZERO, permit.at() - arrived),
                Err(refused) => refused.retry_after(),
            };
            (predicted, limiter.acquire().await.unwrap().at() - arrived)
        });
        tokio::task::yield_now().await;
        advance(Duration::from_millis(1)).await;
    }
    while let Some(call) = calls.join_next().await {
        let (predicted, waited) = call.unwrap();
        assert_eq!(predicted, waited);
    }
}

#[tokio::test(start_paused = true)]
async fn max_queue_refuses_at_once() {
    let limiter = per_second(1).with_max_queue(2);
    limiter.acquire().await.unwrap();
    let mut first = task::spawn(limiter.acquire());
    let mut second = task::spawn(limiter.acquire());
    assert_pending!(first.poll());
    assert_pending!(second.poll());
    let refused = limiter.acquire().await.unwrap_err();
    assert_eq!(refused.retry_after(), ms(3000));
    assert_eq!(
        refused.to_string(),
        "rate limit of 1 per 1s: 2 calls are waiting, and 2 may; the call would wait 3s"
    );
    // A more patient clone shares the queue, not the bound.
    let mut patient = task::spawn(limiter.clone().with_max_queue(3).acquire());
    assert_pending!(patient.poll());
    // Zero: it never waits.
    let never = limiter.clone().with_max_queue(0);
    drop((first, second, patient));
    sleep(ms(1000)).await;
    never.acquire().await.unwrap();
    assert_eq!(never.acquire().await.unwrap_err().retry_after(), ms(1000));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_that_nothing_was_sent() {
    let limiter = per_second(1).with_max_wait(ms(500));
    limiter.acquire().await.unwrap();
    let refused = limiter.acquire().await.unwrap_err();
    assert_eq!(refused.to_string(), "rate limit of 1 per 1s: the call would wait 1s, and may wait 500ms");
    assert_eq!(Verdict::of(&refused), Some(Verdict::RefusedLocally));
    assert_eq!(Fault::of(&refused).delivery, Delivery::NeverSent);
    assert!(!Fault::of(&refused).may_repeat(true));
}

#[tokio::test(start_paused = true)]
async fn huge_predictions_do_not_overflow() {
    let limiter = Limiter::new(Quota::new(1, Duration::from_secs(366 * 86_400)).unwrap());
    limiter.acquire().await.unwrap();
    let mut waiters: Vec<_> = (0..2000).map(|_| task::spawn(limiter.acquire())).collect();
    for waiter in &mut waiters {
        assert_pending!(waiter.poll());
    }
    assert_eq!(limiter.try_acquire().unwrap_err().retry_after(), Duration::from_secs(366 * 86_400) * 2001);
}

#[tokio::test(start_paused = true)]
async fn try_acquire_takes_what_is_to_spare() {
    let limiter = per_second(2);
    limiter.try_acquire().unwrap();
    limiter.try_acquire().unwrap();
    let mut waiter = task::spawn(limiter.acquire());
    assert_pending!(waiter.poll());
    assert_eq!(limiter.try_acquire().unwrap_err().retry_after(), ms(1000));
    sleep(ms(1000)).await;
    // Two are free, one is the waiter's.
    limiter.try_acquire().unwrap();
    limiter.try_acquire().unwrap_err();
    assert_ready_ok!(waiter.poll());
}

#[tokio::test(start_paused = true)]
async fn the_snapshot_tells_waiting_available_and_next_slot() {
    let limiter = per_second(2);
    let begun = Instant::now();
    let snapshot = limiter.snapshot();
    assert_eq!((snapshot.waiting, snapshot.available, snapshot.next_slot), (0, 2, begun));
    limiter.acquire().await.unwrap();
    advance(ms(100)).await;
    limiter.acquire().await.unwrap();
    let mut waiter = task::spawn(limiter.acquire());
    assert_pending!(waiter.poll());
    let snapshot = limiter.snapshot();
    assert_eq!((snapshot.waiting, snapshot.available, snapshot.next_slot), (1, 0, begun + ms(1000)));
    sleep(ms(900)).await;
    assert_eq!(limiter.snapshot().available, 0, "the free one is the waiter's");
    assert_ready!(waiter.poll()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_future_can_move_to_another_task() {
    let limiter = per_second(1);
    limiter.acquire().await.unwrap();
    let mut call = task::spawn(limiter.acquire());
    assert_pending!(call.poll());
    // Its first waker is worth nothing now.
    tokio::spawn(call.into_inner()).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_task_out_of_budget_still_sets_the_timer() {
    let limiter = per_second(1);
    limiter.acquire().await.unwrap();
    let begun = Instant::now();
    tokio::spawn(async move {
        // Uses up the task's cooperative budget, and then waits in the same poll.
        while tokio::task::coop::has_budget_remaining() {
            tokio::task::consume_budget().await;
        }
        limiter.acquire().await.unwrap();
    })
    .await
    .unwrap();
    assert_eq!(begun.elapsed(), ms(1000));
}

#[test]
#[should_panic(expected = "Tokio")]
fn to_wait_outside_a_runtime_panics_as_sleep_does() {
    let limiter = per_second(1);
    assert_ready_ok!(task::spawn(limiter.acquire()).poll());
    let _ = task::spawn(limiter.acquire()).poll();
}
