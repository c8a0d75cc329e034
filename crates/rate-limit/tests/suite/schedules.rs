//! Random schedules, polled by hand: exact, in order, and live. At the end only those who are woken are polled, so a lost
//! wake-up or a lost permit shows as a caller that is never served.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use proptest::prelude::*;
use rate_limit::{BoxError, Limiter, Quota, RateLimit, RateLimited};
use tokio::runtime::Builder;
use tokio::time::{Instant, advance};
use tokio_test::task::{self, Spawn};
use tower::{Service, service_fn};

use crate::common::assert_exact;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// That would wait so long at most.
    Arrive(Option<u64>),
    /// Through a service; perhaps dropped, released or not, before it is polled.
    Call {
        most: Option<u64>,
        drop: bool,
    },
    /// One of the woken, the eldest or not, or anybody.
    PollWoken(usize),
    PollAny(usize),
    Drop(usize),
    Try,
    Advance(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let max_wait = || prop::option::of(0u64..100);
    prop_oneof![
        2 => max_wait().prop_map(Step::Arrive),
        2 => (max_wait(), prop::bool::weighted(0.1)).prop_map(|(most, drop)| Step::Call { most, drop }),
        4 => any::<usize>().prop_map(Step::PollWoken),
        2 => any::<usize>().prop_map(Step::PollAny),
        1 => any::<usize>().prop_map(Step::Drop),
        1 => Just(Step::Try),
        3 => (0u32..30_000).prop_map(Step::Advance),
    ]
}

type Call = Pin<Box<dyn Future<Output = Result<(), BoxError>>>>;

struct Schedule {
    limiter: Limiter,
    waiting: Vec<(usize, Spawn<Call>)>,
    arrivals: usize,
    releases: Arc<Mutex<Vec<Instant>>>,
    order: Vec<usize>,
}

impl Schedule {
    fn poll(&mut self, index: usize) {
        let (number, call) = &mut self.waiting[index];
        if let Poll::Ready(served) = call.poll() {
            served.unwrap();
            self.order.push(*number);
            drop(self.waiting.remove(index));
        }
    }

    fn push(&mut self, call: Call) {
        let (number, mut call) = (self.arrivals, task::spawn(call));
        self.arrivals += 1;
        match call.poll() {
            Poll::Ready(Ok(())) => self.order.push(number),
            // Its wait would be too long. Later nobody is refused.
            Poll::Ready(Err(refused)) => assert!(refused.is::<RateLimited>()),
            Poll::Pending => self.waiting.push((number, call)),
        }
    }

    fn limiter(&self, most: Option<u64>) -> Limiter {
        match most {
            Some(most) => self.limiter.clone().with_max_wait(Duration::from_millis(most)),
            None => self.limiter.clone(),
        }
    }

    fn acquire(&self, most: Option<u64>) -> Call {
        let (acquire, releases) = (self.limiter(most).acquire(), Arc::clone(&self.releases));
        Box::pin(async move {
            let at = acquire.await?.at();
            releases.lock().unwrap().push(at);
            Ok(())
        })
    }

    fn call(&self, most: Option<u64>) -> Call {
        let releases = Arc::clone(&self.releases);
        let inner = service_fn(move |()| {
            releases.lock().unwrap().push(Instant::now());
            std::future::ready(Ok::<_, BoxError>(()))
        });
        Box::pin(RateLimit::new(inner, self.limiter(most)).call(()))
    }

    fn woken(&self) -> Vec<usize> {
        (0..self.waiting.len()).filter(|&index| self.waiting[index].1.is_woken()).collect()
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Arrive(most) => self.push(self.acquire(most)),
            Step::Call { most, drop: false } => self.push(self.call(most)),
            Step::Call { most, drop: true } => drop(self.call(most)),
            Step::PollWoken(pick) => {
                let woken = self.woken();
                if !woken.is_empty() {
                    self.poll(woken[pick % woken.len()]);
                }
            }
            Step::PollAny(pick) if !self.waiting.is_empty() => self.poll(pick % self.waiting.len()),
            Step::Drop(pick) if !self.waiting.is_empty() => {
                drop(self.waiting.remove(pick % self.waiting.len()));
            }
            Step::PollAny(_) | Step::Drop(_) => {}
            Step::Try => {
                let permit = self.limiter.try_acquire();
                self.releases.lock().unwrap().extend(permit.map(|permit| permit.at()));
            }
            Step::Advance(micros) => advance(Duration::from_micros(micros.into())).await,
        }
    }

    /// Polls whoever is woken until all are served.
    async fn finish(&mut self, quota: Quota) {
        let most = (quota.interval() + quota.window() + Duration::from_millis(2)) * 2;
        let mut patience = most * (self.waiting.len() as u32 + 1);
        while !self.waiting.is_empty() {
            while let Some(&first) = self.woken().first() {
                self.poll(first);
            }
            if self.waiting.is_empty() {
                break;
            }
            assert!(!patience.is_zero(), "{} are never served", self.waiting.len());
            advance(Duration::from_millis(1)).await;
            patience = patience.saturating_sub(Duration::from_millis(1));
        }
    }
}

fn quotas() -> impl Strategy<Value = Quota> {
    (1u32..6, 1u64..60_000_000, any::<bool>()).prop_map(|(n, nanos, spaced)| {
        let quota = Quota::new(n, Duration::from_nanos(nanos)).unwrap();
        if spaced { quota.spaced() } else { quota }
    })
}

fn run(quota: Quota, steps: &[Step], prompt: bool) -> Schedule {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut schedule = Schedule {
            limiter: Limiter::new(quota),
            waiting: vec![],
            arrivals: 0,
            releases: Arc::default(),
            order: vec![],
        };
        for &step in steps {
            if prompt {
                // Whoever is woken is polled before time goes on, in any order.
                while let Some(&last) = schedule.woken().last() {
                    schedule.poll(last);
                }
            }
            schedule.step(step).await;
        }
        schedule.finish(quota).await;
        schedule
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_schedule_is_exact_and_live(quota in quotas(), steps in prop::collection::vec(step(), 1..120)) {
        let schedule = run(quota, &steps, false);
        assert_exact(&schedule.releases.lock().unwrap(), quota);
        let snapshot = schedule.limiter.snapshot();
        prop_assert_eq!(snapshot.waiting, 0);
    }

    #[test]
    fn prompt_callers_are_served_in_order(quota in quotas(), steps in prop::collection::vec(step(), 1..120)) {
        let schedule = run(quota, &steps, true);
        assert_exact(&schedule.releases.lock().unwrap(), quota);
        prop_assert!(schedule.order.is_sorted(), "{:?}", schedule.order);
    }
}
