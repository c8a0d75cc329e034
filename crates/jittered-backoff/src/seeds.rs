//! Where seeds come from.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

/// A seed for each of many sessions, so that no two of them wait alike.
///
/// Of equal roots, the k-th seed is the same: a test that fixes the root fixes every wait. Sessions that begin at once
/// from several threads take their seeds in the order in which they come.
///
/// # Clone
///
/// Clones share one row of seeds: what one has taken no other gets.
///
/// ```
/// use jittered_backoff::Seeds;
///
/// let seeds = Seeds::new(1);
/// let (first, second) = (seeds.next_seed(), seeds.clone().next_seed());
/// assert_ne!(first, second);
///
/// let again = Seeds::new(1);
/// assert_eq!([again.next_seed(), again.next_seed()], [first, second]);
/// ```
#[derive(Clone, Debug)]
pub struct Seeds {
    next: Arc<AtomicU64>,
}

impl Seeds {
    /// The row of seeds that this root has. Any root is as good as another.
    #[must_use]
    pub fn new(root: u64) -> Self {
        // Seeds count up, and the generator's own seeding scatters neighbours. They start at a hash of the root and not at
        // the root: the sessions of root 1 would else be those of root 0, one later.
        let first = Xoshiro256PlusPlus::seed_from_u64(root).next_u64();
        Self { next: Arc::new(AtomicU64::new(first)) }
    }

    /// A row of seeds of its own, from the operating system's randomness.
    #[must_use]
    pub fn from_os() -> Self {
        Self::new(random_seed())
    }

    /// The next session's seed, for [`Backoff::delays`](crate::Backoff::delays). Takes no lock.
    #[must_use]
    pub fn next_seed(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

impl Default for Seeds {
    /// [`Seeds::from_os`].
    fn default() -> Self {
        Self::from_os()
    }
}

/// Sixty-four bits that nobody can have chosen: std's hash keys are the operating system's randomness, and have no error
/// that a caller would have to handle. Not for secrets.
pub(crate) fn random_seed() -> u64 {
    RandomState::new().hash_one(())
}
