//! What a signed call waits for before it queues: the server's time, and its consumer's turn.
//!
//! The signing layer would fetch the time itself, but below the rate limit and within the attempt's time, where the fetch would stand
//! behind the very calls that wait for it.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::Request;
use ovh_auth::{AuthError, Endpoint, ServerClock, Timestamp};
use pin_project_lite::pin_project;
use rate_limit::{Acquire, Limiter};
use tower::BoxError;
use tower_service::Service;

#[derive(Clone, Debug)]
pub(crate) struct Gate<S> {
    inner: S,
    /// `None`: nothing is signed.
    toll: Option<Arc<Toll>>,
}

/// What a signed call needs.
#[derive(Debug)]
pub(crate) struct Toll {
    pub(crate) endpoint: Endpoint,
    /// `None`: calls carry a token.
    pub(crate) clock: Option<ServerClock>,
    pub(crate) limiter: Limiter,
}

impl<S> Gate<S> {
    pub(crate) fn new(inner: S, toll: Option<Toll>) -> Self {
        Self { inner, toll: toll.map(Arc::new) }
    }

    pub(crate) fn clock(&self) -> Option<&ServerClock> {
        self.toll.as_ref()?.clock.as_ref()
    }
}

impl<S, B> Service<Request<B>> for Gate<S>
where
    S: Service<Request<B>, Error = BoxError> + Clone,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = GateFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Some(toll) = self.toll.as_ref().filter(|toll| toll.endpoint.authenticates(&request)) else {
            return GateFuture { state: State::Open { future: self.inner.call(request) } };
        };
        // Two clones: neither is ready, so nothing below is held while the call waits here.
        let service = self.inner.clone();
        drop(mem::replace(&mut self.inner, service.clone()));
        let waiting = Waiting { service, request: Some(request) };
        let known = toll.clock.as_ref().is_none_or(|clock| clock.try_now().is_some());
        let state = if known {
            State::Turn { acquire: toll.limiter.acquire(), waiting }
        } else {
            State::Time { time: time(toll), toll: Arc::clone(toll), waiting }
        };
        GateFuture { state }
    }
}

type Time = Pin<Box<dyn Future<Output = Result<Option<Timestamp>, AuthError>> + Send>>;

/// Boxed: it is rare.
fn time(toll: &Arc<Toll>) -> Time {
    let clock = toll.clock.clone();
    Box::pin(async move {
        match clock {
            Some(clock) => clock.now().await.map(Some),
            None => Ok(None),
        }
    })
}

struct Waiting<S, B> {
    service: S,
    request: Option<Request<B>>,
}

pin_project! {
    pub(crate) struct GateFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B, S::Future>,
    }
}

pin_project! {
    #[project = StateProj]
    #[project_replace = StateOwned]
    enum State<S, B, F> {
        Time { time: Time, toll: Arc<Toll>, waiting: Waiting<S, B> },
        Turn { #[pin] acquire: Acquire, waiting: Waiting<S, B> },
        Ready { waiting: Waiting<S, B> },
        Open { #[pin] future: F },
        Gone,
    }
}

impl<S, B> Future for GateFuture<S, B>
where
    S: Service<Request<B>, Error = BoxError>,
{
    type Output = Result<S::Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProj::Time { time, .. } => {
                    ready!(time.as_mut().poll(cx))?;
                    if let StateOwned::Time { toll, waiting, .. } =
                        state.as_mut().project_replace(State::Gone)
                    {
                        state.set(State::Turn { acquire: toll.limiter.acquire(), waiting });
                    }
                }
                StateProj::Turn { acquire, .. } => {
                    ready!(acquire.poll(cx))?;
                    if let StateOwned::Turn { waiting, .. } = state.as_mut().project_replace(State::Gone) {
                        state.set(State::Ready { waiting });
                    }
                }
                StateProj::Ready { waiting } => {
                    ready!(waiting.service.poll_ready(cx))?;
                    let Some(request) = waiting.request.take() else { return Poll::Pending };
                    let future = waiting.service.call(request);
                    state.set(State::Open { future });
                }
                StateProj::Open { future } => return future.poll(cx),
                StateProj::Gone => return Poll::Pending, // Polled after it was done.
            }
        }
    }
}

impl<S, B> fmt::Debug for GateFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateFuture").finish_non_exhaustive()
    }
}
