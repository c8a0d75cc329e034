//! The future of a call.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_service::Service;

use crate::error::BoxError;
use crate::listen::{Deaf, Listen};
use crate::rooms::Room;
use crate::shared::Shared;
use crate::told::Told;
use crate::waiter::Waiter;

pin_project! {
    /// The future of [`RateLimit`](crate::RateLimit): waits for its turn, then for the response.
    ///
    /// # Panics
    ///
    /// As [`Limiter::acquire`](crate::Limiter::acquire) does, and if it is polled after it has failed or panicked.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, Req, L = Deaf>
    where
        S: Service<Req>,
    {
        #[pin]
        state: State<S, Req, S::Future>,
        listen: L,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, Req, F> {
        // `unready`: its turn had come, but the inner service was not ready. It waits for that one now. `room`: what
        // it waits in, if there is only so much.
        Waiting { waiter: Waiter, room: Option<Room>, inner: S, request: Option<Req>, unready: bool, told: Told },
        // `limiter`: what the response may pause, if anybody listens.
        Released { #[pin] response: F, limiter: Option<Arc<Shared>> },
        // Nothing: it was told so.
        Failed { error: Option<BoxError> },
    }
}

impl<S: Service<Req>, Req, L> ResponseFuture<S, Req, L> {
    pub(crate) fn waiting(
        waiter: Waiter,
        room: Option<Room>,
        inner: S,
        request: Req,
        listen: L,
        told: Told,
    ) -> Self {
        let state = State::Waiting { waiter, room, inner, request: Some(request), unready: false, told };
        Self { state, listen }
    }

    #[inline]
    pub(crate) fn released(response: S::Future, limiter: Option<Arc<Shared>>, listen: L) -> Self {
        Self { state: State::Released { response, limiter }, listen }
    }

    pub(crate) fn failed(error: BoxError, listen: L) -> Self {
        Self { state: State::Failed { error: Some(error) }, listen }
    }
}

impl<S, Req, L> Future for ResponseFuture<S, Req, L>
where
    S: Service<Req> + Clone,
    S::Error: Into<BoxError>,
    L: Listen<S::Response>,
{
    type Output = Result<S::Response, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut state = this.state;
        loop {
            match state.as_mut().project() {
                StateProj::Released { response, limiter } => {
                    let response = ready!(response.poll(cx)).map_err(Into::into)?;
                    if let (true, Some(limiter)) = (L::LISTENS, limiter) {
                        if let Some(asked) = this.listen.heard(&response) {
                            limiter.pause(asked, this.listen.most());
                        }
                    }
                    return Poll::Ready(Ok(response));
                }
                StateProj::Waiting { waiter, inner, request, unready, told, .. } => {
                    match ready!(poll_release(waiter, inner, request, unready, told, cx)) {
                        Ok(response) => {
                            let limiter = Some(Arc::clone(waiter.shared()));
                            state.set(State::Released { response, limiter });
                        }
                        Err(error) => {
                            state.set(State::Failed { error: None });
                            return Poll::Ready(Err(error));
                        }
                    }
                }
                StateProj::Failed { error } => {
                    let Some(error) = error.take() else { broken("it had failed") };
                    return Poll::Ready(Err(error));
                }
            }
        }
    }
}

/// Brings the inner service's readiness and the permit together, and calls.
///
/// The inner service is asked when it seems to be the call's turn, and the permit taken after that, so that it counts from
/// the call, however long that answer took.
#[inline]
fn poll_release<S, Req>(
    waiter: &mut Waiter,
    inner: &mut S,
    request: &mut Option<Req>,
    unready: &mut bool,
    told: &Told,
    cx: &mut Context<'_>,
) -> Poll<Result<S::Future, BoxError>>
where
    S: Service<Req> + Clone,
    S::Error: Into<BoxError>,
{
    if !*unready && !waiter.seems_due() {
        ready!(waiter.poll_due(cx))?;
    }
    let is_ready = inner.poll_ready(cx).map_err(Into::into)?.is_ready();
    if *unready && !is_ready {
        return Poll::Pending;
    }
    *unready = false;
    // The short way of most.
    let free = if is_ready && request.is_some() { waiter.take_free() } else { None };
    let at = match free {
        Some(at) => at,
        None => {
            let Poll::Ready(turn) = waiter.poll_turn(cx) else {
                // No permit: what it holds of the inner service, be it a place in its queue, others can use meanwhile.
                *inner = inner.clone();
                return Poll::Pending;
            };
            let turn = turn?;
            if !is_ready {
                *unready = true;
                turn.step_aside();
                return Poll::Pending;
            }
            if request.is_none() {
                broken("its service had panicked");
            }
            turn.release()
        }
    };
    let Some(request) = request.take() else { broken("its service had panicked") };
    let response = inner.call(request);
    told.tell(|| waiter.waited(at));
    Poll::Ready(Ok(response))
}

#[cold]
#[expect(clippy::panic, reason = "a contract of `Future` was broken, as documented")]
fn broken(after: &str) -> ! {
    panic!("a call was polled after {after}")
}

impl<S: Service<Req>, Req, L> fmt::Debug for ResponseFuture<S, Req, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
