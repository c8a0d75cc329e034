//! Ready once the server's time is known: below the limits, so that no attempt that waits for it holds a permit. Else those that
//! wait for one fetch would all be sent at once when it has come.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use ovh_auth::{AuthError, ServerClock, Timestamp};
use tower::BoxError;
use tower_service::Service;

type Time = Pin<Box<dyn Future<Output = Result<Timestamp, AuthError>> + Send>>;

pub(crate) struct Timely<S> {
    inner: S,
    clock: Option<ServerClock>,
    /// Never locked: the mutex makes it `Sync`.
    time: Option<Mutex<Time>>,
}

impl<S> Timely<S> {
    pub(super) fn new(inner: S, clock: Option<ServerClock>) -> Self {
        Self { inner, clock, time: None }
    }
}

impl<S: Clone> Clone for Timely<S> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.clock.clone())
    }
}

impl<S> fmt::Debug for Timely<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timely").finish_non_exhaustive()
    }
}

impl<S, Req> Service<Req> for Timely<S>
where
    S: Service<Req, Error = BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if let Some(clock) = self.clock.as_ref().filter(|clock| clock.try_now().is_none()) {
            let time = self.time.get_or_insert_with(|| {
                let clock = clock.clone();
                Mutex::new(Box::pin(async move { clock.now().await }))
            });
            let time = time.get_mut().unwrap_or_else(PoisonError::into_inner);
            let result = ready!(time.as_mut().poll(cx));
            self.time = None;
            result?;
        }
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> S::Future {
        self.inner.call(request)
    }
}
