//! A call that must wait for something to be fetched before it can be sent.

use std::task::{Context, Poll, ready};

use futures_util::FutureExt;
use http::Request;
use tower_service::Service;

use crate::failure::{BoxError, Failure};
use crate::kept::{Flight, Held};

/// While it waits, it holds nothing of the service below: the fetch may have to pass the same `ConcurrencyLimit(1)`. It
/// asks for readiness when the fetch is done.
pub(crate) struct Late<S, B, T> {
    service: S,
    request: Option<Request<B>>,
    wait: Wait<T>,
}

enum Wait<T> {
    Fetch(Flight<T>),
    Ready(Held<T>),
}

/// A call that can be sent now: the service is ready.
pub(crate) struct Sendable<'a, S, B, T> {
    pub(crate) held: Held<T>,
    pub(crate) service: &'a mut S,
    pub(crate) request: Request<B>,
}

impl<S, B, T> Late<S, B, T>
where
    T: Clone + Send + Sync + 'static,
{
    /// `service` need not be ready.
    pub(crate) fn new(service: S, request: Request<B>, flight: Flight<T>) -> Self {
        Self { service, request: Some(request), wait: Wait::Fetch(flight) }
    }

    /// Waits for the fetch, and then for the service.
    pub(crate) fn poll_sendable(
        &mut self,
        cx: &mut Context<'_>,
        to_error: impl FnOnce(&Failure) -> BoxError,
    ) -> Poll<Result<Sendable<'_, S, B, T>, BoxError>>
    where
        S: Service<Request<B>>,
        S::Error: Into<BoxError>,
    {
        if let Wait::Fetch(flight) = &mut self.wait {
            let held = ready!(flight.poll_unpin(cx)).map_err(|failure| to_error(&failure))?;
            self.wait = Wait::Ready(held);
        }
        ready!(self.service.poll_ready(cx)).map_err(Into::into)?;
        match (&self.wait, self.request.take()) {
            (Wait::Ready(held), Some(request)) => {
                Poll::Ready(Ok(Sendable { held: held.clone(), service: &mut self.service, request }))
            }
            _ => polled_again(),
        }
    }
}

#[expect(clippy::panic, reason = "a contract of `Future` was broken, as documented")]
pub(crate) fn polled_again() -> ! {
    panic!("a call was polled after it was done")
}
