//! The future: until the head.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;
use wire_fault::AsFault;

use crate::grpc::{GrpcBody, GrpcCode};
use crate::pending::Pending;

pin_project! {
    /// The future of [`GrpcRecord`](crate::GrpcRecord).
    ///
    /// # Cancellation
    ///
    /// Dropping it before it is ready counts the call as cancelled.
    pub struct GrpcResponseFuture<F, M, N> {
        // Until it is ready.
        #[pin]
        inner: Option<F>,
        // Goes on with the body.
        pending: Option<Pending>,
        is_grpc: bool,
        marker: PhantomData<fn() -> (M, N)>,
    }
}

impl<F, M, N> GrpcResponseFuture<F, M, N> {
    pub(super) fn new(inner: F, mut pending: Pending, is_grpc: bool) -> Self {
        pending.leave();
        Self { inner: Some(inner), pending: Some(pending), is_grpc, marker: PhantomData }
    }
}

impl<F, M, N, B, E> Future for GrpcResponseFuture<F, M, N>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: AsFault<M>,
    B: Body,
{
    type Output = Result<Response<GrpcBody<B, N>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // Both are there until the inner future is ready. Polled once more than it should be, nothing comes of it.
        let Some(inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Pending };
        if let Some(pending) = this.pending {
            pending.enter();
        }
        let poll = inner.poll(cx);
        if poll.is_ready() {
            // What it still holds ends before it: an attempt that a time limit gave up, say.
            this.inner.set(None);
        }
        if let Some(pending) = this.pending {
            pending.leave();
        }
        let result = ready!(poll);
        let Some(mut pending) = this.pending.take() else {
            return Poll::Ready(result.map(|response| response.map(GrpcBody::counted)));
        };
        let goes_on = match &result {
            Ok(response) if *this.is_grpc => match GrpcCode::of(response.headers()) {
                Some(code) => {
                    pending.end_grpc(code, response.headers());
                    false
                }
                None if response.status() == StatusCode::OK => true,
                None => false,
            },
            _ => false,
        };
        if goes_on {
            return Poll::Ready(
                result.map(|response| response.map(|body| GrpcBody::counting(body, pending))),
            );
        }
        pending.end(&result);
        Poll::Ready(result.map(|response| response.map(GrpcBody::counted)))
    }
}

impl<F, M, N> fmt::Debug for GrpcResponseFuture<F, M, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcResponseFuture").field("pending", &self.pending).finish_non_exhaustive()
    }
}
