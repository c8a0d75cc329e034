//! The key of a request.

use std::fmt;
use std::hash::Hash;

use super::KeyedLimiter;
use crate::assign::{Assign, Assigned};
use crate::error::RateLimited;

/// The limiter of the key that a function tells.
#[derive(Clone)]
pub struct ByKey<K, F> {
    limiter: KeyedLimiter<K>,
    key: F,
}

impl<K, F> ByKey<K, F> {
    pub(crate) fn new(limiter: KeyedLimiter<K>, key: F) -> Self {
        Self { limiter, key }
    }
}

impl<K, F, Req> Assign<Req> for ByKey<K, F>
where
    K: Hash + Eq,
    F: Fn(&Req) -> K,
{
    fn assign(&self, request: &Req) -> Result<Assigned<'_>, RateLimited> {
        Ok(Assigned::new(self.limiter.limiter((self.key)(request))?, 1))
    }
}

impl<K, F> fmt::Debug for ByKey<K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByKey").field("limiter", &self.limiter).finish_non_exhaustive()
    }
}
