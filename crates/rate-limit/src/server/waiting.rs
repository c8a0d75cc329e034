//! A call that waits until a fleet's server has answered.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Request, Response};
use tower_service::Service;

use super::body::RejectBody;
use super::fields::{self, Fields};
use crate::error::RateLimited;
use crate::limiter::Limiter;
use crate::permit::Acquire;
use crate::shared::Shared;

/// How long a call may wait that was refused, if it may.
pub(super) fn time(limiter: &Limiter, refused: &RateLimited) -> Option<Duration> {
    limiter.notice().filter(|most| refused.is_for_now() && refused.retry_after() <= *most)
}

#[derive(Debug)]
pub(super) struct Waiting<S, B> {
    acquire: Acquire,
    limiter: Limiter,
    cost: u32,
    /// Taken when the call is released.
    call: Option<(S, Request<B>)>,
    name: Arc<str>,
    always: bool,
}

impl<S, B> Waiting<S, B> {
    /// `inner` is ready.
    pub(super) fn new(
        limiter: Limiter,
        cost: u32,
        most: Duration,
        inner: S,
        request: Request<B>,
        name: Arc<str>,
        always: bool,
    ) -> Self {
        let mut waits = limiter.clone().with_max_wait(most);
        waits.forget_max_queue();
        let acquire = waits.acquire_many(cost);
        Self { acquire, limiter, cost, call: Some((inner, request)), name, always }
    }

    /// What the call waits for.
    pub(super) fn limiter(&self) -> Arc<Shared> {
        Arc::clone(self.limiter.shared())
    }

    /// The call's response, if it was released; or the refusal.
    #[expect(clippy::type_complexity, reason = "it is told once")]
    pub(super) fn poll<R>(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(S::Future, Option<Fields>), Option<Response<RejectBody<R>>>>>
    where
        S: Service<Request<B>>,
    {
        let acquired = ready!(Pin::new(&mut self.acquire).poll(cx));
        let Self { limiter, cost, call, name, always, .. } = self;
        Poll::Ready(match (acquired, call.take()) {
            (Ok(_), Some((mut inner, request))) => {
                let fields = always.then(|| Fields::of(name, limiter));
                Ok((inner.call(request), fields))
            }
            (Err(refused), Some(_)) => Err(Some(fields::refusal(name, &refused, Some((limiter, *cost))))),
            (_, None) => Err(None),
        })
    }
}
