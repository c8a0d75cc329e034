//! The range of a connection's time limit, and what is out of it.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// What tokio's timer resolves.
pub(super) const MIN: Duration = Duration::from_millis(1);

/// An hour.
pub(super) const MAX: Duration = Duration::from_secs(3600);

/// A connection's time limit out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidConnectTimeout(pub(super) Duration);

impl fmt::Display for InvalidConnectTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a connection's time limit of {:?} is out of range: {MIN:?} to {MAX:?}", self.0)
    }
}

impl Error for InvalidConnectTimeout {}
