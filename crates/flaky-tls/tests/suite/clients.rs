//! hyper-util's client over hyper-rustls against every cut, and axum behind the server.

use crate::common::start;
use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use flaky_tls::{CutPoint, FlakyTls, Running, Scenario, Script};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

type HyperUtil = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

fn client(server: &Running) -> HyperUtil {
    let config = server.authority().client_config().unwrap();
    let https = HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1().build();
    Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .retry_canceled_requests(false)
        .build(https)
}

fn request(server: &Running, id: &str) -> Request<Full<Bytes>> {
    Request::post(server.url()).header("x-request-id", id).body(Full::from("body")).unwrap()
}

#[tokio::test]
async fn hyper_util_never_calls_a_received_request_unsent() {
    let cuts: Vec<_> = Scenario::cuts().collect();
    let (server, _) = start(FlakyTls::new().with_script(Script::list(cuts.clone(), Scenario::Healthy))).await;
    let client = client(&server);
    for cut in cuts {
        let Scenario::Cut { at, .. } = cut else { unreachable!("cuts() gives cuts") };
        let id = cut.to_string();
        let result = client.request(request(&server, &id)).await;
        let received = server.tally(&id).received;
        match at {
            CutPoint::Body => {
                result.expect("the head came whole").into_body().collect().await.expect_err(&id);
                assert_eq!(received, 1, "{id}");
            }
            CutPoint::Request | CutPoint::Head => {
                let error = result.expect_err(&id);
                assert!(error.connect_info().is_some() && !error.is_connect(), "{id}: {error:?}");
                assert_eq!(received, 1, "{id}");
            }
            CutPoint::Handshake => {
                result.expect_err(&id);
                assert_eq!(received, 0, "{id}");
            }
            _ => {
                let error = result.expect_err(&id);
                assert!(error.is_connect() && error.connect_info().is_none(), "{id}: {error:?}");
                assert_eq!(received, 0, "{id}");
            }
        }
    }
    client.request(request(&server, "after")).await.unwrap();
}

#[tokio::test]
async fn an_axum_router_is_served() {
    let router = Router::new().route("/", get(async || "hello").post(async |body: String| body));
    let server = FlakyTls::new().serve(router).await.unwrap();
    let response = client(&server).request(request(&server, "a")).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "body");
    assert_eq!(server.shutdown().await.tally("a").answered, 1);
}
