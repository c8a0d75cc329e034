//! How a limiter stands.

use tokio::time::Instant;

#[cfg(feature = "redis")]
use crate::redis::FleetState;

/// How a limiter stands: [`Limiter::snapshot`](crate::Limiter::snapshot).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Calls that wait, those included that were passed over.
    pub waiting: usize,
    /// Permits that are free and that nobody waits for.
    pub available: usize,
    /// When the quota allows the next release, to whoever is first: now, if it allows one already.
    pub next_slot: Instant,
    /// Until when nobody is released, because of a [pause](crate::Limiter::pause).
    pub paused_until: Option<Instant>,
    /// How a [fleet](crate::redis)'s limiter stands with its server.
    #[cfg(feature = "redis")]
    pub fleet: Option<FleetState>,
}
