//! A call up to its response: authenticated, and what that takes fetched before, if need be.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::FutureExt;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::authenticate::Authenticate;
use crate::error::AuthError;
use crate::failure::BoxError;
use crate::kept::{Flight, Held, Lookup};
use crate::unsigned::Treatment;

pin_project! {
    /// Ends with the response, and with the number of the fetch by which the call was authenticated, if it was.
    pub(crate) struct Sending<S, B, T, A>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B, T, A, S::Future>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B, T, A, F> {
        Refused { error: Option<AuthError> },
        // Boxed: it is rare, and would make every call's future larger.
        Late { late: Box<Late<S, B, T, A>> },
        Sent { #[pin] future: F, generation: Option<u64> },
    }
}

/// A call that waits for the fetch, and then for the service. In between it holds nothing of the service below: the fetch
/// may have to pass the same `ConcurrencyLimit(1)`.
struct Late<S, B, T, A> {
    service: S,
    request: Option<Request<B>>,
    authenticator: Arc<A>,
    wait: Wait<T>,
}

enum Wait<T> {
    Fetch(Flight<T>),
    Ready(Held<T>),
}

impl<S, B, T, A> Sending<S, B, T, A>
where
    S: Service<Request<B>> + Clone,
    A: Authenticate<B, T>,
{
    /// `inner` must be ready. A call that has to wait gives that back.
    pub(crate) fn begin(inner: &mut S, authenticator: &Arc<A>, mut request: Request<B>) -> Self {
        let state = match Self::prepare(authenticator, &mut request) {
            Err(error) => State::Refused { error: Some(error) },
            Ok(Prepared::Sendable(generation)) => State::Sent { future: inner.call(request), generation },
            Ok(Prepared::Waits(flight)) => {
                let service = inner.clone();
                // Two clones: neither is ready, so nothing below is held during the fetch.
                drop(mem::replace(inner, service.clone()));
                let (request, authenticator) = (Some(request), authenticator.clone());
                State::Late {
                    late: Box::new(Late { service, request, authenticator, wait: Wait::Fetch(flight) }),
                }
            }
        };
        Self { state }
    }

    fn prepare(authenticator: &A, request: &mut Request<B>) -> Result<Prepared<T>, AuthError> {
        match Treatment::of(request, authenticator.endpoint())? {
            Treatment::Plain => return Ok(Prepared::Sendable(None)),
            Treatment::Application => {
                authenticator.name_application(request.headers_mut());
                return Ok(Prepared::Sendable(None));
            }
            Treatment::Authenticate => {}
        }
        let given = request.extensions().get().and_then(|basis| authenticator.given(basis));
        match given.map_or_else(|| authenticator.look_up(), Lookup::Held) {
            Lookup::Held(held) => {
                authenticator.authenticate(request, &held)?;
                Ok(Prepared::Sendable(Some(held.generation)))
            }
            Lookup::Fetching(flight) => {
                authenticator.check(request)?;
                Ok(Prepared::Waits(flight))
            }
        }
    }
}

enum Prepared<T> {
    Sendable(Option<u64>),
    Waits(Flight<T>),
}

impl<S, B, T, A> Late<S, B, T, A>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
    T: Clone + Send + Sync + 'static,
    A: Authenticate<B, T>,
{
    /// Waits, and sends; with the number of the fetch.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(S::Future, u64), BoxError>> {
        if let Wait::Fetch(flight) = &mut self.wait {
            let held = ready!(flight.poll_unpin(cx)).map_err(|failure| A::error(&failure))?;
            self.wait = Wait::Ready(held);
        }
        ready!(self.service.poll_ready(cx)).map_err(Into::into)?;
        let (Wait::Ready(held), Some(mut request)) = (&self.wait, self.request.take()) else {
            polled_again()
        };
        // After the readiness, which may have taken its time: a timestamp is of now.
        self.authenticator.authenticate(&mut request, held)?;
        Poll::Ready(Ok((self.service.call(request), held.generation)))
    }
}

impl<S, B, T, A, R> Future for Sending<S, B, T, A>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    T: Clone + Send + Sync + 'static,
    A: Authenticate<B, T>,
{
    type Output = Result<(Response<R>, Option<u64>), BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let (future, generation) = match state.as_mut().project() {
                StateProj::Refused { error } => {
                    let Some(error) = error.take() else { polled_again() };
                    return Poll::Ready(Err(error.into()));
                }
                StateProj::Late { late } => ready!(late.poll_send(cx))?,
                StateProj::Sent { future, generation } => {
                    let response = ready!(future.poll(cx)).map_err(Into::into)?;
                    return Poll::Ready(Ok((response, *generation)));
                }
            };
            state.set(State::Sent { future, generation: Some(generation) });
        }
    }
}

#[expect(clippy::panic, reason = "a contract of `Future` was broken, as documented")]
pub(crate) fn polled_again() -> ! {
    panic!("a call was polled after it was done")
}
