//! The layer.

use std::fmt;
use std::marker::PhantomData;

use jittered_backoff::{Backoff, Limits, Seeds};
use tower_layer::Layer;

use crate::call::Settings;
use crate::service::RetryOnTlsEof;

/// Applies [`RetryOnTlsEof`] to services.
///
/// `M` says how the error of the service below is read ([`AsFault`](wire_fault::AsFault)); it is inferred.
pub struct RetryOnTlsEofLayer<M> {
    settings: Settings,
    marker: PhantomData<fn() -> M>,
}

impl<M> RetryOnTlsEofLayer<M> {
    /// Waits as `backoff` says, within the default [`Limits`]: three attempts, 90 s.
    #[must_use]
    pub fn new(backoff: Backoff) -> Self {
        let settings = Settings { backoff, limits: Limits::new(), seeds: Seeds::from_os() };
        Self { settings, marker: PhantomData }
    }

    /// How many attempts a call has, and until when the last may start.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// Where the waits' randomness comes from, so that a test can repeat them. By default it is the operating system's.
    #[must_use]
    pub fn with_seeds(mut self, seeds: Seeds) -> Self {
        self.settings.seeds = seeds;
        self
    }
}

impl<S, M> Layer<S> for RetryOnTlsEofLayer<M> {
    type Service = RetryOnTlsEof<S, M>;

    fn layer(&self, inner: S) -> Self::Service {
        RetryOnTlsEof::new(inner, self.settings.clone())
    }
}

// By hand, because `M` need not be `Clone` or `Debug`.
impl<M> Clone for RetryOnTlsEofLayer<M> {
    fn clone(&self) -> Self {
        Self { settings: self.settings.clone(), marker: PhantomData }
    }
}

impl<M> fmt::Debug for RetryOnTlsEofLayer<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryOnTlsEofLayer").field("settings", &self.settings).finish()
    }
}
