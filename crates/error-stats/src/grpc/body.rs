//! The body: until the trailers.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use wire_fault::AsFault;

use crate::grpc::GrpcCode;
use crate::pending::Pending;

pin_project! {
    /// The response body of a [`GrpcRecord`](crate::GrpcRecord): the inner one as it is, watched for its trailers.
    ///
    /// # Cancellation
    ///
    /// Dropping it before its end counts the call as cancelled.
    pub struct GrpcBody<B, N> {
        #[pin]
        inner: B,
        // Until the call has ended.
        pending: Option<Pending>,
        marker: PhantomData<fn() -> N>,
    }
}

impl<B, N> GrpcBody<B, N> {
    /// Of a call that has ended.
    pub(super) fn counted(inner: B) -> Self {
        Self { inner, pending: None, marker: PhantomData }
    }

    /// The body below.
    pub fn get_ref(&self) -> &B {
        &self.inner
    }

    /// Unwraps the body below. What comes of it is not counted any more: a call that has not ended counts as cancelled.
    pub fn into_inner(self) -> B {
        self.inner
    }
}

impl<B: Body, N> GrpcBody<B, N> {
    /// Of a call whose end is to come.
    pub(super) fn counting(inner: B, mut pending: Pending) -> Self {
        if inner.is_end_stream() {
            end(&mut pending, None);
        }
        Self { inner, pending: Some(pending), marker: PhantomData }
    }
}

/// A call that ends without a status ends as unknown.
fn end(pending: &mut Pending, trailers: Option<&HeaderMap>) {
    let code = trailers.and_then(GrpcCode::of).unwrap_or(GrpcCode::Unknown);
    match trailers {
        Some(trailers) => pending.end_grpc(code, trailers),
        None => pending.end_grpc(code, &HeaderMap::new()),
    }
}

impl<B, N> Body for GrpcBody<B, N>
where
    B: Body,
    B::Error: AsFault<N>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let Some(pending) = this.pending.as_mut() else { return this.inner.poll_frame(cx) };
        pending.enter();
        let poll = this.inner.as_mut().poll_frame(cx);
        pending.leave();
        match &poll {
            Poll::Pending => return poll,
            Poll::Ready(Some(Ok(frame))) => match frame.trailers_ref() {
                Some(trailers) => end(pending, Some(trailers)),
                // Who sees that this was the end need not ask for more.
                None if this.inner.is_end_stream() => end(pending, None),
                None => return poll,
            },
            Poll::Ready(Some(Err(error))) => pending.end_error(error),
            Poll::Ready(None) => end(pending, None),
        }
        *this.pending = None;
        poll
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: fmt::Debug, N> fmt::Debug for GrpcBody<B, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcBody").field("inner", &self.inner).finish_non_exhaustive()
    }
}
