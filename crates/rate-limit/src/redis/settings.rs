//! What a fleet was told.

use std::sync::Arc;
use std::time::Duration;

use super::fallback::Fallback;
use super::link::Link;
use super::news::News;

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) link: Arc<Link>,
    pub(super) news: Arc<News>,
    pub(super) prefix: String,
    pub(super) lease: usize,
    /// None: it depends on the quotas.
    pub(super) lateness: Option<Duration>,
    pub(super) notice: Duration,
    pub(super) fallback: Fallback,
}
