//! Answers that take long, or longer than they did.

use rate_limit::Limiter;
use rate_limit::redis::{Fleet, FleetState};
use tokio::time::timeout;

use crate::common::{client, ms, quota, run, scripts, server, some, worst};
use crate::proxy::Proxy;

/// With a lateness that is much less than what answers take.
fn limiter(proxy: &Proxy, lease: u32) -> Limiter {
    let fleet = Fleet::new(&proxy.url()).unwrap().with_lateness(ms(10)).unwrap();
    fleet.with_notice(ms(1000)).unwrap().with_lease(lease).unwrap().limiter("a", quota(10, 200))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_get_slower_than_the_lateness_bring_permits() {
    tokio::join!(slower(1), slower(10));
}

async fn slower(lease: u32) {
    let Some(server) = server("answers_that_get_slower_than_the_lateness_bring_permits") else { return };
    let proxy = Proxy::start(&server).await;
    let limiter = limiter(&proxy, lease);
    // So the clocks' difference is known well.
    some(&limiter, 3).await;
    let mut all = Vec::new();
    for late in [30, 100, 5, 60] {
        proxy.answer_late(late);
        let called = timeout(ms(3000), some(&limiter, 2)).await;
        called.unwrap_or_else(|_| panic!("no permit, with answers {late} ms late"));
        all.extend(run(std::slice::from_ref(&limiter), 5, ms(300)).await);
        assert_eq!(limiter.snapshot().fleet, Some(FleetState::Connected));
    }
    assert!(worst(&all, ms(200)) <= 10);
    assert!(all.len() >= 30, "{} of 60", all.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_distant_server_is_not_asked_more_often() {
    let Some(server) = server("a_distant_server_is_not_asked_more_often") else { return };
    let proxy = Proxy::start(&server).await;
    let limiter = limiter(&proxy, 1);
    proxy.answer_late(40);
    some(&limiter, 1).await;
    let mut client = client(&server).await;
    let before = scripts(&mut client).await;
    let released = run(&[limiter], 20, ms(1000)).await;
    let asked = scripts(&mut client).await - before;
    assert!(worst(&released, ms(200)) <= 10);
    assert!(released.len() >= 30, "{} of 50", released.len());
    assert!(asked as f64 <= released.len() as f64 * 1.05 + 2.0, "{asked} for {}", released.len());
}
