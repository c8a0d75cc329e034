//! Signatures, to the byte, and what is said of those that are none.

use std::time::{Duration, UNIX_EPOCH};

use crate::common::{BASE, Reply, direct, signed, signed_as, unsigned};
use fake_ovh::{AccessRule, CredentialState, ErrorShape, FakeOvh, InvalidSetting};
use http::{HeaderValue, Method};
use serde_json::json;

const NOW: u64 = 1_457_018_875;
const NOW_SIGNED: i64 = NOW as i64;

fn api() -> FakeOvh {
    FakeOvh::new().with_time(UNIX_EPOCH + Duration::from_secs(NOW))
}

fn error(reply: &Reply) -> (u16, String, String) {
    let json = reply.json();
    assert_eq!(json.as_object().unwrap().len(), 3, "{json}");
    let text = |name: &str| json[name].as_str().unwrap().to_owned();
    assert!(text("httpCode").starts_with(reply.status.as_str()), "{json}");
    (reply.status.as_u16(), text("errorCode"), text("message"))
}

#[tokio::test(start_paused = true)]
async fn the_vectors_of_the_official_clients_are_accepted() {
    // `/auth` is no endpoint: 404, not 400, says that the signature was good.
    let api = api();
    for (method, body, signature) in [
        (Method::GET, "", "$1$e9556054b6309771395efa467c22e627407461ad"),
        (Method::POST, r#"{"a":"b","c":"d"}"#, "$1$ec2fb5c7a81f64723c77d2e5b609ae6f58a84fc1"),
    ] {
        let mut request = signed(BASE, method, "/auth", body, NOW_SIGNED);
        assert_eq!(request.headers()["x-ovh-signature"], signature);
        assert_eq!(direct(&api, request.clone()).await.status, 404);

        request.headers_mut().insert("x-ovh-signature", HeaderValue::from_static("$1$00"));
        let reply = direct(&api, request).await;
        assert_eq!(error(&reply), (400, "INVALID_SIGNATURE".into(), "Invalid signature".into()));
    }
    assert_eq!(api.tally().bad_signatures, 2);
}

#[tokio::test(start_paused = true)]
async fn whatever_is_changed_after_signing_is_noticed() {
    let api = api();
    let path = "/me/order?date.from=2016-01-01T00%3A00%3A00Z";
    let good = || signed(BASE, Method::GET, path, "", NOW_SIGNED);
    assert_eq!(direct(&api, good()).await.good(), json!([]));

    // Each of these would be the same call to a lenient reader.
    for uri in [
        "https://eu.api.ovh.com/1.0/me/order?date.from=2016-01-01T00:00:00Z",
        "https://eu.api.ovh.com/1.0/me/order?date.from=2016-01-01T00%3a00%3A00Z",
        "https://eu.api.ovh.com/1.0/me/order?date.from=2016-01-01T00%3A00%3A00Z&",
        "https://eu.api.ovh.com/v1/me/order?date.from=2016-01-01T00%3A00%3A00Z",
        "https://eu.api.ovh.com:443/1.0/me/order?date.from=2016-01-01T00%3A00%3A00Z",
        "http://eu.api.ovh.com/1.0/me/order?date.from=2016-01-01T00%3A00%3A00Z",
        "https://ca.api.ovh.com/1.0/me/order?date.from=2016-01-01T00%3A00%3A00Z",
        "https://eu.api.ovh.com/1.0/me/order",
    ] {
        let mut request = good();
        *request.uri_mut() = uri.parse().unwrap();
        assert_eq!(error(&direct(&api, request).await).1, "INVALID_SIGNATURE", "{uri}");
    }
    let mut request = good();
    *request.method_mut() = Method::HEAD;
    assert_eq!(direct(&api, request).await.status, 400);

    let post = || signed(BASE, Method::POST, "/me/order/1/pay", r#"{"paymentMethod":{"id":1}}"#, NOW_SIGNED);
    assert_eq!(direct(&api, post()).await.status, 404, "no such order, but a good signature");
    for body in [r#"{"paymentMethod":{"id":2}}"#, r#"{"paymentMethod": {"id":1}}"#, ""] {
        let request = post().map(|_| bytes::Bytes::from_static(body.as_bytes()).into());
        assert_eq!(error(&direct(&api, request).await).1, "INVALID_SIGNATURE", "{body}");
    }

    for (name, value, code) in [
        ("x-ovh-timestamp", "1457018876", "INVALID_SIGNATURE"),
        ("x-ovh-timestamp", "01457018875", "INVALID_SIGNATURE"),
        ("x-ovh-timestamp", "soon", "QUERY_TIME_OUT"),
        ("x-ovh-application", "other", "INVALID_KEY"),
        ("x-ovh-consumer", "other", "NOT_CREDENTIAL"),
        ("x-ovh-signature", "$1$E9556054B6309771395EFA467C22E627407461AD", "INVALID_SIGNATURE"),
        ("x-ovh-signature", "", "INVALID_SIGNATURE"),
    ] {
        let mut request = good();
        request.headers_mut().insert(name, HeaderValue::from_static(value));
        assert_eq!(error(&direct(&api, request).await).1, code, "{name}: {value}");
    }
    for name in ["x-ovh-application", "x-ovh-consumer", "x-ovh-timestamp", "x-ovh-signature"] {
        let mut request = good();
        request.headers_mut().remove(name);
        let reply = direct(&api, request).await;
        assert_eq!(reply.status, 401, "{name}");
        assert_eq!(
            reply.json(),
            json!({ "class": "Client::Unauthorized", "message": "You must login first" })
        );
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_and_queries_are_signed_as_utf8_as_they_are() {
    let api = api();
    let body = "{\"ovhSubsidiary\":\"FR\",\"description\":\"Œuf à la coque 🥚 + \"}";
    let request = signed(BASE, Method::POST, "/order/cart?x=%20+%2B&y=é", body, NOW_SIGNED);
    direct(&api, request).await.good();
    assert_eq!(api.carts()[0].description.as_deref(), Some("Œuf à la coque 🥚 + "));
}

#[tokio::test(start_paused = true)]
async fn timestamps_are_good_within_the_window_both_ways_and_its_bounds_included() {
    let api = api();
    for (window, skew) in [(120, 0), (120, 3_600), (120, -3_600), (7, 0), (0, 0)] {
        let api = api.clone().with_timestamp_window(Duration::from_secs(window)).with_skew(skew);
        let window = window as i64;
        for (off, good) in [(-window - 1, false), (-window, true), (window, true), (window + 1, false)] {
            let reply = direct(&api, signed(BASE, Method::GET, "/me", "", NOW_SIGNED + skew + off)).await;
            if good {
                reply.good();
            } else {
                let expected = (400, "QUERY_TIME_OUT".to_owned(), "Query out of time".to_owned());
                assert_eq!(error(&reply), expected, "{window} {skew} {off}");
                let body = r#"{"errorCode":"QUERY_TIME_OUT","httpCode":"400 Bad Request","message":"Query out of time"}"#;
                assert_eq!(reply.text(), body);
            }
        }
    }
    assert_eq!(api.tally().out_of_time, 10);
    // No overflow at the ends of all times.
    for timestamp in [i64::MIN, i64::MAX] {
        let reply = direct(&api, signed(BASE, Method::GET, "/me", "", timestamp)).await;
        assert_eq!(error(&reply).1, "QUERY_TIME_OUT");
    }
}

#[tokio::test(start_paused = true)]
async fn a_signature_grows_old_and_a_set_back_clock_refuses_it() {
    let api = api();
    let request = || signed(BASE, Method::GET, "/me", "", NOW_SIGNED);
    tokio::time::advance(Duration::from_secs(120)).await;
    direct(&api, request()).await.good();
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(error(&direct(&api, request()).await).1, "QUERY_TIME_OUT");
    api.set_skew(-1);
    direct(&api, request()).await.good();
    api.set_skew(-242);
    assert_eq!(error(&direct(&api, request()).await).1, "QUERY_TIME_OUT");
}

#[tokio::test(start_paused = true)]
async fn the_clients_base_may_be_given() -> Result<(), InvalidSetting> {
    let api = api().with_base(BASE)?;
    let mut request = signed(BASE, Method::GET, "/me", "", NOW_SIGNED);
    *request.uri_mut() = "/1.0/me".parse().unwrap();
    request.headers_mut().insert("host", HeaderValue::from_static("127.0.0.1:1234"));
    direct(&api, request).await.good();
    for base in [
        "",
        "/1.0",
        "eu.api.ovh.com/1.0",
        "https://eu.api.ovh.com",
        "https://eu.api.ovh.com/1.0/",
        "ftp://a/1.0",
        "https://a/b/1.0",
        "https://a?b/1.0",
        "https:///1.0",
    ] {
        let refused = FakeOvh::new().with_base(base).unwrap_err();
        assert!(refused.to_string().contains(&format!("{base:?}")), "{refused}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn consumer_keys_have_rules_and_a_life() -> Result<(), InvalidSetting> {
    let rules =
        [AccessRule::new(Method::GET, "/me*")?, AccessRule::new(Method::POST, "/order/cart/*/assign")?];
    let api = api().with_consumer_key(fake_ovh::APPLICATION_KEY, "narrow", rules)?;
    let get = |path: &str| signed_as("narrow", BASE, Method::GET, path, "", NOW_SIGNED);
    direct(&api, get("/me")).await.good();
    direct(&api, get("/me/order")).await.good();
    let refused = direct(&api, get("/order/cart")).await;
    assert_eq!(error(&refused), (403, "NOT_GRANTED_CALL".into(), "This call has not been granted".into()));
    let post = |path: &str| signed_as("narrow", BASE, Method::POST, path, "", NOW_SIGNED);
    assert_eq!(direct(&api, post("/order/cart/1/assign")).await.status, 404);
    assert_eq!(direct(&api, post("/order/cart/1/checkout")).await.status, 403);

    for state in [CredentialState::Expired, CredentialState::Refused, CredentialState::PendingValidation] {
        api.set_credential("narrow", state)?;
        let refused = direct(&api, get("/me")).await;
        assert_eq!(
            error(&refused),
            (403, "INVALID_CREDENTIAL".into(), "This credential is not valid".into())
        );
    }
    api.set_credential("narrow", CredentialState::Validated)?;
    direct(&api, get("/me")).await.good();
    assert!(api.set_credential("other", CredentialState::Expired).is_err());

    // A key of another application does not exist for this one.
    let api = api.with_application("second", "secret")?.with_consumer_key("second", "its", [])?;
    let request = signed_as("its", BASE, Method::GET, "/me", "", NOW_SIGNED);
    let refused = direct(&api, request).await;
    assert_eq!(error(&refused), (403, "NOT_CREDENTIAL".into(), "This credential does not exist".into()));
    assert!(AccessRule::new(Method::GET, "me").is_err());
    assert!(FakeOvh::new().with_consumer_key("nobody", "key", []).is_err());
    assert!(FakeOvh::new().with_application("", "secret").is_err());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_is_open_needs_no_signature_but_refuses_a_bad_one() {
    let api = api();
    let path = "/dedicated/server/datacenter/availabilities?planCode=24sk10";
    direct(&api, unsigned(BASE, Method::GET, path, "")).await.good();
    direct(&api, signed(BASE, Method::GET, path, "", NOW_SIGNED)).await.good();
    let late = direct(&api, signed(BASE, Method::GET, path, "", NOW_SIGNED - 1_000)).await;
    assert_eq!(error(&late).1, "QUERY_TIME_OUT");
    // The time is told to anybody.
    let late = direct(&api, signed(BASE, Method::GET, "/auth/time", "", 0)).await;
    assert_eq!(late.good(), json!(NOW));
    for path in [
        "/me",
        "/me/order",
        "/me/order/1",
        "/auth/currentCredential",
        "/order/cart",
        "/order/cart/1/checkout",
    ] {
        assert_eq!(direct(&api, unsigned(BASE, Method::GET, path, "")).await.status, 401, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn errors_come_in_both_shapes() {
    let late = || signed(BASE, Method::GET, "/me", "", 0);
    let unknown = || signed(BASE, Method::GET, "/me/order/1", "", NOW_SIGNED);
    for (shape, of_authentication, other) in [
        (ErrorShape::Mixed, "errorCode", "class"),
        (ErrorShape::Old, "errorCode", "errorCode"),
        (ErrorShape::New, "class", "class"),
    ] {
        let api = api().with_error_shape(shape);
        for (reply, key) in
            [(direct(&api, late()).await, of_authentication), (direct(&api, unknown()).await, other)]
        {
            assert!(reply.json()[key].is_string(), "{shape:?}: {reply:?}");
            assert_eq!(reply.json().get("class").is_some(), key == "class");
            assert_eq!(reply.header("content-type"), "application/json; charset=utf-8");
            assert_eq!(reply.header("content-length"), reply.body.len().to_string());
        }
    }
}
