//! Failures before there is a connection: the resolver is the client's, so the failing one is too.

use crate::common;
use std::io;
use std::net::SocketAddr;

use crate::common::client::{call, request};
use crate::common::start;
use flaky_tls::{FlakyTls, Running};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpSocket;

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

/// A port that nobody listens at any more, and which nobody else can be given.
async fn left(server: Running) -> Option<TcpSocket> {
    let address = server.address();
    server.shutdown().await;
    let socket = TcpSocket::new_v4().unwrap();
    // The server's connections may linger.
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).is_ok().then_some(socket)
}

#[tokio::test]
async fn the_port_of_a_server_that_was_shut_down_refuses() {
    loop {
        let (server, _) = start(FlakyTls::new()).await;
        let client = common::client::client(&server);
        let request = request(&server, "a", "x");
        // Some other test may have been given it meanwhile.
        let Some(_left) = left(server).await else { continue };
        let saw = call(&client, request).await;
        assert!(saw.is_connect() && !saw.handed_over(), "{}", saw.words());
        assert_eq!(saw.io_kind(), Some(io::ErrorKind::ConnectionRefused), "{}", saw.words());
        return;
    }
}
