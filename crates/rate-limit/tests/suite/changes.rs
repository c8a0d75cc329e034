//! Another quota, or a pause, while callers wait; under a paused clock.

use std::future::ready;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use proptest::prelude::*;
use rate_limit::{BoxError, Limiter, Permit, Quota, Quotas, RateLimitLayer};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, advance, sleep, timeout};
use tokio_test::task::{self, Spawn};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::common::{assert_exact, ms, per_second};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_larger_quota_serves_who_waits_at_once() {
    let limiter = Limiter::new(Quota::new(1, Duration::from_secs(3600)).unwrap());
    limiter.acquire().await.unwrap();
    let begun = Instant::now();
    let mut calls = JoinSet::new();
    for _ in 0..25 {
        calls.spawn(limiter.acquire());
    }
    sleep(ms(500)).await;
    limiter.set_quotas(Quota::per_second(10).unwrap()).unwrap();
    while let Some(permit) = calls.join_next().await {
        permit.unwrap().unwrap();
    }
    // Nine at once, beside the one before; one at 1 s, when that leaves the window; and so on, each second.
    assert_eq!(begun.elapsed(), ms(2500));
}

#[tokio::test(start_paused = true)]
async fn a_larger_quota_serves_who_would_wait_only_so_long_too() {
    let limiter = per_second(1).with_max_wait(ms(30_000));
    limiter.acquire().await.unwrap();
    let begun = Instant::now();
    let calls: JoinSet<_> = (0..4).map(|_| limiter.acquire()).collect();
    sleep(ms(10)).await;
    limiter.set_quotas(Quota::per_second(10).unwrap()).unwrap();
    let permits = timeout(MINUTE, calls.join_all()).await.unwrap();
    assert!(permits.iter().all(|permit| permit.as_ref().unwrap().at() == begun + ms(10)));
}

#[tokio::test(start_paused = true)]
async fn a_smaller_quota_counts_what_was_released_before() {
    let limiter = per_second(10);
    for _ in 0..3 {
        limiter.acquire_many(10).await.unwrap();
    }
    // At 2 s: 30 in all, of which the record holds 10; the others count as if all had been made at 1 s.
    let begun = Instant::now();
    limiter.set_quotas(Quota::per_minute(15).unwrap()).unwrap();
    assert_eq!(limiter.snapshot().available, 0);
    limiter.acquire().await.unwrap();
    assert_eq!(begun.elapsed(), ms(59_000));
    assert_eq!(limiter.snapshot().available, 4);
    sleep(ms(1000)).await;
    assert_eq!(limiter.snapshot().available, 14);
}

#[tokio::test(start_paused = true)]
async fn a_new_spaced_quota_goes_on_where_the_old_one_would_have() {
    let limiter = Limiter::new(Quota::per_second(1).unwrap().spaced());
    limiter.acquire().await.unwrap();
    let begun = Instant::now();
    limiter.set_quotas(Quota::per_second(10).unwrap().spaced()).unwrap();
    limiter.acquire().await.unwrap();
    assert_eq!(begun.elapsed(), ms(1000));
    limiter.acquire().await.unwrap();
    assert_eq!(begun.elapsed(), ms(1100));
    // And after a window, an interval after its last release.
    limiter.set_quotas(Quota::per_second(10).unwrap()).unwrap();
    limiter.acquire().await.unwrap();
    limiter.set_quotas(Quota::per_second(5).unwrap().spaced()).unwrap();
    limiter.acquire().await.unwrap();
    assert_eq!(begun.elapsed(), ms(1300));
}

#[tokio::test(start_paused = true)]
async fn who_wants_more_than_a_new_quota_has_fails_at_once() {
    let limiter = per_second(10);
    limiter.acquire_many(10).await.unwrap();
    let mut first = task::spawn(limiter.acquire());
    let mut costly = task::spawn(limiter.acquire_many(6));
    let mut last = task::spawn(limiter.acquire());
    for call in [&mut first, &mut costly, &mut last] {
        assert_pending!(call.poll());
    }
    limiter.set_quotas(Quota::per_second(5).unwrap()).unwrap();
    assert!(costly.is_woken());
    assert!(assert_ready_err!(costly.poll()).is_never());
    sleep(ms(1000)).await;
    assert_ready_ok!(first.poll());
    assert_ready_ok!(last.poll());
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_all_once_and_goes_by() {
    let limiter = per_second(10);
    let begun = Instant::now();
    limiter.pause(ms(3000), MINUTE);
    // Shorter, or the same again: nothing more.
    limiter.pause(ms(500), MINUTE);
    limiter.pause(ms(3000), MINUTE);
    assert_eq!(limiter.snapshot().paused_until, Some(begun + ms(3000)));
    assert_eq!((limiter.snapshot().available, limiter.snapshot().next_slot), (0, begun + ms(3000)));
    assert_eq!(limiter.try_acquire().unwrap_err().retry_after(), ms(3000));
    let mut calls = JoinSet::new();
    for _ in 0..15 {
        calls.spawn(limiter.acquire());
    }
    let mut at = vec![];
    while let Some(permit) = calls.join_next().await {
        at.push(permit.unwrap().unwrap().at() - begun);
    }
    assert!(at[..10].iter().all(|at| *at == ms(3000)) && at[10..].iter().all(|at| *at == ms(4000)), "{at:?}");
    assert_eq!(limiter.snapshot().paused_until, None);
}

#[tokio::test(start_paused = true)]
async fn a_pause_takes_back_what_was_offered() {
    let limiter = per_second(1);
    limiter.acquire().await.unwrap();
    let mut head = task::spawn(limiter.acquire());
    assert_pending!(head.poll());
    sleep(ms(1000)).await;
    assert!(head.is_woken());
    limiter.pause(ms(200), MINUTE);
    assert_pending!(head.poll());
    sleep(ms(200)).await;
    assert!(head.is_woken());
    assert_ready_ok!(head.poll());
}

#[tokio::test(start_paused = true)]
async fn a_pause_beyond_the_bound_fails_calls_until_the_bound() {
    let limiter = per_second(1);
    limiter.acquire().await.unwrap();
    let mut waiting = task::spawn(limiter.acquire());
    assert_pending!(waiting.poll());
    limiter.pause(Duration::from_secs(86_400), MINUTE);
    assert!(waiting.is_woken());
    assert_eq!(assert_ready_err!(waiting.poll()).to_string(), "rate limit of 1 per 1s: paused for 86400s");
    advance(ms(59_999)).await;
    let refused = limiter.acquire().await.unwrap_err();
    assert_eq!(refused.retry_after(), Duration::from_secs(86_400) - ms(59_999));
    assert_eq!(limiter.try_acquire().unwrap_err().retry_after(), refused.retry_after());
    advance(ms(1)).await;
    limiter.acquire().await.unwrap();
    limiter.pause(Duration::MAX, Duration::MAX);
    assert_eq!(limiter.snapshot().paused_until, Some(Instant::now() + Duration::from_secs(366 * 86_400)));
}

#[tokio::test(start_paused = true)]
async fn a_pause_fails_waiters_at_their_max_wait() {
    let limiter = Limiter::new(Quota::new(1, Duration::from_secs(100)).unwrap());
    limiter.acquire().await.unwrap();
    advance(ms(98_000)).await;
    let patient = limiter.clone();
    let hasty = limiter.clone().with_max_wait(ms(3000));
    let begun = Instant::now();
    let mut hasty = task::spawn(hasty.acquire());
    let mut patient = task::spawn(patient.acquire());
    assert_pending!(hasty.poll());
    assert_pending!(patient.poll());
    limiter.pause(ms(10_000), MINUTE);
    // Woken to set the alarm anew: no other looks before the patience of 100 s is over.
    assert!(hasty.is_woken());
    assert_pending!(hasty.poll());
    sleep(ms(2999)).await;
    assert!(!hasty.is_woken());
    sleep(ms(1)).await;
    assert!(hasty.is_woken());
    let refused = assert_ready_err!(hasty.poll());
    assert_eq!(
        refused.to_string(),
        "rate limit of 1 per 100s: the call has waited 3s, would wait 107s longer, and may not"
    );
    sleep(ms(7000)).await;
    assert!(patient.is_woken());
    assert_eq!(assert_ready_ok!(patient.poll()).at() - begun, ms(10_000));
}

#[tokio::test(start_paused = true)]
async fn who_was_passed_over_before_a_pause_fails_at_its_max_wait_too() {
    let limiter = per_second(10).with_max_wait(ms(2000));
    limiter.acquire_many(10).await.unwrap();
    let begun = Instant::now();
    let mut head = task::spawn(limiter.acquire());
    assert_pending!(head.poll());
    // It is woken, and does not come: another is served an interval later.
    limiter.acquire().await.unwrap();
    assert_eq!(begun.elapsed(), ms(1100));
    limiter.pause(ms(30_000), MINUTE);
    let refused = head.into_inner().await.unwrap_err();
    assert_eq!(begun.elapsed(), ms(2000));
    assert_eq!(refused.retry_after(), ms(29_100));
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_makes_no_wait_too_long_fails_nobody() {
    let limiter = per_second(1);
    limiter.acquire().await.unwrap();
    let begun = Instant::now();
    let mut parked = task::spawn(limiter.clone().with_max_wait(ms(1500)).acquire());
    assert_pending!(parked.poll());
    // Over before any permit is free; and one that is asked for while it is passed over, and within what it would wait.
    limiter.pause(ms(200), MINUTE);
    sleep(ms(1100)).await;
    limiter.try_acquire().unwrap_err();
    let other = limiter.clone();
    let mut others = JoinSet::from_iter([async move { other.acquire().await }]);
    sleep(ms(950)).await;
    limiter.pause(ms(10), MINUTE);
    others.join_next().await.unwrap().unwrap().unwrap();
    let at = begun.elapsed();
    assert_pending!(parked.poll());
    sleep(ms(1000)).await;
    assert!(parked.is_woken());
    assert_eq!(assert_ready_ok!(parked.poll()).at() - begun, at + ms(1000));
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_is_told_how_long_it_has_waited() {
    let limiter = per_second(1).with_max_wait(ms(1000));
    limiter.acquire().await.unwrap();
    let mut waiting = task::spawn(limiter.acquire());
    assert_pending!(waiting.poll());
    limiter.pause(ms(5000), MINUTE);
    // Woken to set the alarm anew.
    assert_pending!(waiting.poll());
    sleep(ms(3000)).await;
    assert_eq!(
        assert_ready_err!(waiting.poll()).to_string(),
        "rate limit of 1 per 1s: the call has waited 3s, would wait 2s longer, and may not"
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_pause_a_late_timer_fails_nobody() {
    // Slots fall between the timer's milliseconds: the last waits longer than was predicted, and is served.
    let limiter = Limiter::new(Quota::new(1, Duration::from_micros(1500)).unwrap()).with_max_wait(ms(15));
    let mut calls: Vec<_> = (0..11).map(|_| task::spawn(limiter.acquire())).collect();
    for call in &mut calls {
        let _ = call.poll();
    }
    let mut calls: JoinSet<_> = calls.into_iter().skip(1).map(Spawn::into_inner).collect();
    while let Some(permit) = calls.join_next().await {
        permit.unwrap().unwrap();
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// For so many permits; that would wait so long at most.
    Arrive(u32, Option<u64>),
    /// Through a service that is not ready while a call would wait longer than that, or while others wait.
    Call(u64, Option<usize>),
    Poll(usize),
    PollWoken(usize),
    Drop(usize),
    GiveBack,
    Advance(u32),
    Change(Quotas),
    /// For so long; cut short, perhaps, so that calls fail.
    Pause(u64, bool),
}

fn quotas() -> impl Strategy<Value = Quotas> {
    let quota = (3u32..8, 1u64..50, any::<bool>()).prop_map(|(n, millis, spaced)| {
        let quota = Quota::new(n, ms(millis)).unwrap();
        if spaced { quota.spaced() } else { quota }
    });
    prop_oneof![
        quota.clone().prop_map(Quotas::from),
        (quota, 3u32..8, 1u64..90)
            .prop_map(|(quota, n, millis)| quota.and(Quota::new(n, ms(millis)).unwrap()).unwrap())
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let max_wait = || prop_oneof![Just(0), Just(10), Just(40), Just(200)];
    prop_oneof![
        6 => (0u32..4, prop::option::of(max_wait())).prop_map(|(cost, most)| Step::Arrive(cost, most)),
        3 => (max_wait(), prop::option::weighted(0.2, 1..4usize)).prop_map(|(most, rooms)| Step::Call(most, rooms)),
        4 => any::<usize>().prop_map(Step::Poll),
        5 => any::<usize>().prop_map(Step::PollWoken),
        1 => any::<usize>().prop_map(Step::Drop),
        1 => Just(Step::GiveBack),
        5 => (0u32..30_000).prop_map(Step::Advance),
        1 => quotas().prop_map(Step::Change),
        1 => (1u64..40, prop::bool::weighted(0.1)).prop_map(|(millis, cut)| Step::Pause(millis, cut)),
    ]
}

/// When it was released, for how many permits; and those, if it was not through a service.
type Call = Pin<Box<dyn Future<Output = Result<(Instant, u32, Option<Permit>), BoxError>>>>;

struct Caller {
    call: Spawn<Call>,
    /// How many changes there had been when it came.
    changes: usize,
}

struct Schedule {
    limiter: Limiter,
    quotas: Quotas,
    paused: Instant,
    changes: usize,
    waiting: Vec<Caller>,
    /// All that were ever made, and not given back.
    releases: Vec<(Instant, u32)>,
    last: Option<Permit>,
}

impl Schedule {
    fn new(quotas: Quotas) -> Self {
        Self {
            limiter: Limiter::new(quotas.clone()),
            quotas,
            paused: Instant::now(),
            changes: 0,
            waiting: vec![],
            releases: vec![],
            last: None,
        }
    }

    fn push(&mut self, call: Call) {
        let mut caller = Caller { call: task::spawn(call), changes: self.changes };
        match caller.call.poll() {
            // Refused perhaps, as its wait would be too long.
            Poll::Ready(done) => drop(done.map(|(at, cost, permit)| self.released(at, cost, permit))),
            Poll::Pending => self.waiting.push(caller),
        }
    }

    fn poll(&mut self, index: usize) {
        let Poll::Ready(done) = self.waiting[index].call.poll() else { return };
        let Caller { changes, .. } = self.waiting.remove(index);
        match done {
            Ok((at, cost, permit)) => self.released(at, cost, permit),
            Err(refused) => assert!(changes < self.changes, "nothing has changed: {refused}"),
        }
    }

    fn released(&mut self, now: Instant, cost: u32, permit: Option<Permit>) {
        if cost == 0 {
            return;
        }
        assert!(now >= self.paused, "released in a pause");
        self.releases.push((now, cost));
        // Whatever quotas held before: every window that ends here is as the quotas allow that hold now.
        for quota in self.quotas.iter() {
            let within = self.releases.iter().rev().take_while(|(at, _)| now < *at + quota.window());
            let sum: u32 = within.map(|(_, cost)| cost).sum();
            assert!(sum <= quota.n(), "{sum} permits in a window of {quota}");
        }
        self.last = permit;
    }

    fn arrive(&self, cost: u32, most: Option<u64>) -> Call {
        let limiter = match most {
            Some(most) => self.limiter.clone().with_max_wait(ms(most)),
            None => self.limiter.clone(),
        };
        let acquire = limiter.acquire_many(cost);
        Box::pin(async move {
            let permit = acquire.await?;
            Ok((permit.at(), permit.cost(), Some(permit)))
        })
    }

    fn call(&self, most: u64, rooms: Option<usize>) -> Call {
        let limiter = self.limiter.clone().with_max_wait(ms(most));
        let limiter = match rooms {
            Some(rooms) => limiter.with_max_queue(rooms),
            None => limiter,
        };
        let inner = service_fn(|()| ready(Ok::<_, BoxError>(Instant::now())));
        let mut service = RateLimitLayer::from(limiter).with_backpressure().layer(inner);
        Box::pin(async move { Ok((service.ready().await?.call(()).await?, 1, None)) })
    }

    fn woken(&self) -> Vec<usize> {
        (0..self.waiting.len()).filter(|&index| self.waiting[index].call.is_woken()).collect()
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Arrive(cost, most) => self.push(self.arrive(cost, most)),
            Step::Call(most, rooms) => self.push(self.call(most, rooms)),
            Step::Poll(pick) if !self.waiting.is_empty() => self.poll(pick % self.waiting.len()),
            Step::PollWoken(pick) => {
                let woken = self.woken();
                if !woken.is_empty() {
                    self.poll(woken[pick % woken.len()]);
                }
            }
            Step::Drop(pick) if !self.waiting.is_empty() => {
                drop(self.waiting.remove(pick % self.waiting.len()));
            }
            Step::Poll(_) | Step::Drop(_) => {}
            Step::GiveBack => {
                if let Some(permit) = self.last.take() {
                    self.releases.pop();
                    permit.give_back();
                }
            }
            Step::Advance(micros) => advance(Duration::from_micros(micros.into())).await,
            Step::Change(quotas) => {
                self.limiter.set_quotas(quotas.clone()).unwrap();
                self.quotas = quotas;
                self.changes += 1;
            }
            Step::Pause(millis, cut) => {
                let (asked, most) = (ms(millis), if cut { ms(millis / 2) } else { MINUTE });
                self.limiter.pause(asked, most);
                self.paused = self.paused.max(Instant::now() + asked.min(most));
                self.changes += 1;
            }
        }
    }

    /// Polls whoever is woken until all are served.
    async fn finish(&mut self) {
        let mut left = 20_000;
        while !self.waiting.is_empty() {
            while let Some(&woken) = self.woken().first() {
                self.poll(woken);
            }
            left -= 1;
            assert!(left > 0, "{} are never served", self.waiting.len());
            advance(ms(1)).await;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_changes_windows_are_exact_and_all_are_served(
        quotas in quotas(),
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut schedule = Schedule::new(quotas);
            for step in steps {
                schedule.step(step).await;
            }
            schedule.finish().await;
        });
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_spaced_quota_has_free_counts_the_window_of_the_quota_before() {
    let limiter = per_second(2);
    let mut releases: Vec<_> = (0..2).map(|_| limiter.try_acquire().unwrap().at()).collect();
    limiter.set_quotas(Quota::per_second(2).unwrap().spaced()).unwrap();
    advance(ms(500)).await;
    // An interval has passed, but the second has not.
    assert_eq!(limiter.snapshot().available, 0);
    limiter.try_acquire().unwrap_err();
    advance(ms(500)).await;
    assert_eq!(limiter.snapshot().available, 1);
    releases.push(limiter.try_acquire().unwrap().at());
    limiter.try_acquire().unwrap_err();
    assert_exact(&releases, Quota::per_second(2).unwrap());
}

/// More than are woken between two takes of the lock.
#[tokio::test(start_paused = true)]
async fn all_are_refused_whom_a_pause_keeps_too_long_however_many() {
    let limiter = per_second(10).with_max_wait(Duration::from_secs(20));
    assert!((0..10).all(|_| limiter.try_acquire().is_ok()));
    let begun = Instant::now();
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let limiter = limiter.clone();
            tokio::spawn(async move { limiter.acquire().await.map(drop).map_err(|_| Instant::now()) })
        })
        .collect();
    sleep(ms(1)).await;
    limiter.pause(Duration::from_secs(60), Duration::from_secs(3600));
    for caller in callers {
        let refused = caller.await.unwrap().unwrap_err();
        assert_eq!(refused - begun, Duration::from_secs(20));
    }
}
