//! The keys, by their last use.

use std::hash::{Hash, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use crate::admission;
use crate::quotas::Quotas;
use crate::shared::Shared;

/// What an entry takes beside key and limiter: two links, a slot of a hash table that is at most 8 times as large as
/// it need be when it has grown, and what the allocator adds.
const ENTRY: usize = 128;

/// How many keys are looked at, for each that is used, whether they can leave: two, so that they leave faster than they
/// come.
const SWEEP: usize = 2;

/// How the limiter of a new key is made.
type Make<K> = Box<dyn Fn(&K, &Quotas) -> Arc<Shared> + Send + Sync>;

pub(super) struct Store<K> {
    quotas: Quotas,
    most: usize,
    make: Make<K>,
    keys: Mutex<LruCache<K, Arc<Shared>, RandomState>>,
}

impl<K: Hash + Eq> Store<K> {
    pub(super) fn bytes_per_key(quotas: &Quotas) -> usize {
        ENTRY + size_of::<K>() + size_of::<Shared>() + admission::bytes(quotas)
    }

    pub(super) fn new(quotas: Quotas, most: usize, make: Make<K>) -> Self {
        // A client may choose its key, so the hash is keyed.
        let keys = LruCache::unbounded_with_hasher(RandomState::new());
        Self { quotas, most, make, keys: Mutex::new(keys) }
    }

    pub(super) fn quotas(&self) -> &Quotas {
        &self.quotas
    }

    pub(super) fn most(&self) -> usize {
        self.most
    }

    pub(super) fn len(&self) -> usize {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// What the clones of a key's limiter share; none if there is no room for the key.
    pub(super) fn get(&self, key: K) -> Option<Arc<Shared>> {
        // Dropped after the lock.
        let mut left: [Option<(K, Arc<Shared>)>; SWEEP + 1] = [const { None }; SWEEP + 1];
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let found = keys.get(&key).map(Arc::clone);
        for left in &mut left[..SWEEP] {
            *left = sweep(&mut keys);
        }
        if found.is_some() {
            return found;
        }
        if keys.len() >= self.most {
            left[SWEEP] = Some(evict(&mut keys)?);
        }
        let shared = (self.make)(&key, &self.quotas);
        keys.push(key, Arc::clone(&shared));
        drop(keys);
        Some(shared)
    }
}

type Keys<K> = LruCache<K, Arc<Shared>, RandomState>;

/// Whoever has the limiter of a key has got it from the store, whose lock is held.
fn in_use(shared: &Arc<Shared>) -> bool {
    Arc::strong_count(shared) > 1
}

/// Looks at the key that was used the longest ago: takes it out if it is as good as new. One that is in use has been
/// used until now.
fn sweep<K: Hash + Eq>(keys: &mut Keys<K>) -> Option<(K, Arc<Shared>)> {
    let (_, shared) = keys.peek_lru()?;
    if in_use(shared) {
        renew(keys);
        return None;
    }
    if shared.is_idle() { keys.pop_lru() } else { None }
}

/// Takes the key out that was used the longest ago, and is not in use.
fn evict<K: Hash + Eq>(keys: &mut Keys<K>) -> Option<(K, Arc<Shared>)> {
    for _ in 0..keys.len() {
        let (_, shared) = keys.peek_lru()?;
        if !in_use(shared) {
            return keys.pop_lru();
        }
        renew(keys);
    }
    None
}

fn renew<K: Hash + Eq>(keys: &mut Keys<K>) {
    if let Some((key, shared)) = keys.pop_lru() {
        keys.push(key, shared);
    }
}
