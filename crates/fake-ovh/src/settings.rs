//! The plain values that can be set, and their defaults.

use std::time::Duration;

use crate::answer::ErrorShape;

#[derive(Debug)]
pub(crate) struct Settings {
    /// Scheme and authority that clients sign, if not those they send.
    pub(crate) origin: Option<String>,
    pub(crate) timestamp_window: Duration,
    pub(crate) shape: ErrorShape,
    pub(crate) seed: u64,
    pub(crate) stock_period: Duration,
    pub(crate) token_lifetime: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            origin: None,
            timestamp_window: Duration::from_secs(120),
            shape: ErrorShape::default(),
            seed: 0,
            stock_period: Duration::from_secs(480),
            token_lifetime: Duration::from_secs(3_599),
        }
    }
}
