//! Wakers that panic harm nobody but whose they are; under a paused clock.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use rate_limit::{Acquire, Limiter, Quota, RateLimitLayer};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_test::task::{self, Spawn};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok};
use tower::{Layer, Service, service_fn};

use crate::common::{ms, per_second};

/// Counts how often it has panicked.
#[derive(Default)]
struct Panics(AtomicUsize);

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
        panic!("a waker's");
    }
}

impl Panics {
    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// One who waits, with such a waker.
    fn wait(self: &Arc<Self>, limiter: &Limiter) -> Pin<Box<Acquire>> {
        let mut waiting = Box::pin(limiter.acquire());
        let waker = Waker::from(Arc::clone(self));
        assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        waiting
    }
}

fn wait(limiter: &Limiter, callers: usize) -> Vec<Spawn<Acquire>> {
    let mut waiting: Vec<_> = (0..callers).map(|_| task::spawn(limiter.acquire())).collect();
    waiting.iter_mut().for_each(|caller| assert_pending!(caller.poll()));
    waiting
}

#[tokio::test(start_paused = true)]
async fn all_others_are_woken_and_refused() {
    let (limiter, panics) = (per_second(1), Arc::new(Panics::default()));
    limiter.acquire().await.unwrap();
    // More than are woken between two takes of the lock, and one of the first, and of the last, panics.
    let mut others = wait(&limiter, 1);
    let first = panics.wait(&limiter);
    others.extend(wait(&limiter, 60));
    let last = panics.wait(&limiter);
    limiter.pause(ms(3_600_000), ms(1));
    assert_eq!(panics.count(), 2);
    for other in &mut others {
        assert!(other.is_woken());
        assert_ready_err!(other.poll());
    }
    drop((first, last));
    assert_eq!(limiter.snapshot().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn all_others_are_woken_to_set_their_alarms_anew() {
    let (limiter, panics) = (per_second(1), Arc::new(Panics::default()));
    limiter.acquire().await.unwrap();
    let _first = panics.wait(&limiter);
    let others = wait(&limiter, 3);
    // An interval that is shorter.
    limiter.set_quotas(Quota::new(10, ms(100_000)).unwrap()).unwrap();
    limiter.set_quotas(Quota::new(1, ms(100)).unwrap()).unwrap();
    assert!(panics.count() > 0 && others.iter().all(Spawn::is_woken));
}

#[tokio::test(start_paused = true)]
async fn who_takes_a_permit_before_it_keeps_that() {
    let (limiter, panics) = (per_second(2), Arc::new(Panics::default()));
    limiter.acquire_many(2).await.unwrap();
    let begun = Instant::now();
    let mut before = wait(&limiter, 1).remove(0);
    let parked = panics.wait(&limiter);
    let mut behind = wait(&limiter, 1).remove(0);
    sleep(ms(1000)).await;
    assert!(before.is_woken() && panics.count() == 0);
    assert_eq!(assert_ready_ok!(before.poll()).at() - begun, ms(1000));
    assert_eq!(panics.count(), 1);
    // Its permit goes to the next after an interval, since it does not come.
    sleep(ms(501)).await;
    assert!(behind.is_woken());
    assert_ready_ok!(behind.poll());
    drop(parked);
    assert_eq!((limiter.snapshot().waiting, limiter.snapshot().available), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_alarm_goes_on() {
    let (limiter, panics) = (per_second(10), Arc::new(Panics::default()));
    limiter.acquire_many(10).await.unwrap();
    let begun = Instant::now();
    let _first = panics.wait(&limiter);
    let others: JoinSet<_> = (0..25).map(|_| limiter.acquire()).collect();
    assert!(others.join_all().await.iter().all(Result::is_ok));
    assert_eq!(panics.count(), 1);
    // An interval late, all but the first ten.
    assert_eq!(begun.elapsed(), ms(3100));
}

#[tokio::test(start_paused = true)]
async fn services_before_a_door_are_woken_too() {
    let (limiter, panics) = (per_second(1), Arc::new(Panics::default()));
    limiter.acquire().await.unwrap();
    let layer = RateLimitLayer::from(limiter.clone().with_max_wait(ms(0))).with_backpressure();
    let service = || layer.layer(service_fn(|()| async { Ok::<_, Infallible>(()) }));
    let mut first = service();
    let waker = Waker::from(Arc::clone(&panics));
    assert!(first.poll_ready(&mut Context::from_waker(&waker)).is_pending());
    let mut second = task::spawn(service());
    assert!(second.enter(|cx, mut service| service.poll_ready(cx)).is_pending());
    sleep(ms(1000)).await;
    assert_eq!(panics.count(), 1);
    // It does not come for as long as an offer lasts.
    sleep(ms(1000)).await;
    assert!(second.is_woken());
    let ready: Poll<_> = second.enter(|cx, mut service| service.poll_ready(cx));
    assert!(assert_ready!(ready).is_ok());
}
