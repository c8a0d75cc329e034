//! tower-ovh's connector.

use bytes::Bytes;
use http_body_util::Full;
use tower_ovh::{Connector, Proxy, Roots};

use crate::client::{Client, erase};

pub const OVH: Client = Client {
    reuses: true,
    proxied: true,
    hears_the_proxy: true,
    notes_connections: true,
    ..Client::new("tower-ovh", |client, trust, proxy| {
        let roots = Roots::none().with_pem(&trust.pem).expect("a certificate");
        let connector = Connector::trusting(roots).expect("a connector");
        let connector = match proxy {
            None => connector,
            Some(proxy) => connector.with_proxy(Proxy::new(proxy).expect("a URL")),
        };
        let connector = if client.http2 { connector.with_http2() } else { connector };
        erase(connector.client::<Full<Bytes>>())
    })
};

pub const OVH_HTTP2: Client = Client { name: "tower-ovh h2", http2: true, proxied: false, ..OVH };
