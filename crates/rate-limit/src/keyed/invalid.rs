//! Why keys can't be bounded so.

use std::error::Error;
use std::fmt;

/// A number of keys that can't be: the message names it, and the accepted range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidKeys {
    keys: usize,
    each: usize,
    bytes: usize,
}

impl InvalidKeys {
    pub(super) fn new(keys: usize, each: usize, bytes: usize) -> Self {
        Self { keys, each, bytes }
    }
}

impl fmt::Display for InvalidKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keys, each, bytes } = self;
        let needed = each.saturating_mul(*keys);
        write!(f, "{keys} keys are out of range: ")?;
        match bytes / each {
            0 => write!(f, "each could need {each} bytes, and all may have {bytes}"),
            most => write!(
                f,
                "they could need {needed} bytes, and may have {bytes}; at {each} bytes each, there must be from 1 to \
                 {most}"
            ),
        }
    }
}

impl Error for InvalidKeys {}
