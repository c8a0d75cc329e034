//! Collects response bodies, so that a cut in one is seen by the retry above.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::response::Parts;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower::BoxError;
use tower_layer::Layer;
use tower_service::Service;
use wire_fault::{Delivery, Fault, Mark, Phase};

use super::body_too_long::BodyTooLong;

#[derive(Clone, Copy, Debug)]
pub(crate) struct CollectLayer {
    limit: usize,
}

impl CollectLayer {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit }
    }
}

impl<S> Layer<S> for CollectLayer {
    type Service = Collect<S>;

    fn layer(&self, inner: S) -> Collect<S> {
        Collect { inner, limit: self.limit }
    }
}

/// A response is one once its body has been read.
#[derive(Clone, Debug)]
pub(crate) struct Collect<S> {
    inner: S,
    limit: usize,
}

impl<S, B, R> Service<Request<B>> for Collect<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    R: Body<Data = Bytes>,
    R::Error: Into<BoxError>,
{
    type Response = Response<Bytes>;
    type Error = BoxError;
    type Future = CollectFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(ready!(self.inner.poll_ready(cx)).map_err(Into::into))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        CollectFuture { state: State::Head { future: self.inner.call(request) }, limit: self.limit }
    }
}

pin_project! {
    pub(crate) struct CollectFuture<F, R: Body> {
        #[pin]
        state: State<F, R>,
        limit: usize,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, R: Body> {
        Head { #[pin] future: F },
        Body { head: Option<Parts>, #[pin] body: R, read: Chunks },
    }
}

impl<F, R, E> Future for CollectFuture<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
    R: Body<Data = Bytes>,
    R::Error: Into<BoxError>,
{
    type Output = Result<Response<Bytes>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Head { future } => {
                    let (head, body) = ready!(future.poll(cx)).map_err(Into::into)?.into_parts();
                    // Not one byte of a body that says itself that it is too long.
                    if body.size_hint().lower() > *this.limit as u64 {
                        return Poll::Ready(Err(BodyTooLong::new(*this.limit).into()));
                    }
                    this.state.set(State::Body { head: Some(head), body, read: Chunks::default() });
                }
                StateProj::Body { head, body, read } => match ready!(body.poll_frame(cx)) {
                    Some(Ok(frame)) => {
                        // Trailers are let go: nothing in this stack reads them.
                        let Ok(chunk) = frame.into_data() else { continue };
                        if chunk.len() > *this.limit - read.len {
                            return Poll::Ready(Err(BodyTooLong::new(*this.limit).into()));
                        }
                        read.push(chunk);
                    }
                    Some(Err(error)) => return Poll::Ready(Err(cut(error.into()))),
                    None => {
                        return match head.take() {
                            Some(head) => Poll::Ready(Ok(Response::from_parts(head, read.join()))),
                            None => Poll::Pending, // Polled after it was done.
                        };
                    }
                },
            }
        }
    }
}

/// What has been read of a body.
#[derive(Default)]
struct Chunks {
    chunks: Vec<Bytes>,
    len: usize,
}

impl Chunks {
    fn push(&mut self, chunk: Bytes) {
        self.len += chunk.len();
        self.chunks.push(chunk);
    }

    /// A single chunk is not copied.
    fn join(&mut self) -> Bytes {
        match &mut *self.chunks {
            [] => Bytes::new(),
            [chunk] => mem::take(chunk),
            chunks => chunks.concat().into(),
        }
    }
}

/// The head had come, so whatever the body's error says of itself, the server had the request.
fn cut(error: BoxError) -> BoxError {
    let Fault { cause, healing, .. } = Fault::of(&*error);
    Mark::fault(Fault::new(Phase::Body, Delivery::Answered, cause, healing)).with_source(error).into()
}

impl<F, R: Body> fmt::Debug for CollectFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectFuture").field("limit", &self.limit).finish_non_exhaustive()
    }
}
