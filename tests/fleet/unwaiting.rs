//! Calls that would not wait, or not for long.

use std::convert::Infallible;
use std::str;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use rate_limit::redis::Fallback;
use rate_limit::server::RejectBody;
use rate_limit::{Limiter, Quotas, RateLimitLayer};
use tokio::time::{Instant, sleep, timeout};
use tower::util::BoxCloneService;
use tower::{Service, ServiceBuilder, ServiceExt};

use crate::common::{LONG, client, fleet, ms, quota, scripts, server, until, until_async, why};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_refused_asks_for_the_next() {
    let Some(server) = server("who_is_refused_asks_for_the_next") else { return };
    let leased = || fleet(&server).with_lease(5).unwrap().limiter("a", quota(10, 60_000));
    let limiter = leased();
    assert!(limiter.try_acquire().is_err(), "none is at hand");
    until("one is", || limiter.try_acquire().is_ok()).await;
    // All there are, and not one more.
    let mut taken = 1;
    until("all were taken", || {
        taken += usize::from(limiter.try_acquire().is_ok());
        taken == 10
    })
    .await;
    let other = leased();
    let mut client = client(&server).await;
    let before = scripts(&mut client).await;
    let begun = Instant::now();
    while begun.elapsed() < ms(100) {
        assert!(limiter.try_acquire().is_err());
        assert!(other.try_acquire().is_err());
        sleep(ms(1)).await;
    }
    // It was told that there is none, so it asks no more than every 50 ms, each.
    let asked = scripts(&mut client).await - before;
    assert!(asked <= 2 * (begun.elapsed().as_millis() as u64 / 50 + 2), "{asked} questions");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bounds_of_nothing_are_no_lock_out() {
    let Some(server) = server("bounds_of_nothing_are_no_lock_out") else { return };
    let limiter = fleet(&server).limiter("a", quota(1000, 1000));
    for bounded in [limiter.clone().with_max_wait(ms(0)), limiter.with_max_queue(0)] {
        for _ in 0..3 {
            until_async("one is at hand", || async { bounded.acquire().await.is_ok() }).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_answer_is_no_lock_out() {
    let Some(server) = server("a_slow_answer_is_no_lock_out") else { return };
    let limiter = fleet(&server).limiter("a", quota(1000, 1000)).with_max_wait(ms(20));
    until_async("served", || async { limiter.acquire().await.is_ok() }).await;
    server.freeze().unwrap();
    // One may be at hand yet, for a call that was refused before.
    until_async("refused", || async { timeout(LONG, limiter.acquire()).await.unwrap().is_err() }).await;
    sleep(ms(130)).await;
    server.thaw().unwrap();
    // The answer has taken 150 ms. It has brought a permit for one of these.
    for _ in 0..5 {
        until_async("served again", || async { limiter.acquire().await.is_ok() }).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_layer_that_rejects_asks_first() {
    let Some(server) = server("a_layer_that_rejects_asks_first") else { return };
    let layer = |fallback| -> BoxCloneService<_, _, Infallible> {
        let limiter = fleet(&server).with_notice(ms(300)).unwrap().with_fallback(fallback);
        let limiter = limiter.limiter("a", quota(3, 60_000));
        let service = |_: Request<()>| async { Ok(Response::new(())) };
        let rejecting = RateLimitLayer::from(limiter).rejecting();
        BoxCloneService::new(ServiceBuilder::new().layer(rejecting).service_fn(service))
    };
    let (mut one, mut other) = (layer(Fallback::Refuse), layer(Fallback::Allow));
    let call = async |service: &mut BoxCloneService<Request<()>, Response<RejectBody<()>>, Infallible>| {
        let ready = service.ready().await.unwrap();
        timeout(LONG, ready.call(Request::new(()))).await.unwrap().unwrap()
    };
    for _ in 0..2 {
        assert_eq!(call(&mut one).await.status(), StatusCode::OK);
    }
    let last = call(&mut other).await;
    assert_eq!(last.status(), StatusCode::OK);
    assert!(last.headers().contains_key("ratelimit"), "{:?}", last.headers());
    // One has to ask; from then on it is known.
    for service in [&mut one, &mut other] {
        let rejected = call(service).await;
        assert_eq!(rejected.status(), StatusCode::TOO_MANY_REQUESTS);
        let begun = Instant::now();
        let rejected = call(service).await;
        assert!(begun.elapsed() < ms(250), "{:?}", begun.elapsed());
        assert_eq!(rejected.status(), StatusCode::TOO_MANY_REQUESTS);
        let after: u64 = rejected.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((40..=61).contains(&after), "{after}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_layer_that_rejects_tells_what_the_fleet_has_left() {
    let Some(server) = server("a_layer_that_rejects_tells_what_the_fleet_has_left") else { return };
    // So that nothing goes by in between.
    let fleet = |lease| fleet(&server).with_lateness(ms(1000)).unwrap().with_lease(lease).unwrap();
    let service = |limiter: Limiter| -> BoxCloneService<_, _, Infallible> {
        let service = |_: Request<()>| async { Ok(Response::new(())) };
        let rejecting = RateLimitLayer::from(limiter).rejecting();
        BoxCloneService::new(ServiceBuilder::new().layer(rejecting).service_fn(service))
    };
    let told = async |service: &mut BoxCloneService<Request<()>, Response<RejectBody<()>>, Infallible>| {
        let called = service.ready().await.unwrap().call(Request::new(()));
        let response = timeout(LONG, called).await.unwrap().unwrap();
        response.headers()["ratelimit"].to_str().unwrap().to_owned()
    };
    for lease in [1, 10] {
        let limiter = || fleet(lease).limiter(&format!("lease-{lease}"), quota(100, 60_000));
        let mut one = service(limiter());
        for left in (95..100).rev() {
            let says = told(&mut one).await;
            assert!(says.starts_with(&format!("\"default\";r={left};t=")), "lease of {lease}: {says}");
            let more: u64 = says.rsplit('=').next().unwrap().parse().unwrap();
            assert!((30..=62).contains(&more), "{says}");
        }
        // What others have taken is counted: a lease of theirs, too.
        let mut other = service(limiter());
        let says = told(&mut other).await;
        let left = if lease == 1 { 94 } else { 89 };
        assert!(says.starts_with(&format!("\"default\";r={left};")), "lease of {lease}: {says}");
    }
    // Of several quotas, each stands for itself; a spaced one has one at a time.
    let quotas = Quotas::new([quota(3, 60_000), quota(100, 600_000)]).unwrap();
    let mut several = service(fleet(1).limiter("several", quotas));
    for left in (0..3).rev() {
        let says = told(&mut several).await;
        let both = says.split(", ").map(|one| one.split(";t=").next().unwrap()).collect::<Vec<_>>();
        assert_eq!(
            both,
            [format!("\"default\";r={left}"), format!("\"default-2\";r={}", left + 97)],
            "{says}"
        );
    }
    let says = told(&mut several).await;
    assert!(says.starts_with("\"default\";r=0;t="), "{says}");
    assert!(says.contains("\"default-2\";r=97;t="), "{says}");
    let mut spaced = service(fleet(1).limiter("spaced", quota(6, 60_000).spaced()));
    let says = told(&mut spaced).await;
    assert!(says.starts_with("\"default\";r=0;t="), "{says}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_waits_for_nothing_is_ready_again() {
    let Some(server) = server("a_service_that_waits_for_nothing_is_ready_again") else { return };
    let limiter = fleet(&server).limiter("a", quota(4, 100)).with_max_wait(ms(0));
    let layer = RateLimitLayer::from(limiter).with_backpressure();
    let mut service =
        ServiceBuilder::new().layer(layer).service_fn(async |()| Ok::<_, rate_limit::BoxError>(()));
    let mut served = 0;
    while served < 12 {
        let ready = timeout(LONG, service.ready()).await.unwrap().unwrap();
        // On a busy machine what was at hand may have gone by.
        served += usize::from(ready.call(()).await.is_ok());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_layer_that_rejects_blames_no_client_for_an_outage() {
    let Some(mut server) = server("a_layer_that_rejects_blames_no_client_for_an_outage") else { return };
    let share = Fallback::local(quota(2, 1000));
    for (fallback, cost) in [(Fallback::Refuse, 1), (share, 3)] {
        let limiter = fleet(&server).with_fallback(fallback).limiter("a", quota(100, 60_000));
        let layer = RateLimitLayer::from(limiter.clone()).with_cost(move |_: &Request<()>| cost).rejecting();
        let mut service = ServiceBuilder::new()
            .layer(layer)
            .service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())));
        server.kill().unwrap();
        until_async("refused as away", async || limiter.acquire().await.is_err() || why(&limiter).is_some())
            .await;
        let response = service.ready().await.unwrap().call(Request::new(())).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let (parts, body) = response.into_parts();
        assert_eq!(parts.headers["retry-after"], "1");
        assert_eq!(parts.headers["content-type"], "application/problem+json");
        assert!(!parts.headers.contains_key("ratelimit"), "{:?}", parts.headers);
        assert!(!parts.headers.contains_key("ratelimit-policy"), "{:?}", parts.headers);
        let body = body.collect().await.unwrap().to_bytes();
        assert_eq!(
            str::from_utf8(&body).unwrap(),
            "{\"type\":\"https://iana.org/assignments/http-problem-types#temporary-reduced-capacity\",\
             \"title\":\"Request cannot be satisfied due to temporary server capacity constraints\",\
             \"status\":503}"
        );
        server.restart().unwrap();
    }
}
