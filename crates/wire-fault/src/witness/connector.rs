use std::task::{Context, Poll};

use tower_service::Service;

use super::future::Connecting;
use super::io::WitnessedIo;
use super::stamp::{BoxError, Stamp};

/// A connector whose connections carry a [`Witness`](crate::Witness), and whose failures state that nothing was sent.
///
/// Made by [`WitnessLayer`](crate::WitnessLayer). Works around any connector for hyper-util's client, and, since it states
/// its facts in the error itself, for clients that connect in another way (tonic's `connect_with_connector`).
///
/// # Errors
///
/// The connector's own error, below a [`Mark`](crate::Mark) that states the fault: phase, cause and healing as they can be
/// read of it, and [`Delivery::NeverSent`](crate::Delivery::NeverSent). An error that has such a mark passes untouched.
///
/// # Cancellation
///
/// Dropping the future drops the inner connector's.
///
/// # Clone
///
/// A clone is as ready as a clone of the inner connector.
#[derive(Clone, Debug)]
pub struct Witnessed<C> {
    inner: C,
    stamp: Stamp,
}

impl<C> Witnessed<C> {
    pub(super) fn new(inner: C, stamp: Stamp) -> Self {
        Self { inner, stamp }
    }

    /// The connector below.
    pub fn get_ref(&self) -> &C {
        &self.inner
    }
}

impl<C, D> Service<D> for Witnessed<C>
where
    C: Service<D>,
    C::Error: Into<BoxError>,
{
    type Response = WitnessedIo<C::Response>;
    type Error = BoxError;
    type Future = Connecting<C::Future, fn(C::Response) -> WitnessedIo<C::Response>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(|error| self.stamp.on(error))
    }

    fn call(&mut self, destination: D) -> Self::Future {
        Connecting::new(self.inner.call(destination), self.stamp, WitnessedIo::new)
    }
}
