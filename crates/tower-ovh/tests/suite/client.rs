//! The client against the fake API: in this process, and over the wire.

use crate::common;
use std::time::Duration;

use crate::common::{Body, Doing, trusting};
use bytes::Bytes;
use fake_ovh::{APPLICATION_KEY, APPLICATION_SECRET, CONSUMER_KEY, ErrorShape, Failure, FakeOvh};
use flaky_tls::{BadCertificate, CutBy, CutPoint, FlakyTls, Scenario, Script};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::Full;
use ovh_auth::{ApplicationKeys, Config, Credentials};
use rate_limit::{Limiter, Quota};
use retry_on_tls_eof::RetrySafety;
use serde::Deserialize;
use serde_json::{Value, json};
use tower::{BoxError, service_fn};
use tower_ovh::{CallError, Connector, OvhClient, OvhStack, Proxy, Roots};
use wire_fault::{Cause, Delivery, Fault, Verdict};

fn config(endpoint: &str) -> Config {
    let keys = ApplicationKeys::new(APPLICATION_KEY, APPLICATION_SECRET).unwrap();
    let keys = Credentials::Application(keys.with_consumer_key(CONSUMER_KEY).unwrap());
    Config::new(endpoint.parse().unwrap(), Some(keys)).unwrap()
}

fn client(api: &FakeOvh) -> OvhClient {
    OvhClient::new(&config("ovh-eu"), api.router()).unwrap()
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Availability {
    plan_code: String,
    datacenters: Vec<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cart {
    cart_id: String,
}

#[tokio::test(start_paused = true)]
async fn from_the_stock_to_the_order() {
    let api = FakeOvh::new();
    let ovh = client(&api);
    let stock: Vec<Availability> = ovh
        .get("/dedicated/server/datacenter/availabilities")
        .query("planCode", "24adv01-v3")
        .query("datacenters", "gra,rbx")
        .query("excludeDatacenters", false)
        .await
        .unwrap();
    assert!(!stock.is_empty());
    assert!(stock.iter().all(|one| one.plan_code == "24adv01-v3" && one.datacenters.len() <= 2), "{stock:?}");

    let cart: Cart = ovh.post("/order/cart").json(&json!({ "ovhSubsidiary": "FR" })).await.unwrap();
    let cart = format!("/order/cart/{}", cart.cart_id);
    let _: Value = ovh.get(&cart).await.unwrap();
    let () = ovh.delete(&cart).await.unwrap();
    let gone = ovh.get::<Value>(&cart).await.unwrap_err();
    assert_eq!(gone.api().unwrap().status(), 404, "{gone:?}");
    assert!(gone.api().unwrap().query_id().is_some());
    assert_eq!((api.tally().bad_signatures, api.tally().time_fetches), (0, 1));
    assert_eq!(ovh.stats().snapshot().calls.failed, 0);
    assert!(ovh.clock().is_some() && ovh.limiter().snapshot().waiting == 0);
}

/// An API that answers with what it was asked.
fn echo(request: &Request<Body>) -> Response<Body> {
    let header =
        |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let told = json!({
        "method": request.method().as_str(),
        "url": request.uri().to_string(),
        "accept": header("accept"),
        "type": header("content-type"),
        "agent": header("user-agent"),
        "mode": header("x-pagination-mode"),
        "signed": request.headers().contains_key("x-ovh-signature"),
    });
    Response::builder().header("x-next", "2").body(Body::from(told.to_string())).unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_is_what_was_asked_for() {
    let api = service_fn(|request: Request<Body>| async move { Ok::<_, BoxError>(echo(&request)) });
    let config = Config::new("ovh-eu".parse().unwrap(), None).unwrap();
    let ovh = OvhClient::new(&config, api).unwrap();
    let url = async |call: tower_ovh::Call<Value>| call.await.unwrap()["url"].as_str().unwrap().to_owned();

    let base = "https://eu.api.ovh.com";
    assert_eq!(url(ovh.get("/me")).await, format!("{base}/1.0/me"));
    assert_eq!(url(ovh.get("/v1/me")).await, format!("{base}/v1/me"));
    assert_eq!(url(ovh.get("/v2/iam/policy")).await, format!("{base}/v2/iam/policy"));
    let repeated =
        ovh.get("/x").query("addonFamily", "ram").query("addonFamily", "storage").query("limit", 7);
    assert_eq!(url(repeated).await, format!("{base}/1.0/x?addonFamily=ram&addonFamily=storage&limit=7"));
    let escaped = ovh.get("/x?a=1").query("é &", "a=b,c d");
    assert_eq!(url(escaped).await, format!("{base}/1.0/x?a=1&%C3%A9+%26=a%3Db%2Cc+d"));

    for (call, method) in [
        (ovh.get("/x"), "GET"),
        (ovh.post("/x"), "POST"),
        (ovh.put("/x"), "PUT"),
        (ovh.delete("/x"), "DELETE"),
        (ovh.request(Method::PATCH, "/x"), "PATCH"),
    ] {
        let told: Value = call.await.unwrap();
        assert_eq!((&told["method"], &told["accept"]), (&json!(method), &json!("application/json")));
        assert_eq!((&told["type"], &told["signed"]), (&json!(""), &json!(false)));
        assert_eq!(told["agent"], concat!("tower-ovh/", env!("CARGO_PKG_VERSION")));
    }
    let mode =
        (HeaderName::from_static("x-pagination-mode"), HeaderValue::from_static("CachedObjectList-Pages"));
    let told: Value = ovh.post("/x").json("body").header(mode.0, mode.1).await.unwrap();
    assert_eq!(
        (&told["type"], &told["mode"]),
        (&json!("application/json"), &json!("CachedObjectList-Pages"))
    );
    let response = ovh.get::<()>("/x").response().await.unwrap();
    assert_eq!(response.headers()["x-next"], "2");

    for path in ["me", "", "/a b", "/a#b", "https://elsewhere.example/"] {
        assert!(matches!(ovh.get::<Value>(path).await, Err(CallError::Path(_))), "{path}");
    }
    struct Never;
    impl serde::Serialize for Never {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("never"))
        }
    }
    assert!(matches!(ovh.post::<Value>("/x").json(&Never).await, Err(CallError::Body(_))));
}

#[tokio::test(start_paused = true)]
async fn errors_in_both_shapes_and_in_html() {
    for (shape, class, code) in [(ErrorShape::Old, None, Some(())), (ErrorShape::New, Some(()), None)] {
        let api = FakeOvh::new().with_error_shape(shape);
        let error = client(&api).get::<Value>("/me/order/1").await.unwrap_err();
        let error = error.api().unwrap();
        assert_eq!((error.class().map(drop), error.error_code().map(drop)), (class, code), "{error:?}");
        assert_eq!(error.status(), 404);
        assert!(error.message().is_some() && error.query_id().is_some(), "{error:?}");
        let last = api.calls().pop().unwrap();
        assert_eq!(error.query_id(), Some(&*last.query_id));
    }
    // A POST is not repeated after a gateway's page, which may have come after it was carried out.
    let api = FakeOvh::new();
    api.fail_next("/order/cart", Failure::GatewayTimeoutAfter);
    let error =
        client(&api).post::<Cart>("/order/cart").json(&json!({ "ovhSubsidiary": "FR" })).await.unwrap_err();
    let error = error.api().unwrap();
    assert_eq!((error.status().as_u16(), error.class(), error.error_code()), (504, None, None));
    assert_eq!(api.carts().len(), 1);
    // A GET is.
    api.fail_next("/me", Failure::Unavailable);
    let _: Value = client(&api).get("/me").await.unwrap();
    // A page in place of JSON.
    api.fail_next("/me", Failure::HtmlOk);
    let error = client(&api).get::<Value>("/me").await.unwrap_err();
    assert!(
        matches!(&error, CallError::Answer(answer) if answer.status() == 200 && answer.query_id().is_some())
    );
    assert!(error.to_string().starts_with("the answer 200 OK can't be read: an HTML page"), "{error}");
}

/// What the README's program prints is true, whatever the checkout is answered.
#[tokio::test(start_paused = true)]
async fn what_may_have_been_ordered_is_told_from_what_was_not() {
    for (failure, ordered) in [
        (Some(Failure::InternalErrorAfter), true),
        (Some(Failure::BadGatewayAfter), true),
        (Some(Failure::GatewayTimeoutAfter), true),
        // Nobody can tell these from the ones above.
        (Some(Failure::Unavailable), false),
        (Some(Failure::RequestTimeout), false),
        // Successes whose bodies can't be used.
        (Some(Failure::HtmlOk), false),
        (None, true),
    ] {
        let api = FakeOvh::new();
        let ovh = client(&api);
        let cart = ready_cart(&ovh).await;
        let short = OvhStack::new().with_body_limit(64).unwrap();
        let short = OvhClient::with_stack(&config("ovh-eu"), short, api.router()).unwrap();
        let checkout = format!("{cart}/checkout");
        let ovh = match failure {
            Some(failure) => {
                api.fail_next("/order/cart/*/checkout", failure);
                ovh
            }
            None => short,
        };
        let error = ovh.post::<Value>(&checkout).json(&json!({})).await.unwrap_err();
        assert!(error.may_have_landed(), "{failure:?}: {error}");
        assert_eq!(api.orders().len(), usize::from(ordered), "{failure:?}");
    }

    let api = FakeOvh::new();
    let ovh = client(&api);
    let error = ovh.post::<Value>("/order/cart/none/checkout").json(&json!({})).await.unwrap_err();
    assert!(!error.may_have_landed(), "{error}");
    // What is idempotent, or declared to be, can be made again.
    for _ in 0..3 {
        api.fail_next("/me", Failure::InternalErrorAfter);
    }
    let error = ovh.get::<Value>("/me").await.unwrap_err();
    assert!(error.api().is_some_and(|error| error.status() == 500) && !error.may_have_landed(), "{error}");
    for _ in 0..3 {
        api.fail_next("/order/cart", Failure::InternalErrorAfter);
    }
    let cart = || ovh.post::<Value>("/order/cart").json(&json!({ "ovhSubsidiary": "FR" }));
    let error = cart().retry_safety(RetrySafety::Idempotent).await.unwrap_err();
    assert!(!error.may_have_landed(), "{error}");
    api.fail_next("/me", Failure::HtmlOk);
    assert!(!ovh.get::<Value>("/me").await.unwrap_err().may_have_landed());
}

/// A cart that can be checked out: its path.
async fn ready_cart(ovh: &OvhClient) -> String {
    let cart: Cart = ovh.post("/order/cart").json(&json!({ "ovhSubsidiary": "FR" })).await.unwrap();
    let cart = format!("/order/cart/{}", cart.cart_id);
    let item = json!({ "planCode": "24sk10", "duration": "P1M", "pricingMode": "default", "quantity": 1 });
    let item: Value = ovh.post(&format!("{cart}/eco")).json(&item).await.unwrap();
    let setting = json!({ "label": "dedicated_datacenter", "value": "gra" });
    let path = format!("{cart}/item/{}/configuration", item["itemId"]);
    let _: Value = ovh.post(&path).json(&setting).await.unwrap();
    let () = ovh.post(&format!("{cart}/assign")).await.unwrap();
    cart
}

#[tokio::test]
async fn an_outcome_nobody_can_know_reaches_the_caller_and_a_safe_call_heals() {
    let api = FakeOvh::new();
    let cut = Scenario::Cut { at: CutPoint::Request, by: CutBy::Fin };
    let script = Script::list([Scenario::Healthy, cut, cut], Scenario::Healthy);
    let server = FlakyTls::new().with_script(script).serve(api.router()).await.unwrap();
    let stack = OvhStack::new().with_retry(common::quick_retry());
    let connector = trusting(&server).with_idle_per_host(0);
    let ovh = OvhClient::connect(&config(&format!("{}/1.0", server.url())), stack, &connector).unwrap();

    let error = ovh.post::<Cart>("/order/cart").json(&json!({ "ovhSubsidiary": "FR" })).await.unwrap_err();
    let CallError::OutcomeUnknown(unknown) = &error else { panic!("{error:?}") };
    assert_eq!((unknown.path(), unknown.attempts()), ("/1.0/order/cart", 1));
    assert!(error.fault().unwrap().may_have_landed());
    assert_eq!(api.carts().len(), 1, "it landed");

    // The caller knows that a stray cart does no harm.
    let call = ovh.post::<Cart>("/order/cart").json(&json!({ "ovhSubsidiary": "FR" }));
    call.retry_safety(RetrySafety::Idempotent).await.unwrap();
    assert_eq!(api.carts().len(), 3);
    assert_eq!(api.tally().bad_signatures, 0);
}

/// What is cut is never handed on: it is asked for again, or nobody can know.
#[tokio::test]
async fn a_body_that_is_cut() {
    let api = FakeOvh::new();
    let cut = Scenario::Cut { at: CutPoint::Body, by: CutBy::Fin };
    // Stock; the time, and an account; a cart.
    let script = Script::list([cut, Scenario::Healthy, Scenario::Healthy, cut, Scenario::Healthy, cut], cut);
    let server = FlakyTls::new().with_script(script).serve(api.router()).await.unwrap();
    let stack = OvhStack::new().with_retry(common::quick_retry());
    let connector = trusting(&server).with_idle_per_host(0);
    let ovh = OvhClient::connect(&config(&format!("{}/1.0", server.url())), stack, &connector).unwrap();

    let stock = ovh.get::<Vec<Availability>>("/dedicated/server/datacenter/availabilities");
    assert!(!stock.query("planCode", "24adv01-v3").await.unwrap().is_empty());
    let _: Value = ovh.get("/me").await.unwrap();
    assert_eq!(ovh.stats().snapshot().attempts.failed, 2);
    let error = ovh.post::<Cart>("/order/cart").json(&json!({ "ovhSubsidiary": "FR" })).await.unwrap_err();
    assert!(matches!(error, CallError::OutcomeUnknown(_)) && error.may_have_landed(), "{error:?}");
    assert_eq!(api.carts().len(), 1);
}

/// Who has the client's error as a `dyn Error` reads the same in it as who asks it.
#[tokio::test(start_paused = true)]
async fn what_an_error_tells_is_in_its_chain() {
    let api = FakeOvh::new();
    let bad = Script::always(Scenario::Certificate(BadCertificate::UnknownIssuer));
    let server = FlakyTls::new().with_script(bad).serve(api.router()).await.unwrap();
    let proxy = common::Proxy::new(Doing::Say("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")).await;
    let proxied = trusting(&server).with_proxy(Proxy::new(proxy.url()).unwrap());
    let base = config(&format!("{}/1.0", server.url()));
    let plain = config(&format!("{}/1.0", server.url().replace("https", "http")));
    let nobody = Limiter::new(Quota::per_minute(1).unwrap()).with_max_wait(Duration::from_secs(1));
    nobody.try_acquire().unwrap();
    let keys = Credentials::Application(ApplicationKeys::new(APPLICATION_KEY, APPLICATION_SECRET).unwrap());
    let keyless = Config::new("ovh-eu".parse().unwrap(), Some(keys)).unwrap();
    let refused = |stack: OvhStack| OvhClient::with_stack(&config("ovh-eu"), stack, api.router()).unwrap();

    for (ovh, cause, verdict) in [
        (OvhClient::connect(&base, OvhStack::new(), &trusting(&server)).unwrap(), Cause::Certificate, None),
        (OvhClient::connect(&base, OvhStack::new(), &proxied).unwrap(), Cause::Proxy, None),
        (
            OvhClient::connect(&plain, OvhStack::new(), &trusting(&server)).unwrap(),
            Cause::Other,
            Some(Verdict::RefusedLocally),
        ),
        (refused(OvhStack::new().with_limiter(nobody)), Cause::Other, Some(Verdict::RefusedLocally)),
        (OvhClient::new(&keyless, api.router()).unwrap(), Cause::Other, Some(Verdict::RefusedLocally)),
    ] {
        let error = ovh.post::<Value>("/me").await.unwrap_err();
        let CallError::Failed(failed) = &error else { panic!("{error:?}") };
        let fault = Fault::of(&**failed);
        assert_eq!((fault.cause, fault.delivery), (cause, Delivery::NeverSent), "{error}");
        assert_eq!((error.fault(), Fault::of(&error)), (Some(fault), fault), "{error}");
        assert_eq!((Verdict::of(&**failed), Verdict::of(&error)), (verdict, verdict), "{error}");
    }
}

/// Behind plain HTTP on loopback, as an example would serve it.
#[tokio::test]
async fn over_plain_http_where_it_was_asked_for() {
    let api = FakeOvh::new().with_skew(-3_600);
    let server = api.serve().await.unwrap();
    let connector = Connector::trusting(Roots::none()).unwrap();
    let config = config(&server.base());
    let ovh = OvhClient::connect(&config, OvhStack::new(), &connector.clone().with_plain_http()).unwrap();
    let _: Value = ovh.get("/me").await.unwrap();
    assert_eq!((api.tally().time_fetches, api.tally().bad_signatures), (1, 0));

    let refused = OvhClient::connect(&config, OvhStack::new(), &connector).unwrap();
    let error = refused.get::<Value>("/me").await.unwrap_err();
    assert!(matches!(error, CallError::Failed(_)), "{error:?}");
    assert_eq!(refused.stats().snapshot().attempts.started, 1, "it was tried again");
}

#[tokio::test(start_paused = true)]
async fn unsigned_calls_are_not_signed() {
    let api = FakeOvh::new();
    let ovh = client(&api);
    let _ = ovh.get::<Value>("/order/cart").unsigned().await;
    let _: Value = ovh.get("/order/catalog/public/eco").query("ovhSubsidiary", "FR").await.unwrap();
    assert!(api.calls().iter().all(|call| !call.authenticated));
    assert_eq!(api.tally().time_fetches, 0);
}

/// The answer's texts are nobody's business.
#[tokio::test(start_paused = true)]
async fn what_is_not_the_type_asked_for() {
    let api = service_fn(|_: Request<Body>| async {
        let response = Response::builder().header(CONTENT_TYPE, "application/json");
        Ok::<_, BoxError>(
            response.body(Full::<Bytes>::from(r#"{"cartId":{"consumerKey":"s3cret"}}"#)).unwrap(),
        )
    });
    let ovh = OvhClient::new(&Config::new("ovh-eu".parse().unwrap(), None).unwrap(), api).unwrap();
    let error = ovh.get::<Cart>("/x").await.unwrap_err();
    assert!(error.to_string().starts_with("the answer 200 OK can't be read: "), "{error}");
    assert!(!format!("{error} {error:?}").contains("s3cret"));
}
