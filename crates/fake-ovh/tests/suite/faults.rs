//! Failures and throttling.

use std::time::{Duration, UNIX_EPOCH};

use crate::common::{BASE, Reply, direct, signed, through, unsigned};
use fake_ovh::{Failure, FakeOvh, InvalidSetting, RetryAfter, Throttle};
use http::Method;
use serde_json::json;

async fn time(api: &FakeOvh) -> Reply {
    direct(api, unsigned(BASE, Method::GET, "/auth/time", "")).await
}

async fn create(api: &FakeOvh) -> Reply {
    direct(api, unsigned(BASE, Method::POST, "/order/cart", r#"{"ovhSubsidiary":"FR"}"#)).await
}

#[tokio::test(start_paused = true)]
async fn each_failure_has_its_status_and_body_and_is_before_or_after() {
    let api = FakeOvh::new();
    let mut carts = 0;
    for failure in Failure::ALL {
        api.fail_next("/order/cart", failure);
        time(&api).await.good();
        let reply = create(&api).await;
        assert_eq!(reply.status, failure.status());
        if reply.status == 500 {
            assert_eq!(reply.json()["class"], "Server::InternalServerError");
        } else {
            assert_eq!(reply.header("content-type"), "text/html");
            assert!(reply.text().starts_with("<html>"), "{failure:?}");
        }
        carts += usize::from(failure.is_after());
        assert_eq!(api.carts().len(), carts, "{failure:?}");
        assert_eq!(api.calls().last().unwrap().failure, Some(failure));
    }
    create(&api).await.good();
    assert_eq!(api.tally().failures, Failure::ALL.len() as u64);
}

#[tokio::test(start_paused = true)]
async fn an_order_can_exist_though_its_answer_says_500() {
    let api = FakeOvh::new();
    let cart = create(&api).await.good()["cartId"].as_str().unwrap().to_owned();
    let call = async |method, path: &str, body: &str| {
        direct(&api, signed(BASE, method, &format!("/order/cart/{cart}{path}"), body, api.time())).await
    };
    let item = r#"{"planCode":"24sk10","duration":"P1M","pricingMode":"default","quantity":1}"#;
    let item = call(Method::POST, "/eco", item).await.good()["itemId"].clone();
    let gra = r#"{"label":"dedicated_datacenter","value":"gra"}"#;
    call(Method::POST, &format!("/item/{item}/configuration"), gra).await.good();
    call(Method::POST, "/assign", "").await.good();
    api.fail_next("/order/cart/*/checkout", Failure::InternalErrorAfter);
    assert_eq!(call(Method::POST, "/checkout", "").await.status, 500);
    let orders = direct(&api, signed(BASE, Method::GET, "/me/order", "", api.time())).await.good();
    assert_eq!(orders, json!([api.orders()[0].id]));
}

#[tokio::test(start_paused = true)]
async fn rates_are_met_and_the_same_seed_fails_the_same_calls() -> Result<(), InvalidSetting> {
    let history = async |seed: u64| {
        let api = FakeOvh::new()
            .with_seed(seed)
            .with_failure_rate(Failure::Unavailable, 0.1)?
            .with_failure_rate(Failure::RequestTimeout, 0.05)?;
        let (router, mut statuses) = (api.router(), Vec::new());
        for _ in 0..1_000 {
            let reply = through(&router, unsigned(BASE, Method::GET, "/auth/time", "")).await;
            statuses.push(reply.status.as_u16());
        }
        assert_eq!(api.tally().failures, statuses.iter().filter(|status| **status != 200).count() as u64);
        Ok::<_, InvalidSetting>(statuses)
    };
    let one = history(1).await?;
    let count = |wanted| one.iter().filter(|status| **status == wanted).count();
    assert!((60..140).contains(&count(503)), "{}", count(503));
    assert!((25..80).contains(&count(408)), "{}", count(408));
    assert_eq!(one, history(1).await?);
    assert_ne!(one, history(2).await?);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn throttling_is_exact() -> Result<(), InvalidSetting> {
    let api = FakeOvh::new().with_throttle(Throttle::new(10, Duration::from_secs(1))?);
    let status = async || time(&api).await.status.as_u16();
    for _ in 0..10 {
        assert_eq!(status().await, 200);
    }
    let refused = time(&api).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, "1"));
    assert_eq!(refused.json(), json!({ "class": "Client::TooManyRequests", "message": "Too many requests" }));
    tokio::time::advance(Duration::from_nanos(999_999_999)).await;
    assert_eq!(status().await, 429);
    tokio::time::advance(Duration::from_nanos(1)).await;
    for _ in 0..10 {
        assert_eq!(status().await, 200);
    }
    assert_eq!(status().await, 429);
    let tally = api.tally();
    assert_eq!((tally.throttled, tally.time_fetches, tally.calls), (3, 20, 23));
    assert_eq!(tally.worst_second, 12);

    // One each 100 ms never exceeds it; one each 99 ms is refused once in a while.
    for (millis, refusals) in [(100, 0), (99, 1)] {
        tokio::time::advance(Duration::from_secs(1)).await;
        let before = api.tally().throttled;
        for _ in 0..11 {
            status().await;
            tokio::time::advance(Duration::from_millis(millis)).await;
        }
        assert_eq!(api.tally().throttled - before, refusals, "{millis} ms");
    }
    api.set_throttle(None);
    for _ in 0..50 {
        assert_eq!(status().await, 200);
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_429_may_say_when_to_come_back_or_not_and_carry_any_body() -> Result<(), InvalidSetting> {
    let one = Throttle::new(1, Duration::from_millis(2_500))?;
    let start = UNIX_EPOCH + Duration::from_secs(1_566_485_767);
    let refused = async |throttle: Throttle| {
        let api = FakeOvh::new().with_time(start).with_throttle(throttle);
        time(&api).await.good();
        time(&api).await
    };
    let seconds = refused(one.clone()).await;
    assert_eq!(seconds.header("retry-after"), "3");
    let absent = refused(one.clone().with_retry_after(RetryAfter::Absent)).await;
    assert!(!absent.headers.contains_key("retry-after"));
    let date = refused(one.clone().with_retry_after(RetryAfter::Date)).await;
    assert_eq!(date.header("date"), "Thu, 22 Aug 2019 14:56:07 GMT");
    assert_eq!(date.header("retry-after"), "Thu, 22 Aug 2019 14:56:11 GMT");
    let body = refused(one.with_body("text/plain", "slow down")?).await;
    assert_eq!((body.text(), body.header("content-type")), ("slow down", "text/plain"));
    assert!(body.headers.contains_key("x-ovh-queryid"));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn consumer_keys_may_be_throttled_by_themselves() -> Result<(), InvalidSetting> {
    let throttle = Throttle::new(2, Duration::from_secs(60))?.per_consumer_key();
    let api = FakeOvh::new().with_throttle(throttle);
    let me = async || direct(&api, signed(BASE, Method::GET, "/me", "", api.time())).await.status.as_u16();
    assert_eq!([me().await, me().await, me().await], [200, 200, 429]);
    assert_eq!([time(&api).await.status, time(&api).await.status], [200, 200]);
    assert_eq!(time(&api).await.status, 429);
    Ok(())
}
