//! What is known of one layer's calls beside what the shards hold: its errors and its streak.

use crate::counters::Errors;
use crate::watch::Watch;

#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) errors: Errors,
    pub(crate) watch: Watch,
}

impl Ledger {
    pub(crate) const fn new(watch: Watch) -> Self {
        Self { errors: Errors::new(), watch }
    }
}
