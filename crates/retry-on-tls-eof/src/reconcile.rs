//! Looking at the server whether a call has landed.

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Extensions, Method, StatusCode, Uri};
use tokio::time::{Instant, timeout_at};
use tower::BoxError;
use wire_fault::{CallId, Fault};

use crate::head::ResponseHead;

/// What a look at the server has shown of a call that may have landed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reconciled<T> {
    /// It has landed. The call ends with this response, which carries [`Attempt`](crate::Attempt) and
    /// [`EarlierFault`](crate::EarlierFault) as any other.
    Landed(T),
    /// None of its attempts has landed, and none still can: it may be sent again.
    ///
    /// This is a promise. An attempt that timed out may still be on its way through the server; a hook that can't rule that
    /// out answers [`StillUnknown`](Self::StillUnknown).
    NotLanded,
    /// The look has not shown it. The call ends as [`OutcomeUnknown`](crate::OutcomeUnknown), or, if it was answered, with
    /// that answer.
    StillUnknown,
}

/// The question to a hook: a call that may have landed, and is not answered, or answered by a
/// [`status`](Self::status) that says nothing of it.
///
/// `Debug` shows neither the URI's query nor the extensions.
#[derive(Clone)]
pub struct MayHaveLanded {
    pub(crate) id: CallId,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) extensions: Extensions,
    pub(crate) fault: Fault,
    pub(crate) status: Option<StatusCode>,
    pub(crate) attempts: u32,
    pub(crate) elapsed: Duration,
    pub(crate) head: Option<ResponseHead>,
}

impl MayHaveLanded {
    /// Names the call.
    #[must_use]
    pub const fn id(&self) -> CallId {
        self.id
    }

    /// The request's method.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// The request's URI.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The request's extensions as the caller made them: a place for what the hook needs to recognise the call by. The
    /// body is not kept.
    #[must_use]
    pub const fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// How the last attempt failed that may have landed. If it was answered, that is all this tells
    /// ([`Delivery::Answered`](wire_fault::Delivery::Answered)).
    #[must_use]
    pub const fn fault(&self) -> Fault {
        self.fault
    }

    /// The status with which it was answered in full, if it was: 408, 500, 502, 503 or 504.
    #[must_use]
    pub const fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// How many attempts were made: 1 or more.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// For how long the call has been going on.
    #[must_use]
    pub const fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// The head of that answer, or else of the last response whose body was cut, if there was one.
    #[must_use]
    pub const fn response_head(&self) -> Option<&ResponseHead> {
        self.head.as_ref()
    }
}

impl fmt::Debug for MayHaveLanded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MayHaveLanded")
            .field("id", &self.id)
            .field("method", &self.method)
            .field("path", &self.uri.path())
            .field("fault", &self.fault)
            .field("status", &self.status)
            .field("attempts", &self.attempts)
            .field("elapsed", &self.elapsed)
            .finish_non_exhaustive()
    }
}

/// A look under way. The mutexes are never locked: they let the call's future be `Sync`, without asking that of a hook's
/// or of a response.
pub struct Looking<T> {
    look: Mutex<Pin<Box<dyn Future<Output = Reconciled<T>> + Send>>>,
    /// What the call was answered, if it was: handed on unless the look shows more.
    answer: Mutex<Option<T>>,
}

impl<T> Looking<T> {
    fn new(look: impl Future<Output = Reconciled<T>> + Send + 'static) -> Self {
        Self { look: Mutex::new(Box::pin(look)), answer: Mutex::new(None) }
    }

    pub(crate) fn keeping(self, answer: Option<T>) -> Self {
        Self { answer: Mutex::new(answer), ..self }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Reconciled<T>> {
        self.look.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll(cx)
    }

    pub(crate) fn take_answer(&mut self) -> Option<T> {
        self.answer.get_mut().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<T> fmt::Debug for Looking<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Looking").finish_non_exhaustive()
    }
}

/// Whether and how a layer looks at the server: [`Reconcile`] or [`NoReconcile`]. `T` is the response's type.
pub trait Look<T>: sealed::Sealed + Clone {
    /// Begins to look, until then at the latest.
    #[doc(hidden)]
    fn look(&self, question: MayHaveLanded, until: Instant) -> Option<Looking<T>>;
}

mod sealed {
    pub trait Sealed {
        /// Whether it is worth keeping what a question needs.
        const LOOKS: bool;
    }
}

pub(crate) use sealed::Sealed;

/// Nobody looks: a call that may have landed ends as [`OutcomeUnknown`](crate::OutcomeUnknown).
#[derive(Clone, Copy, Debug, Default)]
pub struct NoReconcile;

impl Sealed for NoReconcile {
    const LOOKS: bool = false;
}

impl<T> Look<T> for NoReconcile {
    fn look(&self, _: MayHaveLanded, _: Instant) -> Option<Looking<T>> {
        None
    }
}

/// A hook looks: made by [`with_reconcile`](crate::RetryOnTlsEofLayer::with_reconcile).
pub struct Reconcile<T> {
    hook: Arc<dyn Fn(MayHaveLanded) -> Asked<T> + Send + Sync>,
}

/// What the hook's own future answers.
type Asked<T> = Pin<Box<dyn Future<Output = Result<Reconciled<T>, BoxError>> + Send>>;

impl<T> Reconcile<T> {
    pub(crate) fn new<F, Fut>(hook: F) -> Self
    where
        F: Fn(MayHaveLanded) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Reconciled<T>, BoxError>> + Send + 'static,
    {
        Self { hook: Arc::new(move |question| Box::pin(hook(question))) }
    }
}

impl<T> Sealed for Reconcile<T> {
    const LOOKS: bool = true;
}

impl<T: 'static> Look<T> for Reconcile<T> {
    fn look(&self, question: MayHaveLanded, until: Instant) -> Option<Looking<T>> {
        let (id, hook) = (question.id, Arc::clone(&self.hook));
        Some(Looking::new(async move {
            match timeout_at(until, unpanicked(move || hook(question))).await {
                Ok(Some(Ok(reconciled))) => return reconciled,
                // Its text may name what the caller would not have in a log.
                Ok(Some(Err(error))) => {
                    tracing::warn!(call = %id, fault = %Fault::of(&*error), "the reconcile hook failed");
                }
                Ok(None) => tracing::error!(call = %id, "the reconcile hook panicked"),
                Err(_) => tracing::warn!(call = %id, "the reconcile hook did not answer in time"),
            }
            Reconciled::StillUnknown
        }))
    }
}

/// What the hook answers; `None` if it panics.
async fn unpanicked<T>(ask: impl FnOnce() -> Asked<T>) -> Option<Result<Reconciled<T>, BoxError>> {
    let mut asked = catch_unwind(AssertUnwindSafe(ask)).ok()?;
    poll_fn(move |cx| match catch_unwind(AssertUnwindSafe(|| asked.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Some),
        Err(_) => Poll::Ready(None),
    })
    .await
}

// By hand, because `T` need not be `Clone`.
impl<T> Clone for Reconcile<T> {
    fn clone(&self) -> Self {
        Self { hook: Arc::clone(&self.hook) }
    }
}

impl<T> fmt::Debug for Reconcile<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconcile").finish_non_exhaustive()
    }
}
