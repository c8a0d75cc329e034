//! The future.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Response;
use pin_project_lite::pin_project;
use wire_fault::AsFault;

use crate::pending::Pending;

pin_project! {
    /// The future of [`Record`](crate::Record).
    ///
    /// # Cancellation
    ///
    /// Dropping it before it is ready counts the call as cancelled.
    pub struct ResponseFuture<F, M> {
        // Until it is ready.
        #[pin]
        inner: Option<F>,
        pending: Pending,
        marker: PhantomData<fn() -> M>,
    }
}

impl<F, M> ResponseFuture<F, M> {
    #[inline]
    pub(crate) fn new(inner: F, pending: Pending) -> Self {
        // Told where it stays: written before it is moved it would be waited for.
        let mut this = Self { inner: Some(inner), pending, marker: PhantomData };
        this.pending.leave();
        this
    }
}

impl<F, M, ResBody, E> Future for ResponseFuture<F, M>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
    E: AsFault<M>,
{
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // Polled once more than it should be: nothing comes of it.
        let Some(inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Pending };
        this.pending.enter();
        let poll = inner.poll(cx);
        if poll.is_ready() {
            // What it still holds ends before it: an attempt that a time limit gave up, say.
            this.inner.set(None);
        }
        this.pending.leave();
        if let Poll::Ready(result) = &poll {
            this.pending.end(result);
        }
        poll
    }
}

impl<F, M> fmt::Debug for ResponseFuture<F, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("pending", &self.pending).finish_non_exhaustive()
    }
}
