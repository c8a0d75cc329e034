//! How attempts ended, counted.

use std::collections::BTreeMap;

use http::StatusCode;
use wire_fault::{Cause, Delivery, Phase};

use crate::attempts::{Attempt, End};

/// What kind of fault an attempt met.
pub(crate) type Kind = (Phase, Cause, Delivery);

#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) answered: BTreeMap<StatusCode, u64>,
    pub(crate) faults: BTreeMap<Kind, u64>,
    /// Under way, or dropped.
    pub(crate) open: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, attempt: &Attempt) {
        match attempt.end {
            End::Open => self.open += 1,
            End::Answered(status) => *self.answered.entry(status).or_default() += 1,
            End::Failed(fault) => {
                *self.faults.entry((fault.phase, fault.cause, fault.delivery)).or_default() += 1;
            }
        }
    }

    pub(crate) fn broken(&self) -> u64 {
        self.faults.values().sum()
    }

    pub(crate) fn whole(&self) -> u64 {
        self.answered.values().sum()
    }

    pub(crate) fn all(&self) -> u64 {
        self.whole() + self.broken() + self.open
    }
}
