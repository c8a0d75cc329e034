//! What a call in flight holds of the handle.
//!
//! Each call keeps the handle's state alive by a counted reference. One count for all would be a cache line
//! that every core writes with each call; so each seat has a count of its own, behind which lies the common
//! one.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use crate::seat::{SEATS, Seat};
use crate::shard::Shard;
use crate::shared::Shared;

/// The common state, and a lease on it for each seat.
pub(crate) struct Leases {
    shared: Arc<Shared>,
    seats: [OnceLock<Arc<Lease>>; SEATS],
}

/// A reference to the common state, counted for one seat; and that seat's shard, so that the way there is short.
#[repr(align(128))]
pub(crate) struct Lease {
    seat: Seat,
    shard: Arc<Shard>,
    shared: Arc<Shared>,
}

impl Leases {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared), seats: [const { OnceLock::new() }; SEATS] }
    }

    /// The lease of a seat; may be given back by any thread.
    #[inline]
    pub(crate) fn take(&self, seat: Seat) -> Arc<Lease> {
        self.seats[seat.index()].get_or_init(|| Arc::new(Lease::new(&self.shared, seat))).clone()
    }
}

impl Lease {
    fn new(shared: &Arc<Shared>, seat: Seat) -> Self {
        Self { seat, shard: shared.shards.at(seat).clone(), shared: shared.clone() }
    }

    /// Where this seat counts: usually the lease's own, for most calls end where they began.
    #[inline]
    pub(crate) fn shard(&self, seat: Seat) -> &Shard {
        if seat == self.seat { &self.shard } else { self.shared.shards.at(seat) }
    }
}

impl fmt::Debug for Leases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

impl Deref for Leases {
    type Target = Shared;

    #[inline]
    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl Deref for Lease {
    type Target = Shared;

    #[inline]
    fn deref(&self) -> &Shared {
        &self.shared
    }
}
