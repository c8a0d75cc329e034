//! Collects response bodies, so that a cut in one is seen by the retry above, and refuses those that are too long.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use retry_on_tls_eof::{CollectBody, CollectBodyLayer, CollectedBody, InvalidBodyLimit};
use tower::BoxError;
use tower_layer::Layer;
use tower_service::Service;

use super::body_too_long::BodyTooLong;

#[derive(Clone, Copy, Debug)]
pub(super) struct CollectLayer {
    layer: CollectBodyLayer,
    limit: usize,
}

impl CollectLayer {
    pub(super) fn new(limit: usize) -> Result<Self, InvalidBodyLimit> {
        Ok(Self { layer: CollectBodyLayer::new(limit)?, limit })
    }
}

impl<S> Layer<S> for CollectLayer {
    type Service = Collect<S>;

    fn layer(&self, inner: S) -> Collect<S> {
        Collect { inner: self.layer.layer(inner), limit: self.limit }
    }
}

/// A response is one once its body has been read, all of it.
#[derive(Clone, Debug)]
pub(crate) struct Collect<S> {
    inner: CollectBody<S>,
    limit: usize,
}

impl<S, B, R> Service<Request<B>> for Collect<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    R: Body + Unpin,
    R::Error: Into<BoxError>,
{
    type Response = Response<Bytes>;
    type Error = BoxError;
    type Future = CollectFuture<<CollectBody<S> as Service<Request<B>>>::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        CollectFuture { inner: self.inner.call(request), limit: self.limit }
    }
}

pin_project! {
    pub(crate) struct CollectFuture<F> {
        #[pin]
        inner: F,
        limit: usize,
    }
}

impl<F, R> Future for CollectFuture<F>
where
    F: Future<Output = Result<Response<CollectedBody<R>>, BoxError>>,
{
    type Output = Result<Response<Bytes>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (head, body) = ready!(this.inner.poll(cx))?.into_parts();
        // Trailers are let go: nothing in this stack reads them.
        Poll::Ready(match body.as_whole() {
            Some(body) => Ok(Response::from_parts(head, body.clone())),
            None => Err(BodyTooLong::new(*this.limit, &head).into()),
        })
    }
}

impl<F> fmt::Debug for CollectFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectFuture").field("limit", &self.limit).finish_non_exhaustive()
    }
}
