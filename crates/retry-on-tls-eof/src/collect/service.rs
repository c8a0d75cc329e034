use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::Body;
use tower::BoxError;
use tower_service::Service;

use super::body::CollectedBody;
use super::future::ResponseFuture;
use super::length::can_have_body;

/// Reads each response's body before it hands the response on, so that a connection cut in the body fails the call.
///
/// A body cut after `Ok(response)` is out of a retry's sight. With this below it, a GET whose body is cut is repeated, and
/// a POST ends as [`OutcomeUnknown`](crate::OutcomeUnknown), with the head of the response that did come.
///
/// A body larger than the limit is not held back: what has been read of it is handed on first, and then the rest as it
/// comes. So does one that announces such a size. A cut in it is the body's own error, as without this layer.
///
/// A body that ends in order, but short of what it has announced, was cut, too: over HTTP/2 `RST_STREAM(NO_ERROR)` ends
/// one so, and hyper takes it for its end.
///
/// What it can't see: an HTTP/1 body of no stated length ends with its connection, and where the client takes any end for
/// that (OpenSSL without `close_notify`), half a body looks whole.
///
/// Not for answers that never end (server-sent events): their head comes only once the limit is passed.
///
/// # Errors
///
/// [`BodyCut`](crate::BodyCut) if the body ends in an error within the limit, or too soon; else the error of the service
/// below, untouched.
///
/// # Memory
///
/// At most the limit for each response being collected, and the one frame that passes it. A body that came in one frame is
/// not copied; others are copied once. A body that announces its size is given that much room at once, 64 KiB at most, and
/// the rest as it comes.
///
/// # Cancellation
///
/// Dropping the future drops what was read, and the response.
///
/// # Clone
///
/// As the service below: nothing is shared but what that shares.
#[derive(Clone, Debug)]
pub struct CollectBody<S> {
    inner: S,
    limit: usize,
}

impl<S> CollectBody<S> {
    pub(super) fn new(inner: S, limit: usize) -> Self {
        Self { inner, limit }
    }

    /// The service below.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, Q, B> Service<Request<Q>> for CollectBody<S>
where
    S: Service<Request<Q>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    type Response = Response<CollectedBody<B>>;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(ready!(self.inner.poll_ready(cx)).map_err(Into::into))
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let can_have_body = can_have_body(request.method());
        ResponseFuture::new(self.inner.call(request), self.limit, can_have_body)
    }
}
