//! Signatures over HTTP/2, where the server knows the URL from `:scheme`, `:authority` and `:path` and not from a `Host`.

use std::time::Duration;

use fake_ovh::{APPLICATION_KEY, APPLICATION_SECRET, CONSUMER_KEY, FakeOvh};
use flaky_tls::{CutBy, FlakyTls, HttpVersions, Protocol, RequestFault, RequestPoint, Scenario, Script};
use http::Method;
use jittered_backoff::Backoff;
use ovh_auth::{ApplicationKeys, Config, Credentials};
use retry_on_tls_eof::RetryOnTlsEofLayer;
use serde_json::{Value, json};
use tower_ovh::{Connector, OvhClient, OvhStack, Roots};

#[tokio::test]
async fn what_is_signed_is_what_the_server_of_http2_sees() {
    let api = FakeOvh::new().with_skew(-3_600);
    // A repeat is signed anew, on another connection; a jump of the clock in mid-run, too.
    let cut = RequestFault::Cut { at: RequestPoint::Request, by: CutBy::Rst };
    let script = Script::list([Scenario::After { requests: 2, then: cut }], Scenario::Healthy);
    let server =
        FlakyTls::new().with_http(HttpVersions::Http2).with_script(script).serve(api.router()).await.unwrap();

    let keys = ApplicationKeys::new(APPLICATION_KEY, APPLICATION_SECRET).unwrap();
    let keys = Credentials::Application(keys.with_consumer_key(CONSUMER_KEY).unwrap());
    let config = Config::new(format!("{}/1.0", server.url()).parse().unwrap(), Some(keys)).unwrap();
    let backoff = Backoff::exponential(Duration::from_millis(1)..=Duration::from_millis(5)).unwrap();
    let stack = OvhStack::new().with_retry(RetryOnTlsEofLayer::new(backoff));
    let roots = Roots::none().with_pem(server.authority().pem()).unwrap();
    let connector = Connector::trusting(roots).unwrap().with_http2();
    let ovh = OvhClient::connect(&config, stack, &connector).unwrap();

    for skew in [-3_600, 3_600] {
        api.set_skew(skew);
        let _: Value = ovh.get("/me").query("a", "1/2+3 ü").query("a", "%2F").await.unwrap();
        let _: Value = ovh.get("/v1/me?b=%2F+%2f~*'&c").await.unwrap();
        let _: Value = ovh.post("/order/cart").json(&json!({ "ovhSubsidiary": "FR" })).await.unwrap();
    }

    let (tally, stats) = (api.tally(), ovh.stats().snapshot());
    assert_eq!((tally.bad_signatures, tally.out_of_time), (0, 1), "{tally:?}");
    assert_eq!(api.received(&Method::GET, "/auth/time"), 2);
    assert_eq!((stats.calls.succeeded, stats.calls.failed), (6, 0));
    let truth = server.shutdown().await;
    assert!(truth.connections().len() == 2 && truth.connections()[0].carried_out);
    assert!(truth.connections().iter().all(|connection| connection.protocol == Some(Protocol::Http2)));
}
