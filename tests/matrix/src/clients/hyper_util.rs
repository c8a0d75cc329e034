//! hyper-util's client over hyper-rustls.

use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::client::legacy::{Builder, Client as HyperClient};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower::Layer;
use wire_fault::{ProxyTunnel, StampLayer, WitnessLayer};

use crate::client::{Client, Transport, erase};
use crate::trust::Trust;

/// A connection for each request, and no repeats of hyper-util's own.
pub const PLAIN: Client = Client {
    notes_connections: true,
    ..Client::new("hyper-util, no pool", |client, trust, _| {
        let mut builder = builder();
        builder.pool_max_idle_per_host(0).retry_canceled_requests(false);
        over(&builder, https(client, trust, tcp()))
    })
};

/// hyper-util as it comes.
pub const POOL: Client = Client {
    reuses: true,
    proxied: true,
    notes_connections: true,
    ..Client::new("hyper-util", |client, trust, proxy| match proxy {
        None => over(&builder(), https(client, trust, tcp())),
        Some(proxy) => over(&builder(), https(client, trust, Tunnel::new(uri(proxy), tcp()))),
    })
};

pub const HTTP2: Client = Client { name: "hyper-util h2", http2: true, proxied: false, ..POOL };

/// With a `WitnessLayer` and `StampLayer`s in their places.
pub const WITNESS: Client = Client {
    reuses: true,
    proxied: true,
    hears_the_proxy: true,
    notes_connections: true,
    ..Client::new("witness", |client, trust, proxy| {
        let tcp = StampLayer::tcp().layer(tcp());
        match proxy {
            None => over(&builder(), WitnessLayer::new().layer(https(client, trust, tcp))),
            Some(proxy) => {
                let tunnel = ProxyTunnel::new(uri(proxy), tcp).expect("a host");
                over(&builder(), WitnessLayer::new().layer(https(client, trust, tunnel)))
            }
        }
    })
};

pub const WITNESS_HTTP2: Client = Client { name: "witness h2", http2: true, proxied: false, ..WITNESS };

fn https<T>(client: Client, trust: &Trust, below: T) -> HttpsConnector<T> {
    let builder = HttpsConnectorBuilder::new().with_tls_config(trust.config(None)).https_only();
    if client.http2 {
        builder.enable_http2().wrap_connector(below)
    } else {
        builder.enable_http1().wrap_connector(below)
    }
}

/// # Panics
///
/// If it is none.
#[must_use]
pub fn uri(url: &str) -> Uri {
    url.parse().expect("a URL")
}

#[must_use]
pub fn tcp() -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    // Else each request waits some 40 ms for the acknowledgement of the handshake's last flight.
    tcp.set_nodelay(true);
    tcp
}

#[must_use]
pub fn builder() -> Builder {
    let mut builder = HyperClient::builder(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(600));
    builder
}

pub fn over<C: Connect + Clone + Send + Sync + 'static>(builder: &Builder, connector: C) -> Transport {
    let client: HyperClient<_, Full<Bytes>> = builder.build(connector);
    erase(client)
}
