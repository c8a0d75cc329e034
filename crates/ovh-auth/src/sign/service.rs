//! The service.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::body::ResponseBody;
use super::future::ResponseFuture;
use super::signable::SignableBody;
use super::signer::Signer;
use crate::failure::BoxError;
use crate::sending::Sending;

/// Signs each request with the application's secret, at the server's time.
///
/// Method, URL and body are signed exactly as they are in the request; the URL must be absolute and is not touched.
/// Calls that the API takes unsigned, and those marked so, pass as they are: see [`Unsigned`](crate::Unsigned).
///
/// A request that leads out of the endpoint is refused and not sent: a signature, or a consumer key, is nobody else's
/// to see. What is outside: another scheme, host or port, to the letter, or a path that is not under the base.
///
/// # The clock
///
/// The first signed call fetches the server's time ([`ServerClock`](crate::ServerClock)). If the server answers a
/// signed request with 400 and `"errorCode":"QUERY_TIME_OUT"`, that time is dropped, so that the next attempt fetches
/// it anew, and the response gets the extension [`Unprocessed`](wire_fault::Unprocessed): it was rejected when it was
/// authenticated, so a retry above may repeat it, a POST too. Without one the response is handed on like any other,
/// body and all.
///
/// # Errors
///
/// [`AuthError`](crate::AuthError) for a request that was not signed, and so not sent; else the error of the service
/// below, untouched.
///
/// # Cancellation
///
/// Dropping the future drops the attempt, or the wait for the time, which goes on for others who wait.
///
/// # Clone
///
/// A clone shares keys and clock, and is never ready. A call that has to wait for the time gives its readiness back,
/// and asks for it anew when it has the time, so that the fetch can pass a `ConcurrencyLimit(1)` which both have below
/// them.
#[derive(Clone, Debug)]
pub struct Sign<S> {
    inner: S,
    signer: Arc<Signer>,
}

impl<S> Sign<S> {
    pub(crate) fn new(inner: S, signer: Arc<Signer>) -> Self {
        Self { inner, signer }
    }

    /// The service below.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, B, R> Service<Request<B>> for Sign<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: SignableBody,
    R: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = BoxError;
    type Future = ResponseFuture<S, B, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(ready!(self.inner.poll_ready(cx)).map_err(Into::into))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let sending = Sending::begin(&mut self.inner, &self.signer, request);
        ResponseFuture::new(sending, self.signer.clone())
    }
}
