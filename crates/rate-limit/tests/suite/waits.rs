//! What the layer tells of waits, under a paused clock.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rate_limit::{KeyedLimiter, Limiter, Quota, RateLimitLayer};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::limit::ConcurrencyLimit;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::common::{ms, per_second};

fn echo() -> impl Service<u32, Response = u32, Error = Infallible, Future: Send> + Clone + use<> {
    service_fn(|request: u32| async move { Ok(request) })
}

#[derive(Clone, Default)]
struct Waits(Arc<Mutex<Vec<Duration>>>);

impl Waits {
    fn hook(&self) -> impl Fn(Duration) + Send + Sync + 'static {
        let waits = Arc::clone(&self.0);
        move |wait| waits.lock().unwrap().push(wait)
    }

    fn take(&self) -> Vec<Duration> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn each_released_call_is_told_of_once() {
    let waits = Waits::default();
    let layer = RateLimitLayer::new(Quota::per_second(2).unwrap()).on_wait(waits.hook());
    let (mut one, mut two) = (layer.layer(echo()), layer.clone().layer(echo()).clone());
    for i in 0..2 {
        one.call(i).await.unwrap();
    }
    let mut third = task::spawn(two.call(3));
    assert_pending!(third.poll());
    sleep(ms(400)).await;
    assert_pending!(third.poll());
    // It arrives when it is polled, not when it is made.
    let late = one.call(4);
    sleep(ms(100)).await;
    let mut late = task::spawn(late);
    assert_pending!(late.poll());
    assert_eq!(waits.take(), [ms(0), ms(0)]);
    sleep(ms(500)).await;
    assert_ready_ok!(third.poll());
    assert_ready_ok!(late.poll());
    assert_eq!(waits.take(), [ms(1000), ms(500)]);
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_or_leaves_is_not_told_of() {
    let waits = Waits::default();
    let limiter = per_second(1).with_max_wait(ms(1000));
    let mut service =
        RateLimitLayer::from(limiter).with_cost(|&request: &u32| request).on_wait(waits.hook()).layer(echo());
    service.call(1).await.unwrap();
    timeout(ms(500), service.call(1)).await.unwrap_err();
    let mut waiting = task::spawn(service.call(1));
    assert_pending!(waiting.poll());
    assert!(service.call(1).await.is_err() && service.call(2).await.is_err());
    // One that costs nothing is released too.
    service.call(0).await.unwrap();
    sleep(ms(500)).await;
    assert_ready_ok!(waiting.poll());
    assert_eq!(waits.take(), [ms(0), ms(0), ms(500)]);
}

#[tokio::test(start_paused = true)]
async fn the_wait_ends_when_the_inner_service_is_called() {
    let waits = Waits::default();
    let slots = Arc::new(Semaphore::new(1));
    let inner = ConcurrencyLimit::with_semaphore(echo(), Arc::clone(&slots));
    let mut service = RateLimitLayer::new(Quota::per_second(9).unwrap()).on_wait(waits.hook()).layer(inner);
    let busy = Arc::clone(&slots).acquire_owned().await.unwrap();
    let mut call = task::spawn(service.call(1));
    assert_pending!(call.poll());
    sleep(ms(70)).await;
    drop(busy);
    assert_ready_ok!(call.poll());
    assert_eq!(waits.take(), [ms(70)]);
}

#[tokio::test(start_paused = true)]
async fn a_panicking_hook_harms_nobody() {
    let layer = RateLimitLayer::new(Quota::per_second(1).unwrap()).on_wait(|_| panic!("a hook's"));
    let mut service = layer.layer(echo());
    assert_eq!(service.call(1).await.unwrap(), 1);
    let mut calls: Vec<_> = (2..5).map(|i| task::spawn(service.call(i))).collect();
    for call in &mut calls {
        assert_pending!(call.poll());
    }
    for mut call in calls {
        sleep(ms(1000)).await;
        assert_ready_ok!(call.poll());
    }
    assert_eq!(layer.limiter().snapshot().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn the_hook_of_a_keyed_layer_hears_of_all_keys_and_may_ask_the_limiter() {
    let heard = Arc::new(Mutex::new(vec![]));
    let limiter = KeyedLimiter::new(Quota::per_second(1).unwrap(), 10).unwrap();
    let (keys, note) = (limiter.clone(), Arc::clone(&heard));
    let layer = RateLimitLayer::keyed(limiter, |&key: &u32| key).on_wait(move |wait| {
        // No lock is held.
        note.lock().unwrap().push((wait, keys.limiter(1).unwrap().snapshot().available));
    });
    let mut service = layer.layer(echo());
    for key in [1, 2, 1] {
        service.ready().await.unwrap().call(key).await.unwrap();
    }
    assert_eq!(*heard.lock().unwrap(), [(ms(0), 0), (ms(0), 0), (ms(1000), 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_permit_tells_its_wait() {
    let limiter = Limiter::new(Quota::per_second(1).unwrap().spaced());
    assert_eq!(limiter.try_acquire().unwrap().waited(), ms(0));
    sleep(ms(300)).await;
    assert_eq!(limiter.acquire().await.unwrap().waited(), ms(700));
}
