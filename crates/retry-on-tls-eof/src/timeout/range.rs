use std::time::Duration;

/// What tokio's timer resolves.
pub(super) const MIN: Duration = Duration::from_millis(1);

/// An hour: longer than any proxy keeps a silent connection.
pub(super) const MAX: Duration = Duration::from_secs(3600);
