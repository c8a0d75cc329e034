//! One of the two keys of a record is gone: evicted, say.

use redis::aio::MultiplexedConnection;
use tokio::time::{Instant, sleep};

use crate::common::{LONG, all, client, fleet, ms, quota, run, server, some, worst};

async fn delete(client: &mut MultiplexedConnection, part: &str) {
    let key = format!("{{rate-limit:a}}:{part}");
    let deleted: u32 = redis::cmd("DEL").arg(key).query_async(client).await.unwrap();
    assert!(deleted <= 1);
}

/// At once, for most of each is waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_half_of_a_record_tells() {
    tokio::join!(
        what_a_lost_log_held_counts(),
        a_lost_log_is_outlived(),
        what_the_log_holds_counts_without_the_head(),
        what_is_given_back_at_the_end_is_not_taken_for_lost(),
        a_record_that_is_lost_by_halves_is_exact(),
    );
}

async fn what_a_lost_log_held_counts() {
    let Some(server) = server("what_a_lost_log_held_counts") else { return };
    let late = || fleet(&server).with_lateness(ms(1000)).unwrap();
    let quota = quota(10, 60_000);
    let (leases, other) = (late().with_lease(6).unwrap().limiter("a", quota), late().limiter("a", quota));
    some(&leases, 2).await;
    delete(&mut client(&server).await, "log").await;
    // Somebody who does not know that it had been there. Six are used or held.
    assert_eq!(all(&other).await, 4);
    assert_eq!(all(&late().limiter("a", quota)).await, 0);
    some(&leases, 4).await;
    assert_eq!(all(&leases).await, 0);
    // Again.
    delete(&mut client(&server).await, "log").await;
    assert_eq!(all(&leases).await + all(&other).await, 0);
}

async fn a_lost_log_is_outlived() {
    let Some(server) = server("a_lost_log_is_outlived") else { return };
    let limiter = fleet(&server).limiter("a", quota(10, 300));
    some(&limiter, 25).await;
    let begun = Instant::now();
    delete(&mut client(&server).await, "log").await;
    some(&limiter, 20).await;
    assert!(begun.elapsed() < ms(1500), "{:?}", begun.elapsed());
}

async fn what_the_log_holds_counts_without_the_head() {
    let Some(server) = server("what_the_log_holds_counts_without_the_head") else { return };
    let late = || fleet(&server).with_lateness(ms(1000)).unwrap();
    let quota = quota(10, 60_000);
    let (leases, other) = (late().with_lease(6).unwrap().limiter("a", quota), late().limiter("a", quota));
    some(&leases, 2).await;
    delete(&mut client(&server).await, "head").await;
    assert_eq!(all(&other).await, 4);
    // It begins anew: what it held it gives back, and asks for.
    assert_eq!(all(&leases).await, 4);
    assert_eq!(all(&other).await, 0);
}

async fn what_is_given_back_at_the_end_is_not_taken_for_lost() {
    let Some(server) = server("what_is_given_back_at_the_end_is_not_taken_for_lost") else { return };
    let late = || fleet(&server).with_lateness(ms(1000)).unwrap();
    let quota = quota(10, 60_000);
    let leases = late().with_lease(10).unwrap().limiter("a", quota);
    some(&leases, 1).await;
    drop(leases);
    let other = late().limiter("a", quota);
    let begun = Instant::now();
    some(&other, 9).await;
    assert!(begun.elapsed() < LONG);
    assert_eq!(all(&other).await, 0);
}

/// Either part of the record goes again and again, a window and more apart, while it is in use.
async fn a_record_that_is_lost_by_halves_is_exact() {
    let Some(server) = server("a_record_that_is_lost_by_halves_is_exact") else { return };
    let window = ms(100);
    let limiters: Vec<_> = [1, 5, 10]
        .map(|lease| {
            let fleet = fleet(&server).with_lateness(ms(20)).unwrap().with_lease(lease).unwrap();
            fleet.limiter("a", quota(10, 100))
        })
        .into();
    let runner = tokio::spawn(async move { run(&limiters, 4, ms(1500)).await });
    let mut client = client(&server).await;
    for part in ["log", "head", "log", "log", "head"] {
        sleep(ms(260)).await;
        delete(&mut client, part).await;
    }
    let released = runner.await.unwrap();
    assert!(worst(&released, window) <= 10, "{}", worst(&released, window));
    assert!(released.len() >= 50, "{}", released.len());
}
