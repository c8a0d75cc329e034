//! What the tests that cross crates share: a client that trusts the fault server, with nothing hidden below it.

use bytes::Bytes;
use flaky_tls::Running;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;

/// hyper-util's client over hyper-rustls.
pub type Transport = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A client that trusts `server`'s authority. hyper-util's own repeats are off; `idle` is how many connections it keeps
/// for reuse.
///
/// # Panics
///
/// If rustls refuses the configuration.
#[must_use]
pub fn client(server: &Running, idle: usize) -> Transport {
    let config = server.authority().client_config().expect("ring serves the default versions");
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    // Else each request waits some 40 ms for the acknowledgement of the handshake's last flight.
    http.set_nodelay(true);
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1().wrap_connector(http);
    Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(idle)
        .retry_canceled_requests(false)
        .build(connector)
}

/// The project's README, whose example must compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
