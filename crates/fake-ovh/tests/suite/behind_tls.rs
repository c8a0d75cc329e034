//! Behind a server that cuts connections: what is cut after the request has landed all the same.

use bytes::Bytes;
use fake_ovh::{APPLICATION_KEY, APPLICATION_SECRET, CONSUMER_KEY, FakeOvh, signature};
use flaky_tls::{CutBy, CutPoint, FlakyTls, Scenario, Script};
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

#[tokio::test]
async fn signed_calls_land_even_where_the_answer_is_cut() {
    let api = FakeOvh::new();
    let cut = |at| Scenario::Cut { at, by: CutBy::Fin };
    let script = Script::list([cut(CutPoint::Handshake), cut(CutPoint::Request)], Scenario::Healthy);
    let server = FlakyTls::new().with_script(script).serve(api.router()).await.unwrap();
    let config = server.authority().client_config().unwrap();
    let connector = HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1().build();
    let client = Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(connector);

    let url = format!("{}/1.0/order/cart?a=%2f", server.url());
    let body = r#"{"ovhSubsidiary":"FR"}"#;
    let send = async || {
        let timestamp = api.time().to_string();
        let signature =
            signature(APPLICATION_SECRET, CONSUMER_KEY, &Method::POST, &url, body.as_bytes(), &timestamp);
        let request = Request::post(&*url)
            .header("x-ovh-application", APPLICATION_KEY)
            .header("x-ovh-consumer", CONSUMER_KEY)
            .header("x-ovh-timestamp", timestamp)
            .header("x-ovh-signature", signature)
            .body(Full::from(body))
            .unwrap();
        client.request(request).await
    };
    assert!(send().await.is_err(), "cut in the handshake");
    assert_eq!((api.tally().calls, api.carts().len()), (0, 0));
    assert!(send().await.is_err(), "cut after the request");
    assert_eq!((api.tally().calls, api.carts().len()), (1, 1), "but it landed");
    let response = send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(!response.into_body().collect().await.unwrap().to_bytes().is_empty());
    assert_eq!((api.carts().len(), api.tally().bad_signatures), (2, 0));
    server.shutdown().await;
}
