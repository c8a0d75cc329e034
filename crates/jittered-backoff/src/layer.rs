//! The layer.

use tower::retry::Retry;
use tower_layer::Layer;

use crate::backoff::Backoff;
use crate::budget::RetryBudget;
use crate::limits::Limits;
use crate::policy::BackoffPolicy;
use crate::seeds::Seeds;

/// Repeats the inner service's calls by a [`BackoffPolicy`], which says how.
///
/// The inner service must be `Clone`: each call keeps one to repeat itself with. Readiness is awaited before each attempt.
///
/// # Clone
///
/// Clones of the layer, and all services it makes, share the [`Seeds`]: no two sessions wait alike.
#[derive(Clone, Debug)]
pub struct BackoffLayer<D> {
    policy: BackoffPolicy<D>,
}

impl<D> BackoffLayer<D> {
    /// Repeats what `decide` says after the waits of `backoff`, with the default [`Limits`] and seeds from the operating
    /// system.
    pub fn new(backoff: Backoff, decide: D) -> Self {
        BackoffPolicy::new(backoff, decide).into()
    }

    /// How many attempts a session has, and how much time.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        self.policy.with_limits(limits).into()
    }

    /// Where the sessions' seeds come from. With `Seeds::new(root)` the k-th call has the same waits in every run.
    #[must_use]
    pub fn with_seeds(self, seeds: Seeds) -> Self {
        self.policy.with_seeds(seeds).into()
    }

    /// What all sessions have to share, those of other layers with the same budget included. By default there is no such
    /// bound.
    #[must_use]
    pub fn with_budget(self, budget: RetryBudget) -> Self {
        self.policy.with_budget(budget).into()
    }
}

impl<D> From<BackoffPolicy<D>> for BackoffLayer<D> {
    fn from(policy: BackoffPolicy<D>) -> Self {
        Self { policy }
    }
}

impl<D: Clone, S> Layer<S> for BackoffLayer<D> {
    type Service = Retry<BackoffPolicy<D>, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Retry::new(self.policy.clone(), inner)
    }
}
