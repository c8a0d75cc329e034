use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::stamp::{BoxError, Stamp};

pin_project! {
    /// The future of a connect through [`Witnessed`](crate::Witnessed) or [`Stamped`](crate::Stamped).
    #[must_use = "futures do nothing unless polled"]
    pub struct Connecting<F, M> {
        #[pin]
        inner: F,
        stamp: Stamp,
        made: M,
    }
}

impl<F, M> Connecting<F, M> {
    pub(super) fn new(inner: F, stamp: Stamp, made: M) -> Self {
        Self { inner, stamp, made }
    }
}

impl<F, T, E, M, R> Future for Connecting<F, M>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
    M: Fn(T) -> R,
{
    type Output = Result<R, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        Poll::Ready(match ready!(this.inner.poll(cx)) {
            Ok(connection) => Ok((this.made)(connection)),
            Err(error) => Err(this.stamp.on(error)),
        })
    }
}

impl<F, M> fmt::Debug for Connecting<F, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connecting").field("stamp", &self.stamp).finish_non_exhaustive()
    }
}
