//! Which calls are refused, which limits the others wait at, and what an authenticated one waits for first: the server's time, or a token.
//!
//! The layer that authenticates would fetch it itself, but below the rate limit and within the attempt's time: the fetch would stand
//! behind the very calls that wait for it, and these would all be sent at once when it has come.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use error_stats::Record;
use http::{Request, Response};
use ovh_auth::{ServerClock, SignableBody};
use pin_project_lite::pin_project;
use rate_limit::{Limiter, RateLimit};
use tower::BoxError;
use tower_service::Service;
use wire_fault::Boxed;

use super::auth::{Auth, Fetching};
use super::pausing::Pausing;
use super::permitted::Permitted;
use super::prepared::Prepared;

/// What every attempt passes.
pub(super) type Paced<T> = RateLimit<Record<T, Boxed>, Limiter, Pausing>;
/// What the attempts of authenticated calls pass: two limits that release in one poll.
pub(super) type TwicePaced<T> = RateLimit<Permitted<Prepared<Record<T, Boxed>>>, Limiter, Pausing>;

#[derive(Clone, Debug)]
pub(crate) struct Gate<T> {
    plain: Paced<T>,
    /// `None`: nothing is authenticated.
    signed: Option<(Arc<Auth>, TwicePaced<T>)>,
}

impl<T> Gate<T> {
    pub(super) fn new(plain: Paced<T>, signed: Option<(Arc<Auth>, TwicePaced<T>)>) -> Self {
        Self { plain, signed }
    }

    pub(super) fn clock(&self) -> Option<&ServerClock> {
        match &*self.signed.as_ref()?.0 {
            Auth::Sign { clock, .. } => Some(clock),
            Auth::Bearer { .. } => None,
        }
    }
}

impl<T, B> Service<Request<B>> for Gate<T>
where
    T: Service<Request<B>, Response = Response<Bytes>, Error = BoxError> + Clone,
    B: SignableBody,
{
    type Response = Response<Bytes>;
    type Error = BoxError;
    type Future = GateFuture<T, B>;

    /// Always, as its limits are.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let state = match &mut self.signed {
            None => State::Plain { future: self.plain.call(request) },
            Some((auth, signed)) => match auth.check(&request) {
                Err(error) => State::Refused { error: Some(error.into()) },
                Ok(false) => State::Plain { future: self.plain.call(request) },
                Ok(true) if auth.there().is_none() => {
                    State::Fetching { fetching: auth.fetch(), signed: signed.clone(), request: Some(request) }
                }
                Ok(true) => State::Signed { future: signed.call(request) },
            },
        };
        GateFuture { state }
    }
}

type FutureOf<S, B> = <S as Service<Request<B>>>::Future;

pin_project! {
    pub(crate) struct GateFuture<T, B>
    where
        Paced<T>: Service<Request<B>>,
        TwicePaced<T>: Service<Request<B>>,
    {
        #[pin]
        state: State<TwicePaced<T>, Request<B>, FutureOf<Paced<T>, B>, FutureOf<TwicePaced<T>, B>>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, Req, F, G> {
        Refused { error: Option<BoxError> },
        Fetching { fetching: Fetching, signed: S, request: Option<Req> },
        Signed { #[pin] future: G },
        Plain { #[pin] future: F },
    }
}

impl<T, B> Future for GateFuture<T, B>
where
    T: Service<Request<B>, Response = Response<Bytes>, Error = BoxError> + Clone,
{
    type Output = Result<Response<Bytes>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProj::Refused { error } => match error.take() {
                    Some(error) => return Poll::Ready(Err(error)),
                    None => return Poll::Pending, // Polled after it was done.
                },
                StateProj::Fetching { fetching, signed, request } => {
                    ready!(fetching.as_mut().poll(cx))?;
                    ready!(signed.poll_ready(cx))?;
                    let Some(request) = request.take() else { return Poll::Pending }; // Its call has panicked.
                    let future = signed.call(request);
                    state.set(State::Signed { future });
                }
                StateProj::Signed { future } => return future.poll(cx),
                StateProj::Plain { future } => return future.poll(cx),
            }
        }
    }
}

impl<T, B> fmt::Debug for GateFuture<T, B>
where
    Paced<T>: Service<Request<B>>,
    TwicePaced<T>: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateFuture").finish_non_exhaustive()
    }
}
