//! One limiter per key, bounded; under a paused clock.

use http::Request;
use rate_limit::{KeyedLimiter, Quota, Quotas, RateLimitLayer, header, host};
use tokio::time::{Instant, advance, sleep};
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{Layer, ServiceExt, service_fn};

use crate::common::ms;

fn keyed(keys: usize) -> KeyedLimiter<u32> {
    KeyedLimiter::new(Quota::per_second(2).unwrap(), keys).unwrap()
}

#[tokio::test(start_paused = true)]
async fn each_key_has_a_quota_of_its_own() {
    let limiter = keyed(10);
    let begun = Instant::now();
    for key in 0..10 {
        limiter.acquire(key).await.unwrap();
        limiter.acquire(key).await.unwrap();
    }
    assert!(begun.elapsed().is_zero());
    assert_eq!(limiter.clone().try_acquire(3).unwrap_err().retry_after(), ms(1000));
    limiter.acquire(3).await.unwrap();
    assert_eq!(begun.elapsed(), ms(1000));
}

#[tokio::test(start_paused = true)]
async fn idle_keys_leave_by_themselves() {
    let limiter = keyed(1000);
    for key in 0..1000 {
        limiter.try_acquire(key).unwrap();
    }
    assert_eq!(limiter.len(), 1000);
    advance(ms(999)).await;
    limiter.try_acquire(0).unwrap();
    assert_eq!(limiter.len(), 1000);
    advance(ms(1)).await;
    // Two leave for each that is used. The first was used a moment ago, and stays to the last.
    for _ in 0..600 {
        let _ = limiter.try_acquire(0);
    }
    assert_eq!(limiter.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn at_the_bound_the_one_used_longest_ago_leaves() {
    let limiter = keyed(3);
    for key in [1, 2, 3, 1] {
        limiter.try_acquire(key).unwrap();
    }
    limiter.try_acquire(4).unwrap();
    assert_eq!(limiter.len(), 3);
    // 2 has left, and begins anew; 1 has not.
    limiter.try_acquire(1).unwrap_err();
    limiter.try_acquire(2).unwrap();
    limiter.try_acquire(2).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_key_with_waiters_never_leaves() {
    let limiter = keyed(2);
    let mut waiting = vec![];
    for key in [1, 1, 1, 2, 2, 2] {
        waiting.push(task::spawn(limiter.acquire(key)));
    }
    for (index, call) in waiting.iter_mut().enumerate() {
        if index % 3 == 2 {
            assert_pending!(call.poll());
        } else {
            assert_ready_ok!(call.poll());
        }
    }
    let refused = limiter.acquire(3).await.unwrap_err();
    assert_eq!(refused.to_string(), "rate limit of 2 per 1s: all of 2 keys are in use");
    // Whoever leaves makes room; the other is kept, although it was used longer ago.
    drop(waiting.remove(5));
    limiter.acquire(3).await.unwrap();
    limiter.try_acquire(1).unwrap_err();
    sleep(ms(1000)).await;
    assert!(waiting[2].is_woken());
    assert_ready_ok!(waiting[2].poll());
}

#[tokio::test(start_paused = true)]
async fn a_limiter_that_is_held_keeps_its_key() {
    let limiter = keyed(1);
    let held = limiter.limiter(1).unwrap();
    assert!(limiter.limiter(2).is_err());
    assert_eq!(limiter.limiter(1).unwrap().snapshot().available, 2);
    drop(held);
    limiter.limiter(2).unwrap();
}

#[test]
fn the_memory_is_bounded_in_bytes() {
    let quota = Quota::per_second(1000).unwrap();
    let limiter = KeyedLimiter::<u64>::new(quota, 1000).unwrap();
    assert!(limiter.memory() >= 1000 * 16_000 && limiter.memory() < 1000 * 17_200);
    let refused = KeyedLimiter::<u64>::new(quota, 20_000).unwrap_err();
    assert!(refused.to_string().contains("there must be from 1 to 1"), "{refused}");
    assert!(KeyedLimiter::<u64>::new(quota, usize::MAX).is_err());
    assert!(KeyedLimiter::<u64>::new(quota, 0).unwrap_err().to_string().starts_with("0 keys"));
    assert!(KeyedLimiter::<u64>::within(limiter.memory(), quota, 1000).is_ok());
    assert!(KeyedLimiter::<u64>::within(limiter.memory() - 1, quota, 1000).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_key_has_the_quotas_it_was_given_for_as_long_as_it_is_kept() {
    let limiter = keyed(10);
    let other: Quotas = Quota::per_second(5).unwrap().into();
    limiter.limiter(0).unwrap().set_quotas(other.clone()).unwrap();
    for key in 1..10 {
        limiter.try_acquire(key).unwrap();
    }
    // All others leave once they are as good as new, and it stays.
    advance(ms(1000)).await;
    for _ in 0..10 {
        let _ = limiter.limiter(1);
    }
    assert_eq!((limiter.len(), limiter.limiter(0).unwrap().quotas()), (2, other.clone()));
    // It can leave for newcomers, unless it is in use.
    limiter.try_acquire(0).unwrap();
    let held = limiter.limiter(0).unwrap();
    let newcomers = || (10..100).for_each(|key| drop(limiter.try_acquire(key).unwrap()));
    newcomers();
    assert_eq!(limiter.limiter(0).unwrap().quotas(), other);
    drop(held);
    newcomers();
    assert_eq!(limiter.limiter(0).unwrap().quotas(), *limiter.quotas());
}

#[tokio::test(start_paused = true)]
async fn quotas_of_one_key_keep_to_the_bound_on_the_memory() {
    let per_second = |n| Quota::per_second(n).unwrap();
    let bytes = keyed(2).memory();
    // There is room for a thousand releases more, and some.
    let limiter = KeyedLimiter::<u32>::within(bytes + 16_100, per_second(2), 2).unwrap();
    assert_eq!(limiter.memory(), bytes);
    let [first, second] = [1, 2].map(|key| limiter.limiter(key).unwrap());
    let refused = first.set_quotas(per_second(2000)).unwrap_err().to_string();
    assert!(
        refused.starts_with("quotas of 2000 per 1s are too large for this key: it could need "),
        "{refused}"
    );
    assert!(refused.ends_with(&format!(" bytes, and may have {}", bytes / 2 + 16_100)), "{refused}");
    assert_eq!((first.quotas(), limiter.memory()), (per_second(2).into(), bytes));

    first.set_quotas(per_second(602)).unwrap();
    second.set_quotas(per_second(402)).unwrap();
    assert_eq!(limiter.memory(), bytes + 16_000);
    assert!(first.set_quotas(per_second(702)).is_err());
    // A smaller one takes no more, but its record doesn't shrink; so the memory is free when the key has left.
    first.set_quotas(per_second(1)).unwrap();
    first.set_quotas(per_second(602)).unwrap();
    assert!(second.set_quotas(per_second(1002)).is_err());
    drop(first);
    let third = limiter.limiter(3).unwrap();
    assert_eq!(limiter.memory(), bytes + 6400);
    second.set_quotas(per_second(1002)).unwrap();
    assert!(third.set_quotas(per_second(102)).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_layer_by_host_and_by_header() {
    let inner = service_fn(|_: Request<()>| async { Ok::<_, std::convert::Infallible>(()) });
    let quota = Quota::per_second(1).unwrap();
    let request = |uri: &str, name: &str| {
        Request::builder().uri(uri).header("host", "eu.api.ovh.com").header("x-name", name).body(()).unwrap()
    };
    let by_host = RateLimitLayer::keyed(KeyedLimiter::new(quota, 10).unwrap(), host).layer(inner);
    let begun = Instant::now();
    by_host.clone().oneshot(request("https://eu.api.ovh.com/a", "a")).await.unwrap();
    by_host.clone().oneshot(request("https://ca.api.ovh.com/a", "a")).await.unwrap();
    assert!(begun.elapsed().is_zero());
    // The same, though written otherwise, and in a request without an authority.
    by_host.clone().oneshot(request("https://EU.api.ovh.com/b", "b")).await.unwrap();
    assert_eq!(begun.elapsed(), ms(1000));
    by_host.clone().oneshot(request("/b", "b")).await.unwrap();
    assert_eq!(begun.elapsed(), ms(2000));

    let key = header(http::HeaderName::from_static("x-name"));
    let by_name = RateLimitLayer::keyed(KeyedLimiter::new(quota, 10).unwrap(), key).layer(inner);
    by_name.clone().oneshot(request("/", "a")).await.unwrap();
    by_name.clone().oneshot(request("/", "b")).await.unwrap();
    assert_eq!(begun.elapsed(), ms(2000));
    by_name.clone().oneshot(request("/", "a")).await.unwrap();
    assert_eq!(begun.elapsed(), ms(3000));
}

#[test]
fn a_host_is_one_key_however_it_is_written() {
    let key = |uri: &str| host(&Request::builder().uri(uri).body(()).unwrap()).unwrap();
    let https = key("https://eu.api.ovh.com/");
    for uri in
        ["https://eu.api.ovh.com:443/a", "https://EU.API.ovh.com:0443/", "https://me@eu.api.ovh.com:443/"]
    {
        assert_eq!(key(uri), https, "{uri}");
    }
    assert_eq!(key("http://[::1]:80/"), key("http://[::1]/"));
    assert_eq!(key("https://[::1]:8443/"), key("http://[::1]:8443/"));
    // Another scheme's default is a port like any other.
    for uri in ["https://eu.api.ovh.com:80/", "http://eu.api.ovh.com:443/", "https://eu.api.ovh.com:8443/"] {
        assert_ne!(key(uri), https, "{uri}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_looks_at_few_of_the_keys_in_use() {
    const KEYS: u32 = 10_000;
    let limiter = keyed(KEYS as usize);
    let mut held: Vec<_> = (0..KEYS).map(|key| limiter.limiter(key).unwrap()).collect();
    // One is let go: that which was used last, so all others are looked at before it.
    held.pop();
    let refused = (KEYS..).take_while(|newcomer| limiter.limiter(*newcomer).is_err()).count();
    // The first looks at 1024 of them and each other at 16, and every look-up at two more.
    assert_eq!(refused, (KEYS as usize - (1024 + 2)).div_ceil(16 + 2));
    assert_eq!(limiter.len(), KEYS as usize);
    // No other has left: none of those held begins anew.
    for (key, held) in held.iter().enumerate() {
        assert!(limiter.limiter(key as u32).unwrap().same_limiter(held), "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn keys_long_in_use_keep_no_newcomer_out() {
    const KEYS: u32 = 2000;
    let limiter = keyed(KEYS as usize);
    for key in 0..KEYS {
        limiter.try_acquire(key).unwrap();
    }
    // Half are in use from now on, and lie together in the order of use.
    let held: Vec<_> = (0..KEYS / 2).map(|key| limiter.limiter(key).unwrap()).collect();
    for newcomer in KEYS..5 * KEYS {
        limiter.try_acquire(newcomer).unwrap();
    }
    assert_eq!(limiter.len(), KEYS as usize);
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_keys_takes_no_more_memory_and_moves_nobody_who_waits() {
    const KEYS: usize = 1000;
    let limiter = KeyedLimiter::new(Quota::per_second(1).unwrap(), KEYS).unwrap();
    limiter.try_acquire(0).unwrap();
    let victim = limiter.limiter(0).unwrap();
    let mut waiting = task::spawn(victim.acquire());
    assert_pending!(waiting.poll());
    drop(victim);
    // An attacker with a new key for each call: every one of them is new, and served.
    for key in 1..300_000 {
        limiter.try_acquire(key).unwrap();
        assert!(limiter.len() <= KEYS);
    }
    // Who waits is where it was, and its key's permit is still used.
    assert!(limiter.try_acquire(0).is_err());
    sleep(ms(1000)).await;
    assert!(waiting.is_woken());
    assert_ready_ok!(waiting.poll());
    // After a window all are as good as new, and leave, a few with each use.
    drop(waiting);
    sleep(ms(2000)).await;
    for _ in 0..KEYS {
        let _ = limiter.try_acquire(0);
    }
    assert_eq!(limiter.len(), 1);
}
