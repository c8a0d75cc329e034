//! The connection below TLS: straight to the server, or a tunnel through a proxy.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower::{BoxError, ServiceExt as _};
use tower_service::Service;

use super::proxy::Proxy;
use super::proxy_error::ProxyError;
use super::tcp::Tcp;
use super::tunnel;

/// A TCP connection to the server or the proxy; to a proxy it may carry TLS of its own.
pub(super) type Leg = MaybeHttpsStream<TokioIo<TcpStream>>;

#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) tcp: Tcp,
    pub(super) proxy: Proxy,
    /// For a proxy that is itself reached by TLS. It speaks HTTP/1.1.
    pub(super) proxy_tls: Arc<ClientConfig>,
}

impl Service<Uri> for Route {
    type Response = Leg;
    type Error = BoxError;
    // One box a connection, beside the one that hyper-rustls makes.
    type Future = Pin<Box<dyn Future<Output = Result<Leg, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, destination: Uri) -> Self::Future {
        let Some(proxy) = self.proxy.intercept(&destination) else {
            let direct = self.tcp.call(destination);
            return Box::pin(async move { Ok(MaybeHttpsStream::Http(direct.await?)) });
        };
        let leg = HttpsConnector::from((self.tcp.clone(), Arc::clone(&self.proxy_tls)));
        Box::pin(async move {
            let leg = leg
                .oneshot(proxy.uri().clone())
                .await
                .map_err(|error| ProxyError::unreachable(proxy.uri(), &destination, error))?;
            Ok(tunnel::open(leg, &proxy, &destination).await?)
        })
    }
}
