use std::error::Error;
use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use tower_service::Service;

use super::listen::{Heard, Listening, Tunneled};
use super::stamp::{BoxError, Stamp};
use crate::chain::find;
use crate::fault::{Cause, Delivery, Fault, Healing, Phase};
use crate::mark::Mark;

/// hyper-util's [`Tunnel`], and the status with which the proxy refuses, which that drops.
///
/// Goes below the TLS connector and around what connects to the proxy. Without the status a refusal is "may heal, or may
/// not"; with it 502, 503 and 504 heal and 403 does not.
///
/// ```
/// use hyper_util::client::legacy::connect::HttpConnector;
/// use wire_fault::ProxyTunnel;
///
/// let tunnel = ProxyTunnel::new("http://proxy.example:3128".parse()?, HttpConnector::new())?;
/// assert!(ProxyTunnel::new("/no/host".parse()?, HttpConnector::new()).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// A [`Mark`] that states the fault, above a [`ProxyRefused`] if the proxy answered with a status other than 200, above
/// hyper-util's own error.
///
/// # Cancellation
///
/// Dropping the future closes the connection to the proxy.
///
/// # Clone
///
/// A clone is as ready as a clone of the inner connector.
#[derive(Clone, Debug)]
pub struct ProxyTunnel<C> {
    proxy: Uri,
    headers: HeaderMap,
    inner: C,
}

impl<C> ProxyTunnel<C> {
    /// Through the proxy at `proxy`, to which `inner` connects.
    ///
    /// # Errors
    ///
    /// If `proxy` names no host.
    pub fn new(proxy: Uri, inner: C) -> Result<Self, InvalidProxy> {
        match proxy.host() {
            Some(host) if !host.is_empty() => Ok(Self { proxy, headers: HeaderMap::new(), inner }),
            _ => Err(InvalidProxy(proxy)),
        }
    }

    /// Sends this in `Proxy-Authorization`.
    #[must_use]
    pub fn with_auth(mut self, mut auth: HeaderValue) -> Self {
        auth.set_sensitive(true);
        self.headers.insert(http::header::PROXY_AUTHORIZATION, auth);
        self
    }

    /// Sends these to the proxy, beside what was set before.
    #[must_use]
    pub fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.headers.extend(headers);
        self
    }

    /// The connector to the proxy.
    pub fn get_ref(&self) -> &C {
        &self.inner
    }
}

impl<C> Service<Uri> for ProxyTunnel<C>
where
    C: Service<Uri> + Clone,
    C::Response: Read + Write + Unpin + Send + 'static,
    C::Future: Send + 'static,
    C::Error: Into<BoxError>,
{
    type Response = Tunneled<C::Response>;
    type Error = BoxError;
    type Future = Tunneling<C::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(|error| Stamp::PROXY.on(error))
    }

    fn call(&mut self, destination: Uri) -> Self::Future {
        // The one that was polled ready is the one that connects.
        let clone = self.inner.clone();
        let inner = mem::replace(&mut self.inner, clone);
        let heard = Heard::default();
        let mut tunnel = Tunnel::new(self.proxy.clone(), Listening::new(inner, heard.clone()));
        if !self.headers.is_empty() {
            tunnel = tunnel.with_headers(self.headers.clone());
        }
        Tunneling { heard, inner: Box::pin(tunnel.call(destination)) }
    }
}

type Boxed<T> = Pin<Box<dyn Future<Output = Result<T, TunnelError>> + Send>>;

/// hyper-util does not name its error.
type TunnelError = <Tunnel<hyper_util::client::legacy::connect::HttpConnector> as Service<Uri>>::Error;

/// The future of a connect through a [`ProxyTunnel`].
#[must_use = "futures do nothing unless polled"]
pub struct Tunneling<T> {
    heard: Heard,
    // hyper-util boxes its own as well and does not name it; a connect allocates far more than this.
    inner: Boxed<Tunneled<T>>,
}

impl<T> Future for Tunneling<T> {
    type Output = Result<Tunneled<T>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let error: BoxError = match ready!(self.inner.as_mut().poll(cx)) {
            Ok(connection) => return Poll::Ready(Ok(connection)),
            Err(error) => error.into(),
        };
        Poll::Ready(Err(match self.heard.status() {
            Some(status) if status != StatusCode::OK => refused(status, error),
            _ => Stamp::PROXY.on(error),
        }))
    }
}

impl<T> fmt::Debug for Tunneling<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunneling").finish_non_exhaustive()
    }
}

fn refused(status: StatusCode, error: BoxError) -> BoxError {
    // RFC 9110, 15.6: of the server's errors, these are of its state and not of the request.
    let healing = match status {
        StatusCode::REQUEST_TIMEOUT
        | StatusCode::TOO_MANY_REQUESTS
        | StatusCode::INTERNAL_SERVER_ERROR
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Healing::Transient,
        status if status.is_client_error() => Healing::Permanent,
        _ => Healing::Unknown,
    };
    let fault = Fault::new(Phase::Proxy, Delivery::NeverSent, Cause::Proxy, healing);
    Mark::fault(fault).with_source(ProxyRefused { status, source: error }).into()
}

/// A proxy answered with a status instead of opening the tunnel.
#[derive(Debug)]
pub struct ProxyRefused {
    status: StatusCode,
    source: BoxError,
}

impl ProxyRefused {
    /// The status that a proxy refused with, if that is how a call failed.
    #[must_use]
    pub fn of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        find(error)
    }

    /// What the proxy answered.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }
}

impl fmt::Display for ProxyRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the proxy answered {}", self.status)
    }
}

impl Error for ProxyRefused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// A proxy's address without a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidProxy(Uri);

impl fmt::Display for InvalidProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no proxy at {:?}: it must name a host, as in http://proxy.example:3128",
            self.0.to_string()
        )
    }
}

impl Error for InvalidProxy {}
