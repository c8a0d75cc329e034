//! The future.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;
use wire_fault::AsFault;

use crate::outcome::Outcome;
use crate::pending::Pending;

pin_project! {
    /// The future of [`Record`](crate::Record).
    ///
    /// # Cancellation
    ///
    /// Dropping it before it is ready counts the call as cancelled.
    pub struct ResponseFuture<F, M> {
        #[pin]
        inner: F,
        pending: Option<Pending>,
        marker: PhantomData<fn() -> M>,
    }
}

impl<F, M> ResponseFuture<F, M> {
    pub(crate) fn new(inner: F, pending: Pending) -> Self {
        Self { inner, pending: Some(pending), marker: PhantomData }
    }
}

impl<F, M, ResBody, E> Future for ResponseFuture<F, M>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
    E: AsFault<M>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(cx));
        if let Some(pending) = this.pending.take() {
            let outcome = match &result {
                Ok(response) => Outcome::of_response(response.status()),
                Err(error) => Outcome::of_error(error),
            };
            pending.end(&outcome);
        }
        Poll::Ready(result)
    }
}

impl<F, M> fmt::Debug for ResponseFuture<F, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("pending", &self.pending).finish_non_exhaustive()
    }
}
