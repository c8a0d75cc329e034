//! reqwest over rustls, 0.12 and 0.13; its own repeats and redirects are off.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::service_fn;

use crate::client::{Client, erase};
use crate::trust::Trust;

pub const REQWEST12: Client = Client {
    reuses: true,
    proxied: true,
    ..Client::new("reqwest 0.12", |client, trust, proxy| {
        let builder = reqwest12::Client::builder()
            .use_preconfigured_tls(trust.config(Some(client.protocol())))
            .redirect(reqwest12::redirect::Policy::none())
            .retry(reqwest12::retry::never());
        let builder = match proxy {
            None => builder.no_proxy(),
            Some(proxy) => builder.proxy(reqwest12::Proxy::all(proxy).expect("a URL")),
        };
        let client = builder.build().expect("a client");
        erase(service_fn(move |request: Request<Full<Bytes>>| {
            let client = client.clone();
            async move {
                let request = reqwest12::Request::try_from(request.map(reqwest12::Body::wrap))?;
                let response = client.execute(request).await?;
                Ok::<_, reqwest12::Error>(Response::<reqwest12::Body>::from(response))
            }
        }))
    })
};

pub const REQWEST12_HTTP2: Client =
    Client { name: "reqwest 0.12 h2", http2: true, proxied: false, ..REQWEST12 };

pub const REQWEST13: Client = Client {
    reuses: true,
    proxied: true,
    ..Client::new("reqwest 0.13", |client, trust, proxy| {
        let builder = builder13(client, trust, proxy).retry(reqwest13::retry::never());
        let client = builder.build().expect("a client");
        erase(service_fn(move |request: Request<Full<Bytes>>| {
            let client = client.clone();
            async move {
                let request = reqwest13::Request::try_from(request.map(reqwest13::Body::wrap))?;
                let response = client.execute(request).await?;
                Ok::<_, reqwest13::Error>(Response::<reqwest13::Body>::from(response))
            }
        }))
    })
};

/// reqwest 0.13 as it comes, but for redirects.
///
/// # Panics
///
/// If the proxy's URL is none.
pub fn builder13(client: Client, trust: &Trust, proxy: Option<&str>) -> reqwest13::ClientBuilder {
    let builder = reqwest13::Client::builder()
        .tls_backend_preconfigured(trust.config(Some(client.protocol())))
        .redirect(reqwest13::redirect::Policy::none());
    match proxy {
        None => builder.no_proxy(),
        Some(proxy) => builder.proxy(reqwest13::Proxy::all(proxy).expect("a URL")),
    }
}

pub const REQWEST13_HTTP2: Client =
    Client { name: "reqwest 0.13 h2", http2: true, proxied: false, ..REQWEST13 };
