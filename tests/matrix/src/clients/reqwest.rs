//! reqwest over rustls, 0.12 and 0.13; its own repeats and redirects are off.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::service_fn;

use crate::client::{Client, Transport, erase};
use crate::trust::Trust;

pub const REQWEST12: Client = Client {
    reuses: true,
    proxied: true,
    ..Client::new("reqwest 0.12", |client, trust, proxy| {
        let tls = trust.config(Some(client.protocol()));
        finish12(reqwest12::Client::builder().use_preconfigured_tls(tls), proxy)
    })
};

pub const REQWEST12_HTTP2: Client =
    Client { name: "reqwest 0.12 h2", http2: true, proxied: false, ..REQWEST12 };

pub const REQWEST13: Client = Client {
    reuses: true,
    proxied: true,
    ..Client::new("reqwest 0.13", |client, trust, proxy| finish13(tls13(client, trust), proxy))
};

pub const REQWEST13_HTTP2: Client =
    Client { name: "reqwest 0.13 h2", http2: true, proxied: false, ..REQWEST13 };

fn tls13(client: Client, trust: &Trust) -> reqwest13::ClientBuilder {
    reqwest13::Client::builder().tls_backend_preconfigured(trust.config(Some(client.protocol())))
}

/// reqwest 0.13 as it comes, but for redirects.
///
/// # Panics
///
/// If the proxy's URL is none.
pub fn builder13(client: Client, trust: &Trust, proxy: Option<&str>) -> reqwest13::ClientBuilder {
    through13(tls13(client, trust), proxy)
}

// The two versions have the same names for different types.
macro_rules! finish {
    ($finish:ident, $through:ident, $reqwest:ident) => {
        fn $through(builder: $reqwest::ClientBuilder, proxy: Option<&str>) -> $reqwest::ClientBuilder {
            let builder = builder.redirect($reqwest::redirect::Policy::none());
            match proxy {
                None => builder.no_proxy(),
                Some(proxy) => builder.proxy($reqwest::Proxy::all(proxy).expect("a URL")),
            }
        }

        /// The client of a builder whose TLS is set: through the proxy if there is one, without redirects and repeats.
        ///
        /// # Panics
        ///
        /// If there is no such client.
        #[must_use]
        pub fn $finish(builder: $reqwest::ClientBuilder, proxy: Option<&str>) -> Transport {
            let builder = $through(builder, proxy).retry($reqwest::retry::never());
            let client = builder.build().expect("a client");
            erase(service_fn(move |request: Request<Full<Bytes>>| {
                let client = client.clone();
                async move {
                    let request = $reqwest::Request::try_from(request.map($reqwest::Body::wrap))?;
                    let response = client.execute(request).await?;
                    Ok::<_, $reqwest::Error>(Response::<$reqwest::Body>::from(response))
                }
            }))
        }
    };
}

finish!(finish12, through12, reqwest12);
finish!(finish13, through13, reqwest13);
