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

use crate::allowance::Memory;
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
/// window, where keys with [quotas of their own](#quotas-of-one-key) count as always used. If all are in use, the newcomer is refused.
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
/// # Quotas of one key
///
/// A key whose [limiter](Self::limiter) is given [other quotas](Limiter::set_quotas) has them for as long as it is kept. It
/// doesn't leave by itself, but it can leave for another key, and then begins anew with the quotas of all. Where that must
/// not be, hold its limiter: the key is in use.
///
/// If they need more memory than those of all, that comes out of what the bound on the memory has left, until the key
/// leaves. Quotas for which that is not enough are refused.
///
/// ```
/// use rate_limit::{KeyedLimiter, Quota};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limiter = KeyedLimiter::within(1 << 20, Quota::per_second(1)?, 500)?;
/// let anne = limiter.limiter("anne")?;
/// anne.set_quotas(Quota::per_second(100)?)?;
/// let refused = anne.set_quotas(Quota::per_second(1_000_000)?).unwrap_err();
/// assert!(refused.to_string().starts_with("quotas of 1000000 per 1s are too large for this key"));
/// assert_eq!(limiter.limiter("anne")?.quotas(), Quota::per_second(100)?.into());
/// # Ok(())
/// # }
/// ```
///
/// # Clone
///
/// Clones share all keys. Bounds are each clone's own, as with [`Limiter`].
pub struct KeyedLimiter<K> {
    store: Arc<Store<K>>,
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
        Self::made(bytes, quotas.into(), keys, |_| 0, |_, quotas| Shared::small(quotas.clone()))
    }

    /// With limiters of another kind, that take `more` bytes.
    #[cfg(feature = "redis")]
    pub(crate) fn made_by(
        quotas: Quotas,
        keys: usize,
        more: impl Fn(&Quotas) -> usize + Send + Sync + 'static,
        make: impl Fn(&K, &Quotas) -> Arc<Shared> + Send + Sync + 'static,
    ) -> Result<Self, InvalidKeys> {
        Self::made(MOST_BYTES, quotas, keys, more, make)
    }

    fn made(
        most: usize,
        quotas: Quotas,
        keys: usize,
        more: impl Fn(&Quotas) -> usize + Send + Sync + 'static,
        make: impl Fn(&K, &Quotas) -> Arc<Shared> + Send + Sync + 'static,
    ) -> Result<Self, InvalidKeys> {
        let bytes = move |quotas: &Quotas| Store::<K>::bytes_per_key(quotas).saturating_add(more(quotas));
        let each = bytes(&quotas);
        let spare = each.checked_mul(keys).and_then(|needed| most.checked_sub(needed));
        let (Some(spare), 1..) = (spare, keys) else { return Err(InvalidKeys::new(keys, each, most)) };
        let memory = Memory::new(Box::new(bytes), each, spare);
        let store = Arc::new(Store::new(quotas, keys, memory, Box::new(make)));
        Ok(Self { store, bounds: Bounds::default() })
    }

    /// The most memory, in bytes: that of a key and its record of releases (16 bytes per call of the quota), times the
    /// keys; and what keys take beyond that which have larger [quotas of their own](Self#quotas-of-one-key). What a key
    /// itself owns on the heap is not counted, and what its waiting calls have taken (some 100 bytes each, kept until the
    /// key leaves) comes on top.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.store.bytes()
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

    /// The quotas of each key that was not given [others](Self#quotas-of-one-key).
    #[must_use]
    pub fn quotas(&self) -> &Quotas {
        self.store.quotas()
    }
}

impl<K> Clone for KeyedLimiter<K> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), bounds: self.bounds }
    }
}

impl<K> fmt::Debug for KeyedLimiter<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedLimiter").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}
