//! The handle.

use std::sync::Arc;
use std::time::SystemTime;

use crate::alarm::Alarm;
use crate::layer::RecordLayer;
use crate::role::Role;
use crate::shared::Shared;
use crate::snapshot::Snapshot;
use crate::threshold::{InvalidThreshold, threshold};
use crate::wall::Wall;

/// Counts calls and attempts, follows their streaks of failures, and raises one alarm for each streak of
/// calls that is too long.
///
/// # Clone
///
/// A clone is the same handle: the same counters, threshold and hooks.
#[derive(Clone, Debug)]
pub struct ErrorStats {
    shared: Arc<Shared>,
}

impl ErrorStats {
    /// A handle that has counted nothing, whose alarm is raised by five failed calls in a row.
    #[must_use]
    pub fn new() -> Self {
        Self { shared: Arc::new(Shared::new(Wall::system())) }
    }

    /// Like [`new`](Self::new), with a wall clock of the caller's own, for tests.
    ///
    /// It is read now, and when a call or snapshot finds the last reading an hour old; in between, tokio's
    /// clock carries it on.
    ///
    /// ```
    /// use error_stats::ErrorStats;
    /// use std::time::UNIX_EPOCH;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// let stats = ErrorStats::with_wall_clock(|| UNIX_EPOCH);
    /// tokio::time::advance(std::time::Duration::from_secs(60)).await;
    /// assert_eq!(stats.snapshot().at.wall, UNIX_EPOCH + std::time::Duration::from_secs(60));
    /// # }
    /// ```
    #[must_use]
    pub fn with_wall_clock(wall: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self { shared: Arc::new(Shared::new(Wall::new(wall))) }
    }

    /// Sets how many failed calls in a row raise the alarm: 1 or more, at first 5.
    ///
    /// Holds for all clones, from the next failure on. A raised alarm stays until a success.
    ///
    /// # Errors
    ///
    /// [`InvalidThreshold`] for zero, which no streak could reach.
    ///
    /// ```
    /// use error_stats::ErrorStats;
    ///
    /// let refused = ErrorStats::new().with_threshold(0).unwrap_err();
    /// assert!(refused.to_string().starts_with("an alarm threshold of 0 failures; accepted are 1 to"));
    /// ```
    pub fn with_threshold(self, failures: u64) -> Result<Self, InvalidThreshold> {
        self.shared.calls.set_threshold(threshold(failures)?);
        Ok(self)
    }

    /// Adds a hook that is told of each alarm. Holds for all clones; several hooks are told in the order they
    /// were added.
    ///
    /// A hook is told each alarm once, in order, one at a time, by the task of a call whose outcome crossed
    /// the threshold; no other call waits for it, and no lock is held, so it may make calls and take
    /// snapshots. It should be quick: hand slow work to a channel or a task of its own, or the call that
    /// tells it waits.
    ///
    /// A hook that holds a clone of this handle keeps it alive forever.
    ///
    /// # Panics
    ///
    /// A panic of the hook is caught, and reported as an ERROR event; the call, the other hooks and later
    /// alarms go on as if it had returned. (Not where the program is built with `panic = "abort"`.)
    ///
    /// ```
    /// use error_stats::{Alarm, ErrorStats};
    /// use tokio::sync::mpsc;
    ///
    /// let (sender, mut receiver) = mpsc::unbounded_channel::<Alarm>();
    /// let stats = ErrorStats::new().on_alarm(move |alarm| {
    ///     sender.send(*alarm).ok(); // nobody listens any more: fine
    /// });
    /// # drop(stats);
    /// # assert!(receiver.try_recv().is_err());
    /// ```
    #[must_use]
    pub fn on_alarm(self, hook: impl Fn(&Alarm) + Send + Sync + 'static) -> Self {
        self.shared.bell.add(hook);
        self
    }

    /// The layer that counts calls: what the caller sees. It goes outermost, above the retry.
    ///
    /// Its streak raises the alarm. It gives each request a [`CallId`](wire_fault::CallId) if it has none.
    ///
    /// `M` is inferred from the error of the service it wraps, when that is called.
    #[must_use]
    pub fn calls<M>(&self) -> RecordLayer<M> {
        RecordLayer::new(self.shared.clone(), Role::Calls)
    }

    /// The layer that counts attempts: what the wire does. It goes below the retry and the rate limit.
    ///
    /// It has a streak but raises no alarm: an attempt that fails and is repeated with success is the retry's
    /// daily work.
    ///
    /// `M` is inferred from the error of the service it wraps, when that is called.
    #[must_use]
    pub fn attempts<M>(&self) -> RecordLayer<M> {
        RecordLayer::new(self.shared.clone(), Role::Attempts)
    }

    /// What has been counted up to now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let Shared { calls, attempts, wall, .. } = &*self.shared;
        // Attempts first: so that a call that is quick does not show an attempt without its call.
        let attempts = attempts.read(wall);
        Snapshot { calls: calls.read(wall), attempts, at: wall.now() }
    }
}

impl Default for ErrorStats {
    fn default() -> Self {
        Self::new()
    }
}
