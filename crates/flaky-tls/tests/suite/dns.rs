//! Failures before there is a connection: the resolver is the client's, so the failing one is too.

use crate::common;
use std::io;
use std::net::SocketAddr;

use crate::common::client::{call, request};
use crate::common::start;
use flaky_tls::FlakyTls;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioExecutor;

#[tokio::test]
async fn a_name_that_is_not_resolved_reaches_no_server() {
    let (server, _) = start(FlakyTls::new()).await;
    for words in ["Name or service not known", "Temporary failure in name resolution"] {
        let words = format!("failed to lookup address information: {words}");
        let carried = words.clone();
        let resolver = tower::service_fn(move |_: Name| {
            let error = io::Error::other(carried.clone());
            async { Err::<std::vec::IntoIter<SocketAddr>, _>(error) }
        });
        let mut http = HttpConnector::new_with_resolver(resolver);
        http.enforce_http(false);
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(server.authority().client_config().unwrap())
            .https_only()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new()).build(https);
        let saw = call(&client, request(&server, "a", "x")).await;
        assert!(saw.is_connect() && !saw.handed_over(), "{}", saw.words());
        assert!(saw.words().contains("> dns error > "), "{}", saw.words());
        assert_eq!(saw.last_words(), words);
    }
    assert_eq!(server.shutdown().await.accepted(), 0);
}

#[tokio::test]
async fn the_port_of_a_server_that_was_shut_down_refuses() {
    let (server, _) = start(FlakyTls::new()).await;
    let client = common::client::client(&server);
    let request = request(&server, "a", "x");
    server.shutdown().await;
    let saw = call(&client, request).await;
    assert!(saw.is_connect() && !saw.handed_over(), "{}", saw.words());
    assert_eq!(saw.io_kind(), Some(io::ErrorKind::ConnectionRefused), "{}", saw.words());
}
