//! How much memory the limiter of a key may take, if it is given quotas of its own.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::quotas::Quotas;

/// The bytes that a key with these quotas could need.
type Bytes = Box<dyn Fn(&Quotas) -> usize + Send + Sync>;

/// The memory of all keys.
pub(crate) struct Memory {
    bytes: Bytes,
    /// What each key may take.
    each: usize,
    /// What all together may take beyond that, and have taken.
    spare: usize,
    taken: AtomicUsize,
}

/// The memory of one key. What it has taken is free again when it is dropped.
pub(crate) struct Allowance {
    memory: Arc<Memory>,
    /// Beyond what each may.
    taken: AtomicUsize,
}

impl Memory {
    pub(crate) fn new(bytes: Bytes, each: usize, spare: usize) -> Self {
        Self { bytes, each, spare, taken: AtomicUsize::new(0) }
    }

    /// What each key may take.
    pub(crate) fn each(&self) -> usize {
        self.each
    }

    /// What keys have taken beyond that.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Allowance {
    pub(crate) fn new(memory: Arc<Memory>) -> Self {
        Self { memory, taken: AtomicUsize::new(0) }
    }

    /// Takes what these quotas need, and never gives any back: a record doesn't shrink. MUST be called by one at a time.
    pub(crate) fn provide(&self, quotas: &Quotas) -> Result<(), QuotasTooLarge> {
        let Memory { bytes, each, spare, taken } = &*self.memory;
        let mine = self.taken.load(Ordering::Relaxed);
        let needed = bytes(quotas);
        let more = needed.saturating_sub(each.saturating_add(mine));
        let take = |taken: usize| taken.checked_add(more).filter(|taken| taken <= spare);
        match taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(_) => {
                self.taken.store(mine + more, Ordering::Relaxed);
                Ok(())
            }
            Err(taken) => {
                let most = each.saturating_add(mine).saturating_add(spare - taken);
                Err(QuotasTooLarge { quotas: quotas.clone(), needed, most })
            }
        }
    }
}

impl Drop for Allowance {
    fn drop(&mut self) {
        self.memory.taken.fetch_sub(*self.taken.get_mut(), Ordering::Relaxed);
    }
}

impl fmt::Debug for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Allowance").field("taken", &self.taken).finish_non_exhaustive()
    }
}

/// Quotas that a key can't have: its record of releases could need more memory than is left. The message names them, and
/// how many bytes there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotasTooLarge {
    quotas: Quotas,
    needed: usize,
    most: usize,
}

impl fmt::Display for QuotasTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { quotas, needed, most } = self;
        write!(
            f,
            "quotas of {quotas} are too large for this key: it could need {needed} bytes, and may have {most}"
        )
    }
}

impl Error for QuotasTooLarge {}
