//! The service.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tower_service::Service;

use crate::assign::Assign;
use crate::error::BoxError;
use crate::future::ResponseFuture;
use crate::limiter::Limiter;
use crate::listen::{Deaf, Listen};
use crate::rooms::Rooms;
use crate::told::Told;
use crate::waiting::Waiting;

/// A service whose calls are released to the inner service at the limiter's pace, in order of arrival.
///
/// It is always ready, unless [told otherwise](crate::RateLimitLayer::with_backpressure), so readiness that is taken and
/// dropped uses no permit, and a ready clone can't fire ahead of the others.
///
/// # When a call is released
///
/// Within [`call`](Service::call), if a permit is free, nobody waits, and the inner service is ready then. Otherwise the
/// future that `call` returns does the waiting, and the call arrives when that is first polled.
///
/// So poll futures soon after making them, as with any service. One that is dropped unpolled has used its permit if there was
/// one, for its call was made; otherwise it has used nothing.
///
/// While a call waits, it holds nothing of the inner service. When its turn has come, it makes its clone of
/// the inner service ready, takes the permit and calls it in the same poll. If the inner service is not ready,
/// the permit goes to the next call at once; the call waits for its inner service, and then takes the next
/// permit in its old place. If no permit is free then, it gives the readiness up, so that it keeps nobody
/// from it.
///
/// The error is always [`BoxError`], for a limiter may refuse: an inner `BoxError` passes through untouched,
/// any other is boxed. If the inner service fails to become ready, that is the call's error, and no permit is used.
///
/// # Clone
///
/// A clone shares the quota and the queue. The inner service is cloned for each call that is not released within `call`; what
/// can't be cloned goes into a `tower::buffer::Buffer`.
///
/// # Cancellation
///
/// A call that is dropped while it waits leaves the queue and uses no permit; see
/// [`Limiter::acquire`].
///
/// # Panics
///
/// The future panics as [`Limiter::acquire`] does. A panic of the inner service costs one permit if it was in its `call`, and
/// none before.
#[derive(Clone, Debug)]
pub struct RateLimit<S, A = Limiter, L = Deaf> {
    pub(crate) inner: S,
    pub(crate) assign: A,
    pub(crate) listen: L,
    pub(crate) rooms: Option<Rooms>,
    pub(crate) told: Told,
}

impl<S> RateLimit<S> {
    /// Puts a service under a limiter.
    #[must_use]
    pub fn new(inner: S, limiter: Limiter) -> Self {
        Self { inner, assign: limiter, listen: Deaf, rooms: None, told: Told::default() }
    }
}

impl<S, L> RateLimit<S, Limiter, L> {
    /// The limiter.
    #[must_use]
    pub fn limiter(&self) -> &Limiter {
        &self.assign
    }
}

impl<S, A, L> RateLimit<S, A, L> {
    /// The inner service.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service, mutably.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service, out of the limit.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, A, L, Req> Service<Req> for RateLimit<S, A, L>
where
    S: Service<Req> + Clone,
    S::Error: Into<BoxError>,
    A: Assign<Req>,
    L: Listen<S::Response> + Clone,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S, Req, L>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match &mut self.rooms {
            Some(rooms) => rooms.poll_ready(cx).map(Ok),
            None => Poll::Ready(Ok(())),
        }
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let room = self.rooms.as_mut().and_then(Rooms::take);
        let assigned = match self.assign.assign(&request) {
            Ok(assigned) => assigned,
            Err(refused) => return ResponseFuture::failed(refused.into(), self.listen.clone()),
        };
        let (shared, cost) = (assigned.limiter().shared(), assigned.cost());
        if shared.seems_free(cost) {
            // A waker that wakes nobody: if it is pending, it is left to a clone that is polled.
            match self.inner.poll_ready(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Ok(())) => {
                    if shared.take_free(cost).is_some() {
                        let response = self.inner.call(request);
                        self.told.tell(|| Duration::ZERO);
                        if let Some(rooms) = &self.rooms {
                            rooms.came();
                        }
                        let kept = assigned.kept(L::LISTENS);
                        return ResponseFuture::released(response, kept, self.listen.clone());
                    }
                }
                // Its readiness is over, as its contract has it. The error is told once, and to a call.
                Poll::Ready(Err(error)) => {
                    self.inner = self.inner.clone();
                    return ResponseFuture::failed(error.into(), self.listen.clone());
                }
                Poll::Pending => {}
            }
            // It is not to keep a readiness, or a place in a queue for it, that nobody uses.
            self.inner = self.inner.clone();
        }
        let mut limiter = assigned.into_limiter();
        if room.is_some() {
            // Who has a room need not ask whether there is one.
            limiter.forget_max_queue();
        }
        let (waiter, inner) = (limiter.into_waiter(cost), self.inner.clone());
        let waiting = Waiting::new(waiter, room, inner, request, self.told.clone());
        ResponseFuture::waiting(waiting, self.listen.clone())
    }
}
