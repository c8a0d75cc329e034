//! Calls that need not wait: released within `call`, and from several threads without a lock.

use std::convert::Infallible;
use std::future::{Ready, pending, ready};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::thread;

use rate_limit::{BoxError, KeyedLimiter, Limiter, Quota, RateLimit, RateLimitLayer, RateLimited};
use tokio::sync::Semaphore;
use tokio::time::{Instant, advance, sleep, timeout};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::limit::ConcurrencyLimit;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::common::{assert_exact, ms, per_second};

/// Counts its calls and its clones. What it does when it is asked whether it is ready is said by `ready`.
struct Inner {
    ready: fn() -> Poll<io::Result<()>>,
    calls: Arc<AtomicUsize>,
    clones: Arc<AtomicUsize>,
}

impl Inner {
    fn new(ready: fn() -> Poll<io::Result<()>>) -> Self {
        Self { ready, calls: Arc::default(), clones: Arc::default() }
    }

    fn counts(&self) -> impl Fn() -> (usize, usize) + use<> {
        let (calls, clones) = (Arc::clone(&self.calls), Arc::clone(&self.clones));
        move || (calls.load(Ordering::Relaxed), clones.load(Ordering::Relaxed))
    }
}

impl Clone for Inner {
    fn clone(&self) -> Self {
        self.clones.fetch_add(1, Ordering::Relaxed);
        Self { ready: self.ready, calls: Arc::clone(&self.calls), clones: Arc::clone(&self.clones) }
    }
}

impl Service<()> for Inner {
    type Response = ();
    type Error = io::Error;
    type Future = Ready<io::Result<()>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        (self.ready)()
    }

    fn call(&mut self, (): ()) -> Self::Future {
        self.calls.fetch_add(1, Ordering::Relaxed);
        ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_free_call_is_released_within_call_and_the_inner_service_not_cloned() {
    let inner = Inner::new(|| Poll::Ready(Ok(())));
    let counts = inner.counts();
    let mut service = RateLimit::new(inner, per_second(3));
    let calls: Vec<_> = (0..3).map(|_| service.call(())).collect();
    assert_eq!(counts(), (3, 0));
    // It was made, so it counts, polled or not.
    drop(calls);
    assert_eq!(service.limiter().snapshot().available, 0);
    // No more are free: the next arrives when it is first polled.
    let begun = Instant::now();
    let mut last = task::spawn(service.call(()));
    sleep(ms(400)).await;
    assert_pending!(last.poll());
    assert_eq!(counts().0, 3);
    sleep(ms(600)).await;
    assert_ready_ok!(last.poll());
    assert_eq!(begun.elapsed(), ms(1000));
}

#[tokio::test(start_paused = true)]
async fn what_has_become_free_meanwhile_is_found_within_call() {
    for quota in [Quota::per_second(1).unwrap(), Quota::per_second(1).unwrap().spaced()] {
        let inner = Inner::new(|| Poll::Ready(Ok(())));
        let counts = inner.counts();
        let mut service = RateLimit::new(inner, Limiter::new(quota));
        for released in 1..4 {
            drop(service.call(()));
            assert_eq!(counts().0, released);
            drop(service.call(()));
            assert_eq!(counts().0, released, "never polled, so it never arrived");
            advance(ms(1000)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_not_overtaken_by_a_call_that_is_made_when_its_permit_is_free() {
    let mut service = RateLimit::new(Inner::new(|| Poll::Ready(Ok(()))), per_second(1));
    service.call(()).await.unwrap();
    let mut first = task::spawn(service.call(()));
    assert_pending!(first.poll());
    sleep(ms(1000)).await;
    assert!(first.is_woken());
    let mut second = task::spawn(service.call(()));
    assert_pending!(second.poll());
    assert_ready_ok!(first.poll());
    sleep(ms(1000)).await;
    assert_ready_ok!(second.poll());
}

#[tokio::test(start_paused = true)]
async fn an_inner_service_that_is_not_ready_costs_no_permit_and_its_queue_holds_nobody_who_is_not_polled() {
    let slots = Arc::new(Semaphore::new(1));
    let below = ConcurrencyLimit::with_semaphore(Inner::new(|| Poll::Ready(Ok(()))), Arc::clone(&slots));
    let mut service = RateLimit::new(below, per_second(2));
    let busy = Arc::clone(&slots).acquire_owned().await.unwrap();
    let call = service.call(());
    assert_eq!(service.limiter().snapshot().available, 2);
    drop(busy);
    // Neither the service nor the future stands before this one.
    drop(timeout(ms(0), slots.acquire()).await.unwrap().unwrap());
    let mut call = task::spawn(call);
    assert_ready_ok!(call.poll());
    assert_eq!(service.limiter().snapshot().available, 1);
}

#[tokio::test(start_paused = true)]
async fn readiness_is_given_up_if_there_is_no_permit() {
    let slots = Arc::new(Semaphore::new(1));
    let below = ConcurrencyLimit::with_semaphore(Inner::new(|| Poll::Ready(Ok(()))), Arc::clone(&slots));
    let limiter = per_second(2);
    let mut service = RateLimit::new(below, limiter.clone());
    service.call(()).await.unwrap();
    // That nothing is free is only known under the lock.
    limiter.pause(ms(500), ms(1000));
    let call = service.call(());
    assert_eq!(slots.available_permits(), 1);
    let mut call = task::spawn(call);
    assert_pending!(call.poll());
    assert_eq!(slots.available_permits(), 1);
    sleep(ms(500)).await;
    assert_ready_ok!(call.poll());
}

#[tokio::test(start_paused = true)]
async fn an_inner_service_that_fails_to_become_ready_fails_the_call_and_costs_no_permit() {
    let inner = Inner::new(|| Poll::Ready(Err(io::Error::other("never"))));
    let counts = inner.counts();
    let mut service = RateLimit::new(inner, per_second(1));
    for _ in 0..2 {
        let error = assert_ready_err!(task::spawn(service.call(())).poll());
        assert_eq!(error.downcast_ref::<io::Error>().unwrap().to_string(), "never");
    }
    assert_eq!((counts().0, service.limiter().snapshot().available), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_panic_within_call_loses_its_own_permit_and_no_more() {
    let told = Arc::new(AtomicUsize::new(0));
    let hook = Arc::clone(&told);
    let layer = RateLimitLayer::new(Quota::per_second(3).unwrap())
        .on_wait(move |_| _ = hook.fetch_add(1, Ordering::Relaxed));
    let mut service = layer.layer(service_fn(|panics: bool| {
        assert!(!panics, "as told");
        ready(Ok::<_, Infallible>(()))
    }));
    service.call(false).await.unwrap();
    catch_unwind(AssertUnwindSafe(|| drop(service.call(true)))).unwrap_err();
    assert_eq!(layer.limiter().snapshot().available, 1);
    service.call(false).await.unwrap();
    let begun = Instant::now();
    service.call(false).await.unwrap();
    assert_eq!((begun.elapsed(), told.load(Ordering::Relaxed)), (ms(1000), 3));
}

#[tokio::test(start_paused = true)]
async fn a_room_is_free_again_once_its_call_is_released() {
    let limiter = per_second(1).with_max_queue(1);
    let layer = RateLimitLayer::from(limiter).with_backpressure();
    let mut service = layer.layer(service_fn(|()| pending::<Result<(), BoxError>>()));
    let _released = service.ready().await.unwrap().call(());
    let mut waiting = task::spawn(service.ready().await.unwrap().call(()));
    assert_pending!(waiting.poll());
    assert_pending!(task::spawn(service.ready()).poll());
}

#[tokio::test(start_paused = true)]
async fn a_key_is_in_use_while_its_call_is_on_its_way() {
    let keyed = KeyedLimiter::new(Quota::per_second(5).unwrap(), 1).unwrap();
    let slow = service_fn(|_: u32| async {
        sleep(ms(2000)).await;
        Ok::<_, Infallible>(())
    });
    let mut service = RateLimitLayer::keyed(keyed.clone(), |key: &u32| *key).layer(slow);
    let on_its_way = service.call(1);
    let refused = service.call(2).await.unwrap_err();
    assert!(refused.is::<RateLimited>(), "{refused}");
    on_its_way.await.unwrap();
    service.call(2).await.unwrap();
}

/// Several windows and a cost above one go over the lock, a cost of one past it: they see the same permits.
#[tokio::test(start_paused = true)]
async fn what_was_taken_without_the_lock_counts_for_all() {
    let quotas = Quota::per_second(20).unwrap().and(Quota::new(30, ms(5000)).unwrap()).unwrap();
    let limiter = Limiter::new(quotas);
    for left in (10..20).rev() {
        limiter.try_acquire().unwrap();
        assert_eq!(limiter.snapshot().available, left);
    }
    let given_back: Vec<_> = (0..4).map(|_| limiter.try_acquire().unwrap()).collect();
    limiter.try_acquire_many(7).unwrap_err();
    given_back.into_iter().for_each(rate_limit::Permit::give_back);
    limiter.try_acquire_many(7).unwrap();
    for _ in 0..3 {
        limiter.try_acquire().unwrap();
    }
    assert_eq!(limiter.try_acquire().unwrap_err().retry_after(), ms(1000));
    advance(ms(1000)).await;
    (0..10).for_each(|_| drop(limiter.try_acquire().unwrap()));
    assert_eq!(limiter.try_acquire().unwrap_err().retry_after(), ms(4000));
}

/// A pause, another quota or a waiter ends what newcomers take without the lock, at once.
#[tokio::test(start_paused = true)]
async fn changes_hold_at_once() {
    let limiter = per_second(100);
    (0..10).for_each(|_| drop(limiter.try_acquire().unwrap()));
    limiter.pause(ms(100), ms(1000));
    limiter.try_acquire().unwrap_err();
    advance(ms(100)).await;
    (0..10).for_each(|_| drop(limiter.try_acquire().unwrap()));
    limiter.set_quotas(Quota::per_second(21).unwrap()).unwrap();
    limiter.try_acquire().unwrap();
    limiter.try_acquire().unwrap_err();
    limiter.set_quotas(Quota::per_second(100).unwrap()).unwrap();
    (0..10).for_each(|_| drop(limiter.try_acquire().unwrap()));
    let mut costly = task::spawn(limiter.acquire_many(80));
    assert_pending!(costly.poll());
    limiter.try_acquire().unwrap_err();
    assert_pending!(task::spawn(limiter.acquire()).poll());
    drop(costly);
    limiter.try_acquire().unwrap();
}

/// Two threads take what is free as fast as they can, while a third looks at the limiter.
#[test]
fn threads_that_never_wait_keep_the_window() {
    const EACH: usize = 100_000;
    let quota = Quota::new(1000, ms(1)).unwrap();
    let limiter = Limiter::new(quota);
    let taker = |limiter: Limiter| {
        move || {
            let mut grants = Vec::with_capacity(EACH);
            while grants.len() < EACH {
                match limiter.try_acquire() {
                    Ok(permit) => grants.push(permit.at()),
                    Err(_) => thread::yield_now(),
                }
            }
            grants
        }
    };
    let takers = [thread::spawn(taker(limiter.clone())), thread::spawn(taker(limiter.clone()))];
    while takers.iter().any(|taker| !taker.is_finished()) {
        assert!(limiter.snapshot().available <= 1000);
        thread::yield_now();
    }
    let mut grants: Vec<_> = takers.into_iter().flat_map(|taker| taker.join().unwrap()).collect();
    assert_eq!(grants.len(), 2 * EACH);
    grants.sort();
    assert_exact(&grants, quota);
}
