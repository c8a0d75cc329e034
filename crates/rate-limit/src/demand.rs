//! What an admission that asks somebody else is told of the queue.

use tokio::time::Instant;

/// Those who wait, in their order.
pub(crate) struct Demand<'a> {
    /// How many permits each of them takes.
    pub(crate) costs: &'a mut dyn Iterator<Item = u32>,
    /// Services sleep before a door, until one that comes would not wait too long.
    pub(crate) doors: bool,
    /// Until when nobody is released.
    pub(crate) hold: Option<Instant>,
}
