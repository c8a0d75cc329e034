//! Ready once what its calls need is there: below the limits, so that no attempt that waits for it holds a permit. Else those
//! that wait for one fetch would all be sent at once when it has come.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tower::BoxError;
use tower_service::Service;

use super::needed::{Fetching, Needed};

/// # Clone
///
/// A clone is never ready.
pub(crate) struct Prepared<S> {
    inner: S,
    /// `None`: nothing.
    needed: Option<Needed>,
    /// Never locked: the mutex makes it `Sync`.
    fetching: Option<Mutex<Fetching>>,
}

impl<S> Prepared<S> {
    pub(super) fn new(inner: S, needed: Option<Needed>) -> Self {
        Self { inner, needed, fetching: None }
    }
}

impl<S, Req> Service<Req> for Prepared<S>
where
    S: Service<Req, Error = BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if let Some(needed) = self.needed.as_ref().filter(|needed| !needed.is_there()) {
            let fetching = self.fetching.get_or_insert_with(|| Mutex::new(needed.fetch()));
            let fetching = fetching.get_mut().unwrap_or_else(PoisonError::into_inner);
            let fetched = ready!(fetching.as_mut().poll(cx));
            if let Err(error) = fetched {
                self.fetching = None;
                return Poll::Ready(Err(error.into()));
            }
        }
        self.fetching = None;
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> S::Future {
        self.inner.call(request)
    }
}

impl<S: Clone> Clone for Prepared<S> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.needed.clone())
    }
}

impl<S: fmt::Debug> fmt::Debug for Prepared<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("inner", &self.inner)
            .field("needed", &self.needed)
            .finish_non_exhaustive()
    }
}
