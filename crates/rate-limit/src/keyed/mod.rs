//! One limiter per key.

mod assign;
mod digest;
mod invalid;
mod store;

pub use self::assign::ByKey;
pub use self::digest::{Digest, header, host};
pub use self::invalid::InvalidKeys;

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use crate::bounds::Bounds;
use crate::error::{Bound, RateLimited};
use crate::limiter::Limiter;
use crate::permit::Permit;
use crate::quotas::Quotas;
use crate::shared::Shared;

use self::store::Store;

/// The most memory, unless said otherwise: 256 MiB.
const MOST_BYTES: usize = 256 << 20;

/// One rate limit per key: per host, per client, per consumer key.
///
/// Each key has a [`Limiter`] of its own, made when the key is first used. A key is *in use* while a call waits for it
/// or is on its way, or somebody holds its limiter. One that is not and whose releases have all left the quota's
/// windows is as good as new, and leaves by itself, whenever any key is used.
///
/// There are never more than `keys` of them, and their memory is bounded ([`memory`](Self::memory)). For one more, that
/// key leaves which was used the longest ago and is not in use. If it left before its windows had passed, it begins
/// anew when it comes again: the quota is exact for as long as no more than `keys` are used within the longest
/// window. If all are in use, the newcomer is refused.
///
/// A client that makes up keys while all are in use holds nobody up, because the search for a key that can leave is
/// bounded: 16 keys in use are passed over for each look-up, of whatever key, and those of up to 64 look-ups at once if
/// they had no need of it. So a newcomer can be refused although a key is not in use, if very many before it are, in the
/// order of their last use. The next look-ups go on from there: it is found after at most `keys` / 18 refused newcomers.
///
/// All keys are behind one lock, which is held for a look-up and this search. Sixteen of them were no faster when measured
/// with a million keys and two threads on two cores, where the memory is what one waits for; with a thousand keys, by a
/// fifth. Each key's limiter is taken from under a lock as well: it has none of the 4 KiB by which a single [`Limiter`]
/// spares that.
///
/// ```
/// use rate_limit::{KeyedLimiter, Quota};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limiter = KeyedLimiter::new(Quota::per_second(1)?, 10_000)?;
/// limiter.acquire("anne").await?;
/// limiter.acquire("bert").await?;
/// assert!(limiter.try_acquire("anne").is_err());
/// # Ok(())
/// # }
/// ```
///
/// # Clone
///
/// Clones share all keys. Bounds are each clone's own, as with [`Limiter`].
pub struct KeyedLimiter<K> {
    store: Arc<Store<K>>,
    /// The most bytes of a key.
    each: usize,
    bounds: Bounds,
}

impl<K: Hash + Eq> KeyedLimiter<K> {
    /// A quota for each of up to `keys` keys.
    ///
    /// # Errors
    ///
    /// Unless there may be at least one key, and all together need no more than 256 MiB.
    pub fn new(quotas: impl Into<Quotas>, keys: usize) -> Result<Self, InvalidKeys> {
        Self::within(MOST_BYTES, quotas, keys)
    }

    /// The same with another bound on the memory.
    ///
    /// # Errors
    ///
    /// Unless there may be at least one key, and all together need no more than so many `bytes`.
    ///
    /// ```
    /// use rate_limit::{KeyedLimiter, Quota};
    ///
    /// # fn main() -> Result<(), rate_limit::InvalidQuota> {
    /// let refused = KeyedLimiter::<u64>::within(1 << 20, Quota::per_second(1000)?, 100).unwrap_err();
    /// let message = refused.to_string();
    /// assert!(message.starts_with("100 keys are out of range: they could need"), "{message}");
    /// # Ok(())
    /// # }
    /// ```
    pub fn within(bytes: usize, quotas: impl Into<Quotas>, keys: usize) -> Result<Self, InvalidKeys> {
        let quotas = quotas.into();
        let each = Store::<K>::bytes_per_key(&quotas);
        if keys == 0 || each.checked_mul(keys).is_none_or(|needed| needed > bytes) {
            return Err(InvalidKeys::new(keys, each, bytes));
        }
        let make = Box::new(|_: &K, quotas: &Quotas| Shared::small(quotas.clone()));
        Ok(Self { store: Arc::new(Store::new(quotas, keys, make)), each, bounds: Bounds::default() })
    }

    /// With limiters of another kind, that take `more` bytes.
    #[cfg(feature = "redis")]
    pub(crate) fn made_by(
        quotas: Quotas,
        keys: usize,
        more: usize,
        make: impl Fn(&K, &Quotas) -> Arc<Shared> + Send + Sync + 'static,
    ) -> Result<Self, InvalidKeys> {
        let each = Store::<K>::bytes_per_key(&quotas).saturating_add(more);
        if keys == 0 || each.checked_mul(keys).is_none_or(|needed| needed > MOST_BYTES) {
            return Err(InvalidKeys::new(keys, each, MOST_BYTES));
        }
        let store = Arc::new(Store::new(quotas, keys, Box::new(make)));
        Ok(Self { store, each, bounds: Bounds::default() })
    }

    /// The most memory, in bytes: that of a key and its record of releases (16 bytes per call of the quota), times the
    /// keys. What a key itself owns on the heap is not counted, and what its waiting calls have taken (some
    /// 150 bytes each, kept until the key leaves) comes on top.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.each.saturating_mul(self.store.most())
    }

    /// As [`Limiter::with_max_wait`], for each key.
    #[must_use]
    pub fn with_max_wait(mut self, most: Duration) -> Self {
        self.bounds.max_wait = Some(most);
        self
    }

    /// As [`Limiter::with_max_queue`], for each key.
    #[must_use]
    pub fn with_max_queue(mut self, most: usize) -> Self {
        self.bounds.max_queue = Some(most);
        self
    }

    /// The limiter of a key. As long as it is held, the key is in use.
    ///
    /// # Errors
    ///
    /// If the key is new, and as many as there may be are in use, as far as they were [searched](Self).
    pub fn limiter(&self, key: K) -> Result<Limiter, RateLimited> {
        let quotas = self.store.quotas();
        match self.store.get(key) {
            Some(shared) => Ok(Limiter::of(shared, self.bounds)),
            None => Err(RateLimited::new(quotas.clone(), quotas.interval(), Bound::Keys(self.store.most()))),
        }
    }

    /// Waits for a permit of this key: see [`Limiter::acquire`].
    ///
    /// # Errors
    ///
    /// As [`limiter`](Self::limiter) and [`Limiter::acquire`].
    pub async fn acquire(&self, key: K) -> Result<Permit, RateLimited> {
        self.limiter(key)?.acquire().await
    }

    /// Takes a permit of this key, if one is free: see [`Limiter::try_acquire`].
    ///
    /// # Errors
    ///
    /// As [`limiter`](Self::limiter) and [`Limiter::try_acquire`].
    pub fn try_acquire(&self, key: K) -> Result<Permit, RateLimited> {
        self.limiter(key)?.try_acquire()
    }

    /// What the limiters of all keys share.
    #[cfg(feature = "redis")]
    pub(crate) fn all(&self) -> Vec<Arc<Shared>> {
        self.store.all()
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The quotas of each key.
    #[must_use]
    pub fn quotas(&self) -> &Quotas {
        self.store.quotas()
    }
}

impl<K> Clone for KeyedLimiter<K> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), each: self.each, bounds: self.bounds }
    }
}

impl<K> fmt::Debug for KeyedLimiter<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedLimiter").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}
