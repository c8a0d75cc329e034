//! The number of failures in a row that raises the alarm.

use std::error::Error;
use std::fmt;
use std::num::NonZeroU64;

/// How many failures in a row raise the alarm unless the user says otherwise.
pub(crate) const DEFAULT: NonZeroU64 = NonZeroU64::MIN.saturating_add(4);

/// The error of [`ErrorStats::with_threshold`](crate::ErrorStats::with_threshold): a number of failures that
/// can't raise an alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidThreshold {
    given: u64,
}

impl fmt::Display for InvalidThreshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an alarm threshold of {} failures; accepted are 1 to {}", self.given, u64::MAX)
    }
}

impl Error for InvalidThreshold {}

pub(crate) fn threshold(failures: u64) -> Result<NonZeroU64, InvalidThreshold> {
    NonZeroU64::new(failures).ok_or(InvalidThreshold { given: failures })
}
