//! TCP, and who is told of it.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use pin_project_lite::pin_project;
use tokio::net::TcpStream;
use tower_service::Service;

use super::resolver::Resolver;

type OnTcp = dyn Fn(&TcpStream) + Send + Sync;
type Http = HttpConnector<Resolver>;

#[derive(Clone)]
pub(super) struct Tcp {
    http: Http,
    told: Option<Arc<OnTcp>>,
}

impl Tcp {
    pub(super) fn new(resolver: Resolver, limit: Duration) -> Self {
        Self { http: http(resolver, limit), told: None }
    }

    /// The same, with another resolver and limit.
    pub(super) fn set(&mut self, resolver: Resolver, limit: Duration) {
        self.http = http(resolver, limit);
    }

    pub(super) fn tell(&mut self, hook: impl Fn(&TcpStream) + Send + Sync + 'static) {
        self.told = Some(Arc::new(hook));
    }
}

/// TCP may use half of a connection's time.
fn http(resolver: Resolver, limit: Duration) -> Http {
    let mut http = HttpConnector::new_with_resolver(resolver);
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(limit / 2));
    http
}

impl Service<Uri> for Tcp {
    type Response = TokioIo<TcpStream>;
    type Error = <Http as Service<Uri>>::Error;
    type Future = TcpConnecting;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.http.poll_ready(cx)
    }

    fn call(&mut self, destination: Uri) -> TcpConnecting {
        TcpConnecting { connecting: self.http.call(destination), told: self.told.clone() }
    }
}

pin_project! {
    pub(super) struct TcpConnecting {
        #[pin]
        connecting: <Http as Service<Uri>>::Future,
        told: Option<Arc<OnTcp>>,
    }
}

impl Future for TcpConnecting {
    type Output = Result<TokioIo<TcpStream>, <Http as Service<Uri>>::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let stream = ready!(this.connecting.poll(cx))?;
        if let Some(hook) = this.told {
            // A panic of the hook ends here: it must not become the call's.
            if catch_unwind(AssertUnwindSafe(|| hook(stream.inner()))).is_err() {
                tracing::error!("the on_tcp hook panicked");
            }
        }
        Poll::Ready(Ok(stream))
    }
}

impl fmt::Debug for Tcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tcp").field("http", &self.http).finish_non_exhaustive()
    }
}
