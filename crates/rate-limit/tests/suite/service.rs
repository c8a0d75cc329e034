//! The layer and its services, among tower's own, under a paused clock.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rate_limit::{BoxError, Limiter, Quota, RateLimit, RateLimitLayer, RateLimited};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, advance, sleep, timeout};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::buffer::Buffer;
use tower::limit::ConcurrencyLimit;
use tower::load_shed::LoadShed;
use tower::retry::{Policy, Retry};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use wire_fault::Verdict;

use crate::common::{assert_exact, ms, per_second};

/// Answers at once, and notes when it was called.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Instant>>>);

impl Log {
    fn releases(&self) -> Vec<Instant> {
        self.0.lock().unwrap().clone()
    }
}

impl Service<usize> for Log {
    type Response = usize;
    type Error = Infallible;
    type Future = Ready<Result<usize, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: usize) -> Self::Future {
        self.0.lock().unwrap().push(Instant::now());
        ready(Ok(request))
    }
}

/// Ready while it is open. Each clone must be ready before it is called.
struct Gate {
    shared: Arc<Mutex<(bool, Vec<Waker>)>>,
    log: Log,
    ready: bool,
}

impl Gate {
    fn new(open: bool) -> Self {
        Self { shared: Arc::new(Mutex::new((open, vec![]))), log: Log::default(), ready: false }
    }

    fn set(&self, open: bool) {
        let mut shared = self.shared.lock().unwrap();
        shared.0 = open;
        if open {
            shared.1.drain(..).for_each(Waker::wake);
        }
    }
}

impl Clone for Gate {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), log: self.log.clone(), ready: false }
    }
}

impl Service<usize> for Gate {
    type Response = usize;
    type Error = Infallible;
    type Future = Ready<Result<usize, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        let mut shared = self.shared.lock().unwrap();
        self.ready = shared.0;
        if shared.0 {
            return Poll::Ready(Ok(()));
        }
        shared.1.push(cx.waker().clone());
        Poll::Pending
    }

    fn call(&mut self, request: usize) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without being ready");
        self.log.call(request)
    }
}

#[tokio::test(start_paused = true)]
async fn five_services_of_one_layer_share_one_quota() {
    let layer = RateLimitLayer::new(Quota::per_second(10).unwrap());
    let log = Log::default();
    let services: Vec<_> = (0..5).map(|_| layer.clone().layer(log.clone())).collect();
    let mut calls = JoinSet::new();
    for i in 0..50 {
        calls.spawn(services[i % 5].clone().oneshot(i));
    }
    assert!(calls.join_all().await.iter().all(Result::is_ok));
    let releases = log.releases();
    assert_exact(&releases, Quota::per_second(10).unwrap());
    assert_eq!(releases[49] - releases[0], ms(4000));
}

#[tokio::test(start_paused = true)]
async fn layers_of_one_limiter_share_it() {
    let limiter = per_second(1);
    let one = RateLimitLayer::from(limiter.clone()).layer(Log::default());
    let two = RateLimitLayer::from(limiter).layer(Log::default());
    let begun = Instant::now();
    one.oneshot(1).await.unwrap();
    two.oneshot(2).await.unwrap();
    assert_eq!(begun.elapsed(), ms(1000));
}

#[tokio::test(start_paused = true)]
async fn readiness_that_is_dropped_burns_nothing() {
    let mut service = RateLimit::new(Log::default(), per_second(10));
    for _ in 0..100 {
        service.ready().await.unwrap();
    }
    assert_eq!(service.limiter().snapshot().available, 10);
    let begun = Instant::now();
    service.ready().await.unwrap().call(0).await.unwrap();
    assert!(begun.elapsed().is_zero());
}

#[tokio::test(start_paused = true)]
async fn readied_clones_do_not_burst() {
    let log = Log::default();
    let service = RateLimit::new(log.clone(), per_second(10));
    let mut clones = vec![service; 50];
    for clone in &mut clones {
        clone.ready().await.unwrap();
    }
    let mut calls: JoinSet<_> = clones.iter_mut().enumerate().map(|(i, clone)| clone.call(i)).collect();
    sleep(ms(1)).await;
    assert_eq!(log.releases().len(), 10);
    while let Some(answer) = calls.join_next().await {
        answer.unwrap().unwrap();
    }
    assert_exact(&log.releases(), Quota::per_second(10).unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_waiting_call_holds_nothing_of_a_concurrency_limit_below() {
    let permit = Arc::new(Semaphore::new(1));
    let below = ConcurrencyLimit::with_semaphore(Log::default(), permit);
    let mut limited = RateLimit::new(below.clone(), per_second(1));
    limited.call(1).await.unwrap();
    let mut waiting = task::spawn(limited.call(2));
    assert_pending!(waiting.poll());
    // Others get at the inner service at once.
    timeout(Duration::ZERO, below.oneshot(3)).await.unwrap().unwrap();
    sleep(ms(1000)).await;
    assert_ready_ok!(waiting.poll());
}

#[tokio::test(start_paused = true)]
async fn readiness_that_comes_without_a_permit_is_given_up() {
    let permit = Arc::new(Semaphore::new(1));
    let below = ConcurrencyLimit::with_semaphore(Log::default(), Arc::clone(&permit));
    let limiter = per_second(1);
    let mut limited = RateLimit::new(below.clone(), limiter.clone());
    // Its turn, but the inner service is not ready: it steps aside, and somebody else has the permit.
    let busy = Arc::clone(&permit).acquire_owned().await.unwrap();
    let mut call = task::spawn(limited.call(1));
    assert_pending!(call.poll());
    limiter.try_acquire().unwrap();
    // Now the inner service is ready, but there is no permit until a second later.
    drop(busy);
    assert!(call.is_woken());
    assert_pending!(call.poll());
    timeout(Duration::ZERO, below.oneshot(2)).await.unwrap().unwrap();
    sleep(ms(1000)).await;
    assert!(call.is_woken());
    assert_ready_ok!(call.poll());
}

#[tokio::test(start_paused = true)]
async fn an_unready_service_gives_its_turn_away_and_keeps_its_place() {
    for quota in [Quota::per_second(1).unwrap(), Quota::per_second(1).unwrap().spaced()] {
        let layer = RateLimitLayer::new(quota);
        let gate = Gate::new(false);
        let mut unready = layer.layer(gate.clone());
        let mut fine = layer.layer(Log::default());
        let mut first = task::spawn(unready.call(1));
        let mut second = task::spawn(unready.call(2));
        assert_pending!(first.poll());
        assert_pending!(second.poll());
        // Nobody is stopped, and nothing was counted.
        let begun = Instant::now();
        fine.call(3).await.unwrap();
        assert!(begun.elapsed().is_zero());

        let mut last = task::spawn(fine.call(4));
        assert_pending!(last.poll());
        gate.set(true);
        // They come back late and out of order, and stand where they stood.
        assert_pending!(second.poll());
        assert_pending!(first.poll());
        for call in [&mut first, &mut second] {
            sleep(ms(1000)).await;
            assert!(call.is_woken() && !last.is_woken());
            assert_ready_ok!(call.poll());
        }
        sleep(ms(1000)).await;
        assert_ready_ok!(last.poll());
        assert_exact(&gate.log.releases(), quota);
    }
}

#[tokio::test(start_paused = true)]
async fn who_stepped_aside_waits_for_the_next_permit_however_long_the_service_took() {
    let (limiter, gate) = (per_second(1), Gate::new(false));
    let mut service = RateLimitLayer::from(limiter.clone().with_max_wait(ms(500))).layer(gate.clone());
    let begun = Instant::now();
    let mut call = task::spawn(service.call(1));
    assert_pending!(call.poll());
    sleep(ms(3000)).await;
    limiter.acquire().await.unwrap();
    gate.set(true);
    assert!(call.is_woken());
    assert_pending!(call.poll());
    sleep(ms(1000)).await;
    assert!(call.is_woken());
    assert_eq!(assert_ready_ok!(call.poll()), 1);
    assert_eq!(begun.elapsed(), ms(4000));
}

#[tokio::test(start_paused = true)]
async fn who_stepped_aside_before_a_pause_fails_at_its_max_wait() {
    let limiter = per_second(10).with_max_wait(ms(2000));
    let gate = Gate::new(false);
    let begun = Instant::now();
    let mut call = task::spawn(RateLimit::new(gate.clone(), limiter.clone()).call(1));
    assert_pending!(call.poll());
    sleep(ms(10)).await;
    limiter.pause(ms(30_000), ms(60_000));
    gate.set(true);
    assert!(call.is_woken());
    let error = call.into_inner().await.unwrap_err();
    assert_eq!(begun.elapsed(), ms(2000));
    assert_eq!(error.downcast_ref::<RateLimited>().unwrap().retry_after(), ms(28_010));
    assert!(gate.log.releases().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_slow_service_under_a_concurrency_limit_is_called_in_order() {
    let order = Arc::new(Mutex::new(vec![]));
    let served = Arc::clone(&order);
    let slow = service_fn(move |request: usize| {
        served.lock().unwrap().push(request);
        async move {
            sleep(ms(30)).await;
            Ok::<_, Infallible>(request)
        }
    });
    let service = RateLimit::new(ConcurrencyLimit::new(slow, 1), per_second(10));
    let mut calls = JoinSet::new();
    for i in 0..40 {
        calls.spawn(service.clone().oneshot(i));
    }
    let begun = Instant::now();
    assert!(calls.join_all().await.iter().all(Result::is_ok));
    // The quota is what bounds: bursts of ten take 300 ms, then wait for the second to pass.
    assert!(begun.elapsed() < ms(3700), "{:?}", begun.elapsed());
    assert!(order.lock().unwrap().is_sorted());
}

/// Takes 60 ms to say that it is ready, with its thread blocked.
#[derive(Clone)]
struct Slow(Log);

impl Service<usize> for Slow {
    type Response = usize;
    type Error = Infallible;
    type Future = Ready<Result<usize, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The first poll moves the clock; the rest only yields.
        let _ = pin!(advance(ms(60))).poll(cx);
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: usize) -> Self::Future {
        self.0.call(request)
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_counts_from_the_call_and_not_from_before_the_service_was_asked_whether_it_is_ready() {
    for quota in [Quota::per_second(1).unwrap(), Quota::per_second(2).unwrap().spaced()] {
        let log = Log::default();
        let mut service = RateLimit::new(Slow(log.clone()), Limiter::new(quota));
        // The first finds a permit; the others wait for one. What comes behind is fast.
        for i in 0..3 {
            service.call(i).await.unwrap();
            let limiter = service.limiter().clone();
            let permit = limiter.acquire().await.unwrap();
            log.0.lock().unwrap().push(permit.at());
        }
        assert_exact(&log.releases(), quota);
        assert_eq!(log.releases().len(), 6);
    }
}

#[derive(Clone)]
struct Thrice(usize);

impl Policy<usize, usize, BoxError> for Thrice {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut usize, result: &mut Result<usize, BoxError>) -> Option<Ready<()>> {
        if result.is_ok() || self.0 == 0 {
            return None;
        }
        self.0 -= 1;
        Some(ready(()))
    }

    fn clone_request(&mut self, request: &usize) -> Option<usize> {
        Some(*request)
    }
}

#[tokio::test(start_paused = true)]
async fn repeats_of_a_retry_above_are_paced() {
    let begun = Instant::now();
    let attempts = Arc::new(Mutex::new(vec![]));
    let noted = Arc::clone(&attempts);
    let failing = service_fn(move |_: usize| {
        noted.lock().unwrap().push(begun.elapsed());
        ready(Err::<usize, _>(io::Error::other("cut")))
    });
    let limited = RateLimit::new(failing, Limiter::new(Quota::per_second(10).unwrap().spaced()));
    let error = Retry::new(Thrice(3), limited).oneshot(1).await.unwrap_err();
    assert_eq!(error.downcast_ref::<io::Error>().unwrap().to_string(), "cut");
    assert_eq!(*attempts.lock().unwrap(), [ms(0), ms(100), ms(200), ms(300)]);
}

#[tokio::test(start_paused = true)]
async fn between_buffers() {
    let log = Log::default();
    let below = Buffer::new(log.clone(), 4);
    let above = Buffer::new(RateLimit::new(below, per_second(5)), 100);
    let mut calls = JoinSet::new();
    for i in 0..20 {
        calls.spawn(above.clone().oneshot(i));
    }
    let answers = calls.join_all().await;
    assert!(answers.iter().all(Result::is_ok));
    assert_exact(&log.releases(), Quota::per_second(5).unwrap());
    assert_eq!(log.releases().last().unwrap().duration_since(log.releases()[0]), ms(3000));
}

#[tokio::test(start_paused = true)]
async fn a_load_shed_above_does_not_shed_and_bounds_do() {
    let limiter = per_second(1).with_max_queue(1);
    let mut service = LoadShed::new(RateLimit::new(Log::default(), limiter));
    service.ready().await.unwrap().call(1).await.unwrap();
    let mut waiting = task::spawn(service.ready().await.unwrap().call(2));
    assert_pending!(waiting.poll());
    let error = service.ready().await.unwrap().call(3).await.unwrap_err();
    let refused = error.downcast_ref::<RateLimited>().unwrap();
    assert_eq!(refused.retry_after(), ms(2000));
    assert_eq!(Verdict::of(&*error), Some(Verdict::RefusedLocally));
}

#[tokio::test(start_paused = true)]
async fn errors_pass_through_boxed_once() {
    let limiter = per_second(10);
    let plain = service_fn(|()| ready(Err::<(), _>(io::Error::other("plain"))));
    let error = RateLimit::new(plain, limiter.clone()).oneshot(()).await.unwrap_err();
    assert_eq!(error.downcast_ref::<io::Error>().unwrap().to_string(), "plain");
    let boxed = service_fn(|()| ready(Err::<(), BoxError>(io::Error::other("boxed").into())));
    let error = RateLimit::new(boxed, limiter).oneshot(()).await.unwrap_err();
    assert_eq!(error.downcast_ref::<io::Error>().unwrap().to_string(), "boxed");
}

/// Fails, or panics, in one of its two methods.
#[derive(Clone)]
enum Broken {
    ReadyFails,
    ReadyPanics,
    CallPanics,
}

impl Service<()> for Broken {
    type Response = ();
    type Error = io::Error;
    type Future = Ready<io::Result<()>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::ReadyFails => Poll::Ready(Err(io::Error::other("never ready"))),
            Self::ReadyPanics => panic!("in poll_ready"),
            Self::CallPanics => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, (): ()) -> Self::Future {
        panic!("in call")
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_fails_or_panics_before_the_call_uses_no_permit() {
    for quota in [Quota::per_second(1).unwrap(), Quota::per_second(1).unwrap().spaced()] {
        let limiter = Limiter::new(quota);
        let error = RateLimit::new(Broken::ReadyFails, limiter.clone()).oneshot(()).await.unwrap_err();
        assert_eq!(error.to_string(), "never ready");
        assert_eq!(limiter.snapshot().available, 1);

        let panics = RateLimit::new(Broken::ReadyPanics, limiter.clone());
        assert!(tokio::spawn(panics.oneshot(())).await.unwrap_err().is_panic());
        assert_eq!(limiter.snapshot().available, 1);

        // In the call, it was released: it counts. The others go on.
        let panics = RateLimit::new(Broken::CallPanics, limiter.clone());
        assert!(tokio::spawn(panics.oneshot(())).await.unwrap_err().is_panic());
        assert_eq!(limiter.snapshot().available, 0);
        let begun = Instant::now();
        limiter.acquire().await.unwrap();
        assert_eq!(begun.elapsed(), ms(1000));
    }
}

#[tokio::test(start_paused = true)]
async fn a_permit_given_back_goes_to_who_waits() {
    // Three wait; the first two fail when their turn has come; the third is not delayed.
    let limiter = per_second(1);
    limiter.try_acquire().unwrap();
    let mut broken = RateLimit::new(Broken::ReadyFails, limiter.clone());
    let mut first = task::spawn(broken.call(()));
    let mut second = task::spawn(broken.call(()));
    let mut third = task::spawn(limiter.acquire());
    assert_pending!(first.poll());
    assert_pending!(second.poll());
    assert_pending!(third.poll());
    sleep(ms(1000)).await;
    assert_ready_err!(first.poll());
    assert!(second.is_woken());
    assert_ready_err!(second.poll());
    assert!(third.is_woken());
    assert_ready_ok!(third.poll());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_uses_no_permit() {
    let called = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&called);
    let inner = service_fn(move |()| {
        count.fetch_add(1, Ordering::Relaxed);
        ready(Ok::<_, Infallible>(()))
    });
    let mut service = RateLimit::new(inner, per_second(1));
    service.call(()).await.unwrap();
    timeout(ms(900), service.call(())).await.unwrap_err();
    assert_eq!(service.limiter().snapshot().waiting, 0);
    let begun = Instant::now();
    service.call(()).await.unwrap();
    assert_eq!(begun.elapsed(), ms(100));
    assert_eq!(called.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn in_a_service_builder_boxed() {
    let mut service = ServiceBuilder::new()
        .boxed_clone()
        .layer(RateLimitLayer::new(Quota::per_second(1).unwrap()))
        .service(Log::default());
    let begun = Instant::now();
    for i in 0..3 {
        assert_eq!(service.ready().await.unwrap().call(i).await.unwrap(), i);
    }
    assert_eq!(begun.elapsed(), ms(2000));
}
