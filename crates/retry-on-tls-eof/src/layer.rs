//! The layer.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Uri};
use jittered_backoff::{Backoff, Limits, RetryBudget, Seeds};
use tower::BoxError;
use tower_layer::Layer;

use crate::attempt::Attempt;
use crate::history::Failure;
use crate::reconcile::{MayHaveLanded, NoReconcile, Reconcile, Reconciled};
use crate::service::RetryOnTlsEof;
use crate::settings::{NoRefusal, Settings};

/// Applies [`RetryOnTlsEof`] to services.
///
/// `M` says how the error of the service below is read ([`AsFault`](wire_fault::AsFault)); it is inferred. `H` says whether
/// a hook looks at the server ([`with_reconcile`](Self::with_reconcile)); nobody does by default.
///
/// # Clone
///
/// Clones of the layer, and all services they make, share the budget and the randomness of the waits. A setting changed on one
/// changes no other.
pub struct RetryOnTlsEofLayer<M, H = NoReconcile> {
    settings: Arc<Settings>,
    hook: H,
    marker: PhantomData<fn() -> M>,
}

impl<M> RetryOnTlsEofLayer<M> {
    /// Waits as `backoff` says, within the default [`Limits`]: three attempts, 90 s.
    #[must_use]
    pub fn new(backoff: Backoff) -> Self {
        Self { settings: Arc::new(Settings::new(backoff)), hook: NoReconcile, marker: PhantomData }
    }
}

impl<M, H> RetryOnTlsEofLayer<M, H> {
    /// How many attempts a call has, and when its time is up.
    ///
    /// One repeat is not counted: that after an answer marked as [`Unprocessed`](wire_fault::Unprocessed), which the layer that
    /// marked it has mended. The deadline and the budget hold for it as for any.
    ///
    /// The deadline counts from the call's start and covers all of it: the attempts, the waits, and the time spent in the
    /// queues of the layers below. A wait that would pass it is not begun, nothing is sent once it has passed, and an attempt
    /// under way is cut ([`Deadline`](crate::Deadline)). A call whose deadline is zero is not sent at all.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        self.set(|settings| settings.limits = limits)
    }

    /// What the repeats of all calls have to share. By default there is no such bound.
    ///
    /// A call earns its part of a permit when it begins. A repeat takes one before its wait, and uses it up when it is sent;
    /// a call dropped in between gives it back.
    #[must_use]
    pub fn with_budget(self, budget: RetryBudget) -> Self {
        self.set(|settings| settings.budget = Some(budget))
    }

    /// Where the waits' randomness comes from, so that a test can repeat them. By default it is the operating system's.
    #[must_use]
    pub fn with_seeds(self, seeds: Seeds) -> Self {
        self.set(|settings| settings.seeds = seeds)
    }

    /// Calls that this rule picks are sent once, as if marked [`RetrySafety::Never`](crate::RetrySafety::Never): what orders
    /// or pays. Nothing on the request lifts it. A second rule replaces the first.
    ///
    /// ```
    /// use http::{Method, Uri};
    /// use jittered_backoff::Backoff;
    /// use retry_on_tls_eof::RetryOnTlsEofLayer;
    /// use wire_fault::Boxed;
    ///
    /// let layer = RetryOnTlsEofLayer::<Boxed>::new(Backoff::default())
    ///     .with_never(|method: &Method, uri: &Uri| method == Method::POST && uri.path().ends_with("/checkout"));
    /// ```
    #[must_use]
    pub fn with_never(self, rule: impl Fn(&Method, &Uri) -> bool + Send + Sync + 'static) -> Self {
        self.set(|settings| settings.never = Some(Arc::new(rule)))
    }

    /// Declares that a server which answers with this status has not acted on the request, so that even a POST is
    /// repeated after it, all of the answer having come or only its head: 421, 425, 429 or 503. Not
    /// [`RetrySafety::Never`](crate::RetrySafety::Never), which nothing lifts.
    ///
    /// Whether OVHcloud's API keeps to that with a 429 is unverified.
    ///
    /// # Errors
    ///
    /// If the status can also come of a request that was acted on.
    pub fn repeat_refused(self, status: u16) -> Result<Self, NoRefusal> {
        let refusals = self.settings.refusals.with(status)?;
        Ok(self.set(|settings| settings.refusals = refusals))
    }

    /// Declares that the server recognises a repeat by its `Idempotency-Key`
    /// ([draft-ietf-httpapi-idempotency-key-header]): a request that carries one is then
    /// [`RetrySafety::Idempotent`](crate::RetrySafety::Idempotent), unless its own extension says otherwise.
    ///
    /// Without it the header means nothing: a server that ignores it would carry out every repeat. OVHcloud's API is not
    /// known to honour it.
    ///
    /// [draft-ietf-httpapi-idempotency-key-header]: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
    #[must_use]
    pub fn honours_idempotency_key(self) -> Self {
        self.set(|settings| settings.honours_idempotency_key = true)
    }

    /// Declares that every attempt passes an [`AttemptTimeout`](crate::AttemptTimeout) below this layer, with its
    /// [`Deadline`](crate::Deadline): a layer in between that makes the request anew must hand its extensions on. (One that
    /// drops them is found out; one that keeps them beside the request it sends can't be told from a queue.)
    ///
    /// Then an attempt that the deadline cuts before it has come so far (it waited in a limiter's queue, say) was provably
    /// never sent. Without the declaration nobody can know, and such a POST ends as
    /// [`OutcomeUnknown`](crate::OutcomeUnknown).
    #[must_use]
    pub fn over_attempt_timeout(self) -> Self {
        self.set(|settings| settings.over_attempt_timeout = true)
    }

    /// Tells of each repeat before its wait: how the attempt failed, the wait, and which attempt it was.
    ///
    /// The hook runs while the call is polled, so it must not block. Its panics are caught and logged. A second hook
    /// replaces the first.
    #[must_use]
    pub fn on_retry(self, hook: impl Fn(Failure, Duration, Attempt) + Send + Sync + 'static) -> Self {
        self.set(|settings| settings.on_retry = Some(Arc::new(hook)))
    }

    /// Looks at the server where an answer does not tell whether the call has landed: lists the orders, say.
    ///
    /// Asked before a call ends as [`OutcomeUnknown`](crate::OutcomeUnknown), and before a call that changes something ends
    /// with an answer 408, 500, 502, 503 or 504 ([`MayHaveLanded::status`]): a gateway's 504 leaves the server at work, and
    /// OVHcloud's API has answered 500 to calls that had created what they asked for. Not about a status that is declared a
    /// refusal ([`repeat_refused`](Self::repeat_refused)). Idempotent calls are repeated first.
    ///
    /// `T` is the response's type. Only [`Reconciled::NotLanded`] permits a repeat, within the limits, and not of a
    /// call that is [`RetrySafety::Never`](crate::RetrySafety::Never): that ends with the failure itself, or the answer.
    /// A hook that fails, panics or does not answer before the call's deadline (90 s where there is none) has shown
    /// nothing: the call ends as it would have without the hook.
    ///
    /// The hook should not go through this layer: it would wait for itself to be asked.
    ///
    /// ```
    /// use http::Response;
    /// use jittered_backoff::Backoff;
    /// use retry_on_tls_eof::{MayHaveLanded, Reconciled, RetryOnTlsEofLayer};
    /// use wire_fault::Boxed;
    ///
    /// async fn find_order(_reference: &str) -> Result<Option<String>, std::io::Error> {
    ///     Ok(None) // In place of a look at GET /me/order.
    /// }
    ///
    /// #[derive(Clone)]
    /// struct Reference(String);
    ///
    /// let layer = RetryOnTlsEofLayer::<Boxed>::new(Backoff::default()).with_reconcile(async |call: MayHaveLanded| {
    ///     let Some(Reference(reference)) = call.extensions().get() else { return Ok(Reconciled::StillUnknown) };
    ///     Ok(match find_order(reference).await? {
    ///         Some(order) => Reconciled::Landed(Response::new(order)),
    ///         None => Reconciled::NotLanded,
    ///     })
    /// });
    /// ```
    #[must_use]
    pub fn with_reconcile<T, F, Fut>(self, hook: F) -> RetryOnTlsEofLayer<M, Reconcile<T>>
    where
        F: Fn(MayHaveLanded) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Reconciled<T>, BoxError>> + Send + 'static,
    {
        RetryOnTlsEofLayer { settings: self.settings, hook: Reconcile::new(hook), marker: PhantomData }
    }

    fn set(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(Arc::make_mut(&mut self.settings));
        self
    }
}

impl<S, M, H: Clone> Layer<S> for RetryOnTlsEofLayer<M, H> {
    type Service = RetryOnTlsEof<S, M, H>;

    fn layer(&self, inner: S) -> Self::Service {
        RetryOnTlsEof::new(inner, Arc::clone(&self.settings), self.hook.clone())
    }
}

// By hand, because `M` need not be `Clone` or `Debug`.
impl<M, H: Clone> Clone for RetryOnTlsEofLayer<M, H> {
    fn clone(&self) -> Self {
        Self { settings: Arc::clone(&self.settings), hook: self.hook.clone(), marker: PhantomData }
    }
}

impl<M, H: fmt::Debug> fmt::Debug for RetryOnTlsEofLayer<M, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { settings, hook, .. } = self;
        f.debug_struct("RetryOnTlsEofLayer").field("settings", settings).field("reconcile", hook).finish()
    }
}
