//! What a layer can be told: to listen, to count costs, to press back. And balance. Under a paused clock.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use rate_limit::{BoxError, KeyedLimiter, Limiter, Pauses, Quota, RateLimitLayer, RateLimited};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::balance::p2c::Balance;
use tower::buffer::Buffer;
use tower::discover::ServiceList;
use tower::load::{CompleteOnResponse, PendingRequests};
use tower::load_shed::{LoadShed, error::Overloaded};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::common::{assert_exact, ms, per_second};

const TOO_MANY: StatusCode = StatusCode::TOO_MANY_REQUESTS;

#[track_caller]
fn asked(status: StatusCode, headers: &[(&'static str, &'static str)]) -> Option<u64> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    Pauses::asked(status, &map).map(|asked| asked.as_secs())
}

#[test]
fn what_a_response_asks_for() {
    const R: &str = "retry-after";
    const L: &str = "ratelimit";
    for (asks, headers) in [
        (None, &[] as &[_]),
        (Some(7), &[(R, "7")]),
        (Some(7), &[(R, " 7 ")]),
        (None, &[(R, "0")]),
        (None, &[(R, "-7")]),
        (None, &[(R, "+7")]),
        (None, &[(R, "7.5")]),
        (None, &[(R, "soon")]),
        (Some(u64::MAX), &[(R, "99999999999999999999999")]),
        // A date is as far away as the server says.
        (Some(10), &[(R, "Fri, 31 Dec 1999 23:59:59 GMT"), ("date", "Fri, 31 Dec 1999 23:59:49 GMT")]),
        (None, &[(R, "Fri, 31 Dec 1999 23:59:59 GMT"), ("date", "Sat, 01 Jan 2000 00:00:00 GMT")]),
        (None, &[(R, "Fri, 31 Dec 1999 23:59:59 GMT")]),
        // Retry-After comes first, even if it can't be read.
        (Some(7), &[(R, "7"), (L, "\"a\";r=0;t=30")]),
        (None, &[(R, "soon"), (L, "\"a\";r=0;t=30")]),
        (Some(30), &[(L, "\"a\";r=0;t=30")]),
        (Some(30), &[(L, "\"a\";r=0;t=30, \"b\";r=5;t=90, \"c\";r=0;t=20;pk=:YQ==:")]),
        (Some(30), &[(L, "\"a\";r=0;t=20"), (L, "\"b\";r=0;t=30")]),
        (None, &[(L, "\"a\";r=1;t=30")]),
        (None, &[(L, "\"a\";r=0")]),
        (None, &[(L, "\"a\";r=0;t=-3")]),
        (None, &[(L, "\"a;r=0;t=30")]),
        (Some(20), &[("ratelimit-remaining", "0"), ("ratelimit-reset", "20")]),
        (None, &[("ratelimit-remaining", "1"), ("ratelimit-reset", "20")]),
        (None, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "20")]),
    ] {
        assert_eq!(asked(TOO_MANY, headers), asks, "{headers:?}");
        assert_eq!(asked(StatusCode::SERVICE_UNAVAILABLE, headers), asks);
        assert_eq!(asked(StatusCode::OK, headers), None);
        assert_eq!(asked(StatusCode::INTERNAL_SERVER_ERROR, headers), None);
    }
    let year = SystemTime::UNIX_EPOCH + Duration::from_secs(946_684_799);
    assert_eq!(httpdate::fmt_http_date(year), "Fri, 31 Dec 1999 23:59:59 GMT");
}

type Answers = Arc<Mutex<Vec<Option<&'static str>>>>;

/// Answers 429 with these waits, the last first, then 200; and notes when it was called.
fn server(
    answers: &Answers,
    log: &Arc<Mutex<Vec<Instant>>>,
) -> impl Service<Request<()>, Response = Response<()>, Error = Infallible, Future: Send> + Clone + use<> {
    let (answers, log) = (Arc::clone(answers), Arc::clone(log));
    service_fn(move |_: Request<()>| {
        log.lock().unwrap().push(Instant::now());
        let answer = answers.lock().unwrap().pop().flatten();
        async move {
            sleep(ms(100)).await;
            let mut response = Response::new(());
            if let Some(wait) = answer {
                *response.status_mut() = TOO_MANY;
                response.headers_mut().insert("retry-after", HeaderValue::from_static(wait));
            }
            Ok::<_, Infallible>(response)
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_429_pauses_all_once() {
    let (answers, log) = (Answers::default(), Arc::default());
    // Of the first five, three are refused, for as long.
    answers.lock().unwrap().extend([Some("3"), None, Some("3"), Some("3"), None]);
    let limiter = per_second(5);
    let layer = RateLimitLayer::http(limiter.clone());
    let service = layer.layer(server(&answers, &log));
    let begun = Instant::now();
    let mut calls: JoinSet<_> = (0..12).map(|_| service.clone().oneshot(Request::new(()))).collect();
    while let Some(answer) = calls.join_next().await {
        answer.unwrap().unwrap();
    }
    let at: Vec<_> = log.lock().unwrap().iter().map(|at| *at - begun).collect();
    assert!(at[..5].iter().all(Duration::is_zero));
    assert!(at[5..10].iter().all(|at| *at == ms(3100)), "{at:?}");
    assert!(at[10..].iter().all(|at| *at == ms(4100)), "{at:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_is_too_long_fails_calls_at_once_and_ends() {
    let (answers, log) = (Answers::default(), Arc::default());
    answers.lock().unwrap().push(Some("86400"));
    let layer = RateLimitLayer::http(Quota::per_second(5).unwrap())
        .with_listener(Pauses::default().with_most(Duration::from_secs(10)));
    let service = layer.layer(server(&answers, &log));
    assert_eq!(service.clone().oneshot(Request::new(())).await.unwrap().status(), TOO_MANY);
    let error = service.clone().oneshot(Request::new(())).await.unwrap_err();
    let refused = error.downcast_ref::<RateLimited>().unwrap();
    assert_eq!(refused.retry_after(), Duration::from_secs(86_400));
    assert_eq!(log.lock().unwrap().len(), 1);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(service.oneshot(Request::new(())).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_new_pause_is_not_told_as_one_that_is_over() {
    let limiter = per_second(5);
    let second = Duration::from_secs;
    limiter.pause(second(86_400), second(60));
    sleep(second(61)).await;
    limiter.acquire().await.unwrap();
    limiter.pause(second(100), second(60));
    assert_eq!(limiter.acquire().await.unwrap_err().retry_after(), second(100));
    // One that has not ended yet is the longer of the two.
    limiter.pause(second(80), second(70));
    sleep(second(69)).await;
    assert_eq!(limiter.acquire().await.unwrap_err().retry_after(), second(31));
    sleep(second(1)).await;
    limiter.acquire().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_that_of_the_key_and_a_function_can_listen() {
    let keyed = KeyedLimiter::new(Quota::per_second(10).unwrap(), 10).unwrap();
    let layer = RateLimitLayer::keyed(keyed, |request: &&'static str| *request)
        .with_listener(|response: &u64| (*response > 0).then(|| Duration::from_secs(*response)));
    let service = layer.layer(service_fn(|request: &'static str| async move {
        Ok::<_, Infallible>(if request == "busy" { 2 } else { 0 })
    }));
    let begun = Instant::now();
    service.clone().oneshot("busy").await.unwrap();
    service.clone().oneshot("fine").await.unwrap();
    assert!(begun.elapsed().is_zero());
    service.clone().oneshot("busy").await.unwrap();
    assert_eq!(begun.elapsed(), ms(2000));
}

#[tokio::test(start_paused = true)]
async fn costs_are_counted_and_none_passes() {
    let layer = RateLimitLayer::new(Quota::per_second(10).unwrap()).with_cost(|cost: &u32| *cost);
    let service = layer.layer(service_fn(|cost: u32| async move { Ok::<_, Infallible>(cost) }));
    let begun = Instant::now();
    let mut waits = vec![];
    for cost in [6, 4, 0, 6, 5, 0] {
        service.clone().oneshot(cost).await.unwrap();
        waits.push(begun.elapsed());
    }
    assert_eq!(waits, [ms(0), ms(0), ms(0), ms(1000), ms(2000), ms(2000)]);
    let error = service.oneshot(11).await.unwrap_err();
    assert!(error.downcast_ref::<RateLimited>().unwrap().is_never());
}

fn echo() -> impl Service<usize, Response = usize, Error = Infallible, Future: Send> + Clone + use<> {
    service_fn(|request: usize| async move { Ok::<_, Infallible>(request) })
}

#[tokio::test(start_paused = true)]
async fn backpressure_is_pending_at_the_bound_and_wakes_in_order() {
    let layer = RateLimitLayer::from(per_second(1).with_max_queue(2)).with_backpressure();
    let mut service = layer.layer(echo());
    service.ready().await.unwrap().call(0).await.unwrap();
    let mut waiting = vec![];
    for request in 1..3 {
        let mut call = task::spawn(service.ready().await.unwrap().call(request));
        assert_pending!(call.poll());
        waiting.push(call);
    }
    // Clones, and other services of the layer, stand before the same door.
    let (mut first, mut second) = (service.clone(), layer.layer(echo()));
    let mut first = task::spawn(async move { first.ready().await.unwrap().call(3).await });
    let mut second = task::spawn(async move { second.ready().await.unwrap().call(4).await });
    assert_pending!(first.poll());
    assert_pending!(second.poll());
    sleep(ms(1000)).await;
    assert!(waiting[0].is_woken() && !first.is_woken());
    assert_ready_ok!(waiting[0].poll());
    assert!(first.is_woken() && !second.is_woken());
    assert_pending!(first.poll());
    // A call that is dropped makes room as well.
    drop(waiting);
    assert!(second.is_woken());
    // It did not use its permit: the first has it now.
    sleep(ms(1000)).await;
    assert_eq!(assert_ready!(first.poll()).unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_load_shed_above_sheds_at_the_bound() {
    let layer = RateLimitLayer::from(per_second(1).with_max_queue(1)).with_backpressure();
    let mut service = LoadShed::new(layer.layer(echo()));
    service.ready().await.unwrap().call(0).await.unwrap();
    let mut waiting = task::spawn(service.ready().await.unwrap().call(1));
    assert_pending!(waiting.poll());
    let shed = service.ready().await.unwrap().call(2).await.unwrap_err();
    assert!(shed.is::<Overloaded>());
    sleep(ms(1000)).await;
    assert_ready_ok!(waiting.poll());
    let mut waiting = task::spawn(service.ready().await.unwrap().call(3));
    assert_pending!(waiting.poll());
}

#[tokio::test(start_paused = true)]
async fn readiness_is_room_and_no_permit() {
    let limiter = per_second(1).with_max_queue(1);
    let layer = RateLimitLayer::from(limiter.clone()).with_backpressure();
    let mut ready = layer.layer(echo());
    ready.ready().await.unwrap();
    assert_eq!(limiter.snapshot().available, 1);
    let mut other = layer.layer(echo());
    let mut other = task::spawn(async move { other.ready().await.map(drop) });
    assert_pending!(other.poll());
    // A clone of the ready one is not ready.
    let mut clone = ready.clone();
    let mut clone = task::spawn(async move { clone.ready().await.map(drop) });
    assert_pending!(clone.poll());
    drop(ready);
    assert!(other.is_woken() && !clone.is_woken());
    assert_ready_ok!(other.poll());
    assert_eq!(limiter.snapshot().available, 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_bound_backpressure_is_none() {
    let mut service = RateLimitLayer::new(Quota::per_second(1).unwrap()).with_backpressure().layer(echo());
    let mut calls = vec![];
    for request in 0..100 {
        let mut call = task::spawn(service.ready().await.unwrap().call(request));
        let _ = call.poll();
        calls.push(call);
    }
}

fn woken<F>(calls: &[task::Spawn<F>]) -> usize {
    calls.iter().filter(|call| call.is_woken()).count()
}

/// One per second, and calls wait for half a second at most.
fn hasty() -> Limiter {
    per_second(1).with_max_wait(ms(500))
}

#[tokio::test(start_paused = true)]
async fn a_load_shed_above_sheds_when_the_wait_is_too_long() {
    for (limiter, shed_at) in [(hasty(), 400), (hasty().with_max_queue(5), 400), (per_second(1), 0)] {
        let mut service = LoadShed::new(RateLimitLayer::from(limiter).with_backpressure().layer(echo()));
        let begun = Instant::now();
        service.ready().await.unwrap().call(0).await.unwrap();
        sleep(ms(shed_at)).await;
        let answer = service.ready().await.unwrap().call(1).await;
        assert_eq!(answer.is_err_and(|error| error.is::<Overloaded>()), shed_at > 0);
        sleep(ms(100)).await;
        service.ready().await.unwrap().call(2).await.unwrap();
        assert_eq!(begun.elapsed(), ms(if shed_at > 0 { 1000 } else { 2000 }));
    }
    // Without backpressure the call is refused, at once too.
    let mut service = LoadShed::new(RateLimitLayer::from(hasty()).layer(echo()));
    service.ready().await.unwrap().call(0).await.unwrap();
    let refused = service.ready().await.unwrap().call(1).await.unwrap_err();
    assert_eq!(refused.downcast_ref::<RateLimited>().unwrap().retry_after(), ms(1000));
}

#[tokio::test(start_paused = true)]
async fn backpressure_is_pending_while_the_wait_is_too_long_and_wakes_one_at_a_time() {
    let layer = RateLimitLayer::from(hasty()).with_backpressure();
    let begun = Instant::now();
    layer.layer(echo()).oneshot(0).await.unwrap();
    let ready = |request| layer.layer(echo()).oneshot(request);
    let mut calls: Vec<_> = (1..4).map(|request| task::spawn(ready(request))).collect();
    for call in &mut calls {
        assert_pending!(call.poll());
    }
    for turn in 0..3 {
        // From half a second before the slot on, a call would wait no longer than that.
        sleep(ms(499)).await;
        assert_eq!(woken(&calls), 0, "{turn}");
        sleep(ms(1)).await;
        assert!(calls[0].is_woken() && woken(&calls) == 1, "{turn}");
        assert_pending!(calls[0].poll());
        assert_eq!(woken(&calls[1..]), 0, "one more would wait too long");
        sleep(ms(500)).await;
        assert_ready_ok!(calls.remove(0).poll());
        assert_eq!(begun.elapsed(), ms(1000) * (turn + 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_gets_shorter_makes_a_service_ready_at_once() {
    let layer = RateLimitLayer::from(hasty()).with_backpressure();
    let pending = || {
        let mut service = layer.layer(echo());
        let mut ready = task::spawn(async move { service.ready().await.map(drop) });
        assert_pending!(ready.poll());
        ready
    };
    // Permits are given back, or a waiter leaves, or another quota holds.
    let permit = layer.limiter().try_acquire().unwrap();
    let mut ready = pending();
    permit.give_back();
    assert!(ready.is_woken());
    assert_ready_ok!(ready.poll());

    layer.limiter().try_acquire().unwrap();
    sleep(ms(600)).await;
    let mut waiter = task::spawn(layer.limiter().acquire());
    assert_pending!(waiter.poll());
    let mut ready = pending();
    drop(waiter);
    assert!(ready.is_woken());
    assert_ready_ok!(ready.poll());

    let mut waiter = task::spawn(layer.limiter().acquire());
    assert_pending!(waiter.poll());
    let mut ready = pending();
    layer.limiter().set_quotas(Quota::per_second(10).unwrap()).unwrap();
    assert!(ready.is_woken());
    assert_ready_ok!(ready.poll());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_woken_in_vain_and_sleeps_again_is_not_waited_for() {
    let limiter = Limiter::new(Quota::new(2, Duration::from_secs(10)).unwrap());
    let layer = RateLimitLayer::from(limiter.clone().with_max_wait(Duration::ZERO)).with_backpressure();
    limiter.try_acquire_many(2).unwrap();
    let pending = || {
        let mut service = layer.layer(echo());
        let mut ready = task::spawn(async move { service.ready().await.map(drop) });
        assert_pending!(ready.poll());
        ready
    };
    let (mut first, second) = (pending(), pending());
    sleep(Duration::from_secs(10)).await;
    assert!(first.is_woken() && !second.is_woken());
    // Somebody else is quicker, and it sleeps again; so nobody is on the way whom the next permit has to wait for.
    let permit = limiter.try_acquire_many(2).unwrap();
    assert_pending!(first.poll());
    permit.give_back();
    assert!(first.is_woken() && !second.is_woken());
    assert_ready_ok!(first.poll());
}

#[tokio::test(start_paused = true)]
async fn in_a_pause_a_service_is_pending_until_its_end_is_near() {
    let layer = RateLimitLayer::from(hasty()).with_backpressure();
    layer.limiter().pause(ms(5000), ms(10_000));
    let begun = Instant::now();
    layer.layer(echo()).ready().await.unwrap();
    assert_eq!(begun.elapsed(), ms(4500));
    // If calls fail meanwhile, they shall come, and be told so.
    layer.limiter().pause(ms(50_000), ms(10_000));
    let mut service = layer.layer(echo());
    let refused = service.ready().await.unwrap().call(1).await.unwrap_err();
    assert_eq!(refused.downcast_ref::<RateLimited>().unwrap().retry_after(), ms(50_000));
}

#[tokio::test(start_paused = true)]
async fn all_who_sleep_are_told_at_once_that_calls_are_refused() {
    let layer = RateLimitLayer::from(hasty()).with_backpressure();
    layer.limiter().pause(ms(5000), ms(10_000));
    let mut calls: Vec<_> =
        (0..40).map(|request| task::spawn(layer.layer(echo()).oneshot(request))).collect();
    for call in &mut calls {
        assert_pending!(call.poll());
    }
    layer.limiter().pause(ms(50_000), ms(10_000));
    assert_eq!(woken(&calls), 40);
    for call in &mut calls {
        assert_eq!(
            assert_ready_err!(call.poll()).downcast_ref::<RateLimited>().unwrap().retry_after(),
            ms(50_000)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_woken_and_does_not_come_holds_nobody_up() {
    let layer = RateLimitLayer::from(per_second(10).with_max_wait(Duration::ZERO)).with_backpressure();
    for _ in 0..10 {
        layer.limiter().try_acquire().unwrap();
    }
    let pending = || {
        let mut call = task::spawn(layer.layer(echo()).oneshot(0));
        assert_pending!(call.poll());
        call
    };
    let mut calls: Vec<_> = (0..5).map(|_| pending()).collect();
    sleep(ms(1000)).await;
    assert_eq!(woken(&calls), 1);
    // It leaves: the next is woken at once. That one does not come: all are, an interval later.
    drop(calls.remove(0));
    assert_eq!(woken(&calls), 1);
    sleep(ms(99)).await;
    assert_eq!(woken(&calls), 1);
    sleep(ms(1)).await;
    assert_eq!(woken(&calls), 4);
    for call in &mut calls {
        assert_ready_ok!(call.poll());
    }
}

#[tokio::test(start_paused = true)]
async fn under_backpressure_of_the_wait_calls_come_at_the_quotas_pace_and_are_seldom_polled() {
    for max_wait in [0, 50, 1000, 3000].map(ms) {
        let layer = RateLimitLayer::from(per_second(10).with_max_wait(max_wait)).with_backpressure();
        let (begun, polls) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
        let call = |request| {
            let (mut call, polls) = (Box::pin(layer.layer(echo()).oneshot(request)), Arc::clone(&polls));
            poll_fn(move |cx| {
                polls.fetch_add(1, Relaxed);
                call.as_mut().poll(cx)
            })
        };
        let mut calls: JoinSet<_> = (0..100).map(call).collect();
        while let Some(answer) = calls.join_next().await {
            answer.unwrap().unwrap();
        }
        assert_eq!(begun.elapsed(), ms(9000));
        let polls = polls.load(Relaxed);
        assert!(polls <= 400, "{max_wait:?}: {polls}");
    }
}

/// Three services of one layer, balanced, behind a buffer; and a limit above the same.
#[tokio::test(start_paused = true)]
async fn balanced_behind_a_buffer() {
    for above in [false, true] {
        let quota = Quota::per_second(5).unwrap();
        let layer = RateLimitLayer::new(quota);
        let log = Arc::new(Mutex::new(vec![]));
        let ends: Vec<_> = (0..3)
            .map(|end| {
                let log = Arc::clone(&log);
                let service = service_fn(move |request: usize| {
                    log.lock().unwrap().push((end, Instant::now()));
                    async move {
                        sleep(ms(20)).await;
                        Ok::<_, BoxError>(request)
                    }
                });
                let limited = match above {
                    true => tower::util::BoxCloneService::new(service),
                    false => tower::util::BoxCloneService::new(layer.layer(service)),
                };
                PendingRequests::new(limited, CompleteOnResponse::default())
            })
            .collect();
        let balanced = Buffer::new(Balance::new(ServiceList::new(ends)), 10);
        let service = match above {
            true => tower::util::BoxCloneService::new(layer.layer(balanced)),
            false => tower::util::BoxCloneService::new(balanced),
        };
        let mut calls: JoinSet<_> = (0..20).map(|request| service.clone().oneshot(request)).collect();
        while let Some(answer) = calls.join_next().await {
            answer.unwrap().unwrap();
        }
        let log = log.lock().unwrap();
        let releases: Vec<_> = log.iter().map(|(_, at)| *at).collect();
        assert_exact(&releases, quota);
        assert_eq!(releases[19] - releases[0], ms(3000));
        assert!((0..3).all(|end| log.iter().any(|(at, _)| *at == end)), "all ends are used");
    }
}

#[tokio::test(start_paused = true)]
async fn a_limiter_shared_with_a_backpressured_layer_keeps_its_own_bound() {
    let limiter: Limiter = per_second(1).with_max_queue(1);
    let mut service = RateLimitLayer::from(limiter.clone()).with_backpressure().layer(echo());
    limiter.try_acquire().unwrap();
    let mut outside = task::spawn(limiter.acquire());
    assert_pending!(outside.poll());
    // It has room of its own, so it may wait although somebody else does.
    let mut call = task::spawn(service.ready().await.unwrap().call(1));
    assert_pending!(call.poll());
    limiter.acquire().await.unwrap_err();
}
