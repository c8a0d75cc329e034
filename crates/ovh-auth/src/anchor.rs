//! What the server's time is reckoned from.

use std::time::Duration;

use tokio::time::Instant;

/// The server said this then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anchor {
    said: Duration,
    at: Instant,
}

impl Anchor {
    pub(crate) fn new(said: Duration, at: Instant) -> Self {
        Self { said, at }
    }

    /// The server's time now, since the Unix epoch.
    pub(crate) fn now(&self) -> Duration {
        self.said + self.at.elapsed()
    }

    /// By how many seconds the server's clock is ahead of this wall clock.
    pub(crate) fn skew(&self, wall: Duration) -> i64 {
        let (server, wall) = (self.now().as_secs(), wall.as_secs());
        // Both are far below 2^63 seconds.
        let apart = i64::try_from(server.abs_diff(wall)).unwrap_or(i64::MAX);
        if server >= wall { apart } else { -apart }
    }
}
