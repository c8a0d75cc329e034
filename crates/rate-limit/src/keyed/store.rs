//! The keys, by their last use.

use std::hash::{Hash, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use crate::admission;
use crate::allowance::{Allowance, Memory};
use crate::quotas::Quotas;
use crate::shared::Shared;

/// What an entry takes beside key and limiter: two links, a slot of a hash table that is at most 8 times as large as
/// it need be when it has grown, and what the allocator adds.
const ENTRY: usize = 128;

/// How many keys are looked at, for each that is used, whether they can leave: two, so that they leave faster than they
/// come.
const SWEEP: usize = 2;

/// How many keys each look-up lets be passed over that are in use, in search of one that can leave for a newcomer; those
/// that it has no need of are saved for later ones.
const SEARCH: usize = 16;

/// How many are saved at most, as the lock is held meanwhile.
const LONGEST_SEARCH: usize = 1024;

/// How the limiter of a new key is made.
type Make<K> = Box<dyn Fn(&K, &Quotas) -> Arc<Shared> + Send + Sync>;

pub(super) struct Store<K> {
    quotas: Quotas,
    most: usize,
    memory: Arc<Memory>,
    make: Make<K>,
    keys: Mutex<Keys<K>>,
}

struct Keys<K> {
    by_use: LruCache<K, Arc<Shared>, RandomState>,
    /// How many keys in use may be passed over.
    search: usize,
}

impl<K: Hash + Eq> Store<K> {
    pub(super) fn bytes_per_key(quotas: &Quotas) -> usize {
        ENTRY + size_of::<K>() + size_of::<Shared>() + admission::bytes(quotas)
    }

    pub(super) fn new(quotas: Quotas, most: usize, memory: Memory, make: Make<K>) -> Self {
        // A client may choose its key, so the hash is keyed.
        let by_use = LruCache::unbounded_with_hasher(RandomState::new());
        let keys = Mutex::new(Keys { by_use, search: 0 });
        Self { quotas, most, memory: Arc::new(memory), make, keys }
    }

    /// The most memory that the keys may take, with the quotas they have been given.
    pub(super) fn bytes(&self) -> usize {
        self.memory.each().saturating_mul(self.most).saturating_add(self.memory.taken())
    }

    pub(super) fn quotas(&self) -> &Quotas {
        &self.quotas
    }

    pub(super) fn most(&self) -> usize {
        self.most
    }

    pub(super) fn len(&self) -> usize {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).by_use.len()
    }

    #[cfg(feature = "redis")]
    pub(super) fn all(&self) -> Vec<Arc<Shared>> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.by_use.iter().map(|(_, shared)| Arc::clone(shared)).collect()
    }

    /// What the clones of a key's limiter share; none if no room for the key is found.
    pub(super) fn get(&self, key: K) -> Option<Arc<Shared>> {
        // Dropped after the lock.
        let mut left: [Option<(K, Arc<Shared>)>; SWEEP + 1] = [const { None }; SWEEP + 1];
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.search = (keys.search + SEARCH).min(LONGEST_SEARCH);
        let found = keys.by_use.get(&key).map(Arc::clone);
        for left in &mut left[..SWEEP] {
            *left = keys.sweep(&self.quotas);
        }
        if found.is_some() {
            return found;
        }
        if keys.by_use.len() >= self.most {
            left[SWEEP] = Some(keys.evict()?);
        }
        let shared = (self.make)(&key, &self.quotas);
        shared.bound(Allowance::new(Arc::clone(&self.memory)));
        keys.by_use.push(key, Arc::clone(&shared));
        drop(keys);
        Some(shared)
    }
}

impl<K: Hash + Eq> Keys<K> {
    /// Looks at the key that was used the longest ago: takes it out if it is as good as new. One that is in use has been
    /// used until now; and one that was given other quotas never is as good as new, and must not keep the others from leaving.
    fn sweep(&mut self, quotas: &Quotas) -> Option<(K, Arc<Shared>)> {
        let (_, shared) = self.by_use.peek_lru()?;
        if !in_use(shared) {
            if !shared.is_idle() {
                return None;
            }
            if shared.has(quotas) {
                return self.by_use.pop_lru();
            }
        }
        self.renew();
        None
    }

    /// Takes the key out that was used the longest ago, and is not in use. If so many are that the search ends before,
    /// the next look-up goes on with it.
    fn evict(&mut self) -> Option<(K, Arc<Shared>)> {
        for _ in 0..self.by_use.len() {
            let (_, shared) = self.by_use.peek_lru()?;
            if !in_use(shared) {
                return self.by_use.pop_lru();
            }
            self.search = self.search.checked_sub(1)?;
            self.renew();
        }
        None
    }

    fn renew(&mut self) {
        if let Some((key, shared)) = self.by_use.pop_lru() {
            self.by_use.push(key, shared);
        }
    }
}

/// Whoever has the limiter of a key has got it from the store, whose lock is held.
fn in_use(shared: &Arc<Shared>) -> bool {
    Arc::strong_count(shared) > 1
}
