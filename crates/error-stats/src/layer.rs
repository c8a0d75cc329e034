//! The layer.

use std::marker::PhantomData;
use std::sync::Arc;

use tower_layer::Layer;

use crate::lease::Leases;
use crate::role::Role;
use crate::service::Record;

/// Counts the calls, or the attempts, of the services it wraps:
/// [`ErrorStats::calls`](crate::ErrorStats::calls), [`ErrorStats::attempts`](crate::ErrorStats::attempts).
///
/// `M` tells how the service's error is read ([`AsFault`](wire_fault::AsFault)); the compiler infers it where
/// the service is called.
///
/// # Clone
///
/// Clones, and all services they make, count into the same handle.
#[derive(Clone, Debug)]
pub struct RecordLayer<M> {
    shared: Arc<Leases>,
    role: Role,
    marker: PhantomData<fn() -> M>,
}

impl<M> RecordLayer<M> {
    pub(crate) fn new(shared: Arc<Leases>, role: Role) -> Self {
        Self { shared, role, marker: PhantomData }
    }
}

impl<S, M> Layer<S> for RecordLayer<M> {
    type Service = Record<S, M>;

    fn layer(&self, inner: S) -> Self::Service {
        Record::new(inner, self.shared.clone(), self.role)
    }
}
