//! Services that push back: not ready while a call would wait too long.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use rate_limit::redis::{Away, Fallback, Fleet, FleetState};
use rate_limit::{BoxError, Limiter, Permit, RateLimitLayer, RateLimited};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout};
use tower::load_shed::error::Overloaded;
use tower::util::BoxCloneService;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use crate::common::{LONG, fleet, ms, quota, server, until, until_async};

type Calls = BoxCloneService<(), (), BoxError>;

/// A service that is not ready while a call would wait for longer.
fn pushing_back(limiter: &Limiter, max_wait: Duration) -> Calls {
    let layer = RateLimitLayer::from(limiter.clone().with_max_wait(max_wait)).with_backpressure();
    BoxCloneService::new(layer.layer(service_fn(async |()| Ok::<_, BoxError>(()))))
}

/// Becomes ready, and calls.
async fn call(service: &mut Calls) -> Result<(), RateLimited> {
    let called = async { service.ready().await?.call(()).await };
    let answer = timeout(LONG, called).await.expect("it becomes ready");
    answer.map_err(|refused| *refused.downcast().unwrap())
}

/// Until it is released: others may be faster, or this machine so slow that the permit was given back.
async fn served(service: &mut Calls) {
    while let Err(refused) = call(service).await {
        assert_eq!(refused.away(), None);
    }
}

/// Until it is told that the server is away: first it may use what was reserved.
async fn told(service: &mut Calls) -> Away {
    loop {
        if let Some(why) = call(service).await.err().and_then(|refused| refused.away()) {
            return why;
        }
    }
}

async fn take(limiter: &Limiter) -> Permit {
    timeout(LONG, limiter.acquire()).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_shed_above_sheds_while_the_wait_is_too_long() {
    let Some(server) = server("a_load_shed_above_sheds_while_the_wait_is_too_long") else { return };
    for max_wait in [ms(0), ms(20)] {
        // Nobody here knows that another process has it, before the server is asked.
        let limiter = || fleet(&server).limiter(&format!("{max_wait:?}"), quota(1, 60_000));
        let (taken, limiter) = (take(&limiter()).await, limiter());
        let mut service = ServiceBuilder::new().load_shed().service(pushing_back(&limiter, max_wait));
        let mut call = async || service.ready().await?.call(()).await;
        until_async("the server was asked", async || {
            call().await.unwrap_err();
            limiter.snapshot().fleet == Some(FleetState::Connected)
        })
        .await;
        for _ in 0..100 {
            assert!(call().await.unwrap_err().is::<Overloaded>());
        }
        taken.give_back();
        until_async("it serves again", async || call().await.is_ok()).await;
        assert!(call().await.unwrap_err().is::<Overloaded>());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_comes_back_when_the_wait_is_short_enough() {
    let Some(server) = server("readiness_comes_back_when_the_wait_is_short_enough") else { return };
    let mut services = JoinSet::new();
    for max_wait in [ms(0), ms(20), ms(1000)] {
        // Those of two processes, and nobody else.
        for _ in 0..2 {
            let limiter = fleet(&server).limiter(&format!("{max_wait:?}"), quota(2, 200));
            for _ in 0..2 {
                let mut service = pushing_back(&limiter, max_wait);
                services.spawn(async move { served(&mut service).await });
            }
        }
    }
    services.join_all().await;
}

/// Sleeps, and so does whoever could ask for it: what comes back is the service, when it is ready.
async fn asleep(limiter: &Limiter, max_wait: Duration) -> JoinHandle<Calls> {
    let mut service = pushing_back(limiter, max_wait);
    // Where it may wait for an answer it is ready at first, and finds out that the wait is too long.
    until_async("the server has answered", async || {
        let _ = timeout(ms(50), call(&mut service)).await;
        limiter.snapshot().fleet == Some(FleetState::Connected)
    })
    .await;
    let (asleep, sleeps) = oneshot::channel();
    let mut asleep = Some(asleep);
    let ready = tokio::spawn(async move {
        poll_fn(|cx| {
            let ready = service.poll_ready(cx);
            if let (Poll::Pending, Some(asleep)) = (&ready, asleep.take()) {
                asleep.send(()).unwrap();
            }
            ready
        })
        .await
        .unwrap();
        service
    });
    timeout(LONG, sleeps).await.unwrap().expect("it sleeps");
    ready
}

async fn woken(service: JoinHandle<Calls>) -> Calls {
    timeout(LONG, service).await.expect("it becomes ready").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_process_gives_back_is_noticed_while_all_sleep() {
    let Some(server) = server("what_another_process_gives_back_is_noticed_while_all_sleep") else { return };
    let given_back = async |max_wait| {
        let limiter = || fleet(&server).limiter(&format!("{max_wait:?}"), quota(1, 2400));
        let (taken, limiter) = (take(&limiter()).await, limiter());
        let service = asleep(&limiter, max_wait).await;
        let begun = Instant::now();
        taken.give_back();
        woken(service).await;
        assert!(begun.elapsed() < ms(1800), "{max_wait:?}: {:?}", begun.elapsed());
    };
    tokio::join!(given_back(ms(0)), given_back(ms(20)));
}

/// It becomes ready when the server is away, whatever holds then; and again when it is back.
async fn through_a_crash(test: &str, fallback: Fallback) {
    let Some(mut server) = server(test) else { return };
    let sleeping = async |max_wait| {
        let limiter = |fleet: Fleet| fleet.limiter(&format!("{max_wait:?}"), quota(1, 400));
        take(&limiter(fleet(&server))).await;
        let limiter = limiter(fleet(&server).with_fallback(fallback.clone()));
        (asleep(&limiter, max_wait).await, limiter)
    };
    let sleeping = tokio::join!(sleeping(ms(0)), sleeping(ms(20)));
    server.kill().unwrap();
    let going_on = async |(service, limiter)| {
        let mut service = woken(service).await;
        match fallback {
            Fallback::Refuse => assert_eq!(told(&mut service).await, Away::Unreachable),
            _ => served(&mut service).await,
        }
        (service, limiter)
    };
    let away = tokio::join!(going_on(sleeping.0), going_on(sleeping.1));
    server.restart().unwrap();
    let coming_back = async |(mut service, limiter): (Calls, Limiter)| {
        until("connected again", || limiter.snapshot().fleet == Some(FleetState::Connected)).await;
        served(&mut service).await;
    };
    tokio::join!(coming_back(away.0), coming_back(away.1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sleeps_through_a_crash_is_told_of_it() {
    through_a_crash("who_sleeps_through_a_crash_is_told_of_it", Fallback::Refuse).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sleeps_through_a_crash_has_quotas_of_its_own() {
    let local = Fallback::local(quota(1, 100));
    through_a_crash("who_sleeps_through_a_crash_has_quotas_of_its_own", local).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sleeps_through_a_crash_is_allowed() {
    through_a_crash("who_sleeps_through_a_crash_is_allowed", Fallback::Allow).await;
}
