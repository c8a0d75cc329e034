//! The number of failures in a row that raises the alarm.

use std::error::Error;
use std::fmt;
use std::num::NonZeroU64;

/// How many failures in a row raise the alarm unless the user says otherwise.
pub(crate) const DEFAULT: NonZeroU64 = NonZeroU64::MIN.saturating_add(4);

/// How many thresholds there may be.
const MOST: usize = 16;

/// The error of [`ErrorStats::with_threshold`](crate::ErrorStats::with_threshold) and
/// [`with_thresholds`](crate::ErrorStats::with_thresholds): what can't raise an alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidThreshold(Invalid);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Invalid {
    Zero,
    Number(usize),
}

impl fmt::Display for InvalidThreshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Invalid::Zero => write!(f, "an alarm threshold of 0 failures; accepted are 1 to {}", u64::MAX),
            Invalid::Number(given) => write!(f, "{given} alarm thresholds; accepted are 1 to {MOST}"),
        }
    }
}

impl Error for InvalidThreshold {}

/// In order, each once.
pub(crate) fn thresholds(
    failures: impl IntoIterator<Item = u64>,
) -> Result<Vec<NonZeroU64>, InvalidThreshold> {
    let given: Option<Vec<_>> = failures.into_iter().map(NonZeroU64::new).collect();
    let mut given = given.ok_or(InvalidThreshold(Invalid::Zero))?;
    given.sort_unstable();
    given.dedup();
    if !(1..=MOST).contains(&given.len()) {
        return Err(InvalidThreshold(Invalid::Number(given.len())));
    }
    Ok(given)
}
