//! Random schedules beside a model that knows the whole history and plans the future anew at each step: who is served
//! when, in which order, with how many polls, and who is refused at `max_wait`. Callers are polled as soon as they are
//! woken; times are whole milliseconds, which is what the timer can do.

use std::convert::Infallible;
use std::future::ready;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use proptest::prelude::*;
use rate_limit::{Limiter, Quota, Quotas, RateLimitLayer, RateLimited};
use tokio::runtime::Builder;
use tokio::time::{Instant, advance};
use tokio_test::task::{self, Spawn};
use tower::{Layer, Service, service_fn};

use crate::common::ms;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// That would wait so long at most. Through a service, or without.
    Arrive(Option<u64>, bool),
    Drop(usize),
    /// All who wait leave.
    Flee,
    Advance(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (prop::option::of(0u64..120), any::<bool>()).prop_map(|(most, call)| Step::Arrive(most, call)),
        1 => any::<usize>().prop_map(Step::Drop),
        1 => prop::bool::weighted(0.1).prop_map(|all| if all { Step::Flee } else { Step::Advance(0) }),
        3 => (0u64..40).prop_map(Step::Advance),
    ]
}

/// Windows of whole milliseconds, and intervals too.
fn quotas() -> impl Strategy<Value = Quotas> {
    let quota = |n: u32, each: u64| Quota::new(n, ms(u64::from(n) * each)).unwrap();
    (1u32..6, 1u64..15, any::<bool>(), prop::option::of((2u32..12, 1u64..15))).prop_map(
        move |(n, each, spaced, other)| {
            let first = if spaced { quota(n, each).spaced() } else { quota(n, each) };
            match other {
                Some((n, each)) => first.and(quota(n, each)).unwrap(),
                None => first.into(),
            }
        },
    )
}

/// When the next release can be made, after these.
fn earliest(quotas: &Quotas, releases: &[Instant], now: Instant) -> Instant {
    let after = |quota: &Quota| {
        let length = if quota.is_spaced() { quota.interval() } else { quota.window() };
        let n = if quota.is_spaced() { 1 } else { quota.n() as usize };
        releases.len().checked_sub(n).map(|index| releases[index] + length)
    };
    quotas.iter().filter_map(after).fold(now, Instant::max)
}

/// When it was released, and how long it had waited.
type Call = Pin<Box<dyn Future<Output = Result<(Instant, Duration), RateLimited>>>>;

struct Caller {
    number: usize,
    call: Spawn<Call>,
    polls: usize,
    arrived: Instant,
}

struct Run {
    quotas: Quotas,
    limiter: Limiter,
    waiting: Vec<Caller>,
    arrivals: usize,
    releases: Vec<Instant>,
    order: Vec<usize>,
}

impl Run {
    fn new(quotas: Quotas) -> Self {
        let limiter = Limiter::new(quotas.clone());
        Self { quotas, limiter, waiting: vec![], arrivals: 0, releases: vec![], order: vec![] }
    }

    /// When those who wait will be served, and one more.
    fn plan(&self) -> Vec<Instant> {
        let mut releases = self.releases.clone();
        for _ in 0..=self.waiting.len() {
            releases.push(earliest(&self.quotas, &releases, Instant::now()));
        }
        releases.split_off(self.releases.len())
    }

    fn served(&mut self, number: usize, at: Instant, waited: Duration, arrived: Instant) {
        assert_eq!(at, Instant::now(), "it counts from now");
        assert_eq!(waited, at - arrived);
        self.releases.push(at);
        self.order.push(number);
    }

    fn acquire(limiter: &Limiter) -> Call {
        let acquire = limiter.acquire();
        Box::pin(async { acquire.await.map(|permit| (permit.at(), permit.waited())) })
    }

    /// The same through a service, which is called at once if it need not wait.
    fn call(limiter: Limiter, free: bool) -> Call {
        let (called, waited) = (Arc::new(Mutex::new(None)), Arc::new(Mutex::new(None)));
        let (at, wait) = (Arc::clone(&called), Arc::clone(&waited));
        let layer = RateLimitLayer::from(limiter).on_wait(move |waited| *wait.lock().unwrap() = Some(waited));
        let call = layer
            .layer(service_fn(move |()| {
                *at.lock().unwrap() = Some(Instant::now());
                ready(Ok::<_, Infallible>(()))
            }))
            .call(());
        assert_eq!(called.lock().unwrap().is_some(), free, "released within `call`, if it is free");
        Box::pin(async move {
            match call.await {
                Ok(()) => Ok((called.lock().unwrap().unwrap(), waited.lock().unwrap().unwrap())),
                Err(refused) => Err(*refused.downcast().unwrap()),
            }
        })
    }

    fn arrive(&mut self, most: Option<u64>, call: bool) {
        let predicted = *self.plan().last().unwrap() - Instant::now();
        let limiter = match most {
            Some(most) => self.limiter.clone().with_max_wait(ms(most)),
            None => self.limiter.clone(),
        };
        let call = match call {
            true => Self::call(limiter, predicted.is_zero()),
            false => Self::acquire(&limiter),
        };
        let mut call = task::spawn(call);
        let (number, arrived) = (self.arrivals, Instant::now());
        self.arrivals += 1;
        match call.poll() {
            Poll::Ready(Ok((at, waited))) => {
                assert!(predicted.is_zero(), "served at once, and not after {predicted:?}");
                self.served(number, at, waited, arrived);
            }
            Poll::Ready(Err(refused)) => {
                assert!(most.is_some_and(|most| predicted > ms(most)), "{refused}: {predicted:?}, {most:?}");
                assert_eq!(refused.retry_after(), predicted);
            }
            Poll::Pending => {
                assert!(!predicted.is_zero() && most.is_none_or(|most| predicted <= ms(most)));
                self.waiting.push(Caller { number, call, polls: 1, arrived });
            }
        }
    }

    /// Polls whoever is woken.
    fn poll(&mut self) {
        while let Some(index) = self.waiting.iter().position(|caller| caller.call.is_woken()) {
            let caller = &mut self.waiting[index];
            caller.polls += 1;
            assert!(caller.polls <= 2, "woken once, and served");
            let Poll::Ready(served) = caller.call.poll() else { panic!("woken in vain") };
            let Caller { number, arrived, .. } = self.waiting.remove(index);
            let (at, waited) = served.unwrap();
            self.served(number, at, waited, arrived);
        }
    }

    /// Goes on, and holds what happens against the plan.
    async fn advance(&mut self, millis: u64) {
        let mut plan = self.plan();
        plan.pop();
        let (end, from) = (Instant::now() + ms(millis), self.releases.len());
        plan.retain(|&at| at <= end);
        for _ in 0..millis {
            advance(ms(1)).await;
            self.poll();
        }
        assert_eq!(self.releases[from..], plan);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_is_as_predicted_and_in_order(
        quotas in quotas(),
        steps in prop::collection::vec(step(), 1..100),
    ) {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut run = Run::new(quotas);
            for step in steps {
                match step {
                    Step::Arrive(most, call) => run.arrive(most, call),
                    Step::Drop(_) if run.waiting.is_empty() => {}
                    Step::Drop(pick) => drop(run.waiting.remove(pick % run.waiting.len())),
                    Step::Flee => run.waiting.clear(),
                    Step::Advance(millis) => run.advance(millis).await,
                }
                run.poll();
            }
            // After all have left, the throughput is what it was.
            run.waiting.clear();
            for i in 0..20 {
                run.arrive(None, i % 2 == 0);
            }
            while !run.waiting.is_empty() {
                run.advance(10).await;
            }
            assert!(run.order.is_sorted(), "{:?}", run.order);
        });
    }
}
