use std::convert::identity;
use std::task::{Context, Poll};

use tower_service::Service;

use super::future::Connecting;
use super::stamp::{BoxError, Stamp};

/// A part of a connector whose failures state where they happened, and that nothing was sent.
///
/// Made by [`StampLayer`](crate::StampLayer). The error says in which phase it happened where it can; a stamp adds that it was
/// no later than its own: a connection reset below [`StampLayer::tcp`](crate::StampLayer::tcp) is not TLS.
///
/// # Errors
///
/// The part's own error, below a [`Mark`](crate::Mark) that states the fault. An error that has such a mark passes
/// untouched, so that of several stamps the innermost speaks.
///
/// # Cancellation
///
/// Dropping the future drops the inner one.
///
/// # Clone
///
/// A clone is as ready as a clone of the inner part.
#[derive(Clone, Debug)]
pub struct Stamped<C> {
    inner: C,
    stamp: Stamp,
}

impl<C> Stamped<C> {
    pub(super) fn new(inner: C, stamp: Stamp) -> Self {
        Self { inner, stamp }
    }

    /// The part below.
    pub fn get_ref(&self) -> &C {
        &self.inner
    }
}

impl<C, D> Service<D> for Stamped<C>
where
    C: Service<D>,
    C::Error: Into<BoxError>,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Connecting<C::Future, fn(C::Response) -> C::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(|error| self.stamp.on(error))
    }

    fn call(&mut self, destination: D) -> Self::Future {
        Connecting::new(self.inner.call(destination), self.stamp, identity)
    }
}
