//! The handle.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderName;

use crate::alarm::Alarm;
use crate::layer::RecordLayer;
use crate::lease::Leases;
use crate::role::Role;
use crate::shared::Shared;
use crate::snapshot::Snapshot;
use crate::threshold::{InvalidThreshold, thresholds};
use crate::wall::Wall;

/// Counts calls and attempts, follows their streaks of failures, and raises one alarm for each streak of
/// calls that is too long.
///
/// # Clone
///
/// A clone is the same handle: the same counters, threshold and hooks.
#[derive(Clone, Debug)]
pub struct ErrorStats {
    shared: Arc<Leases>,
}

impl ErrorStats {
    /// A handle that has counted nothing, whose alarm is raised by five failed calls in a row.
    #[must_use]
    pub fn new() -> Self {
        Self { shared: Arc::new(Leases::new(Shared::new(Wall::system()))) }
    }

    /// Like [`new`](Self::new), with a wall clock of the caller's own, for tests.
    ///
    /// It is read now, and when a call or snapshot finds the last reading an hour old; in between, tokio's
    /// clock carries it on, and for another hour if it panics then.
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
        Self { shared: Arc::new(Leases::new(Shared::new(Wall::new(wall)))) }
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
        self.with_thresholds([failures])
    }

    /// Sets several numbers of failed calls in a row that raise an alarm each, as a streak grows: 1 to 16
    /// numbers of 1 or more. A success clears them together, once.
    ///
    /// Holds for all clones, from the next failure on.
    ///
    /// # Errors
    ///
    /// [`InvalidThreshold`] for a zero, for none at all, and for more than 16 different ones.
    ///
    /// ```
    /// use error_stats::ErrorStats;
    ///
    /// let stats = ErrorStats::new().with_thresholds([5, 50, 500])?;
    /// # Ok::<(), error_stats::InvalidThreshold>(())
    /// ```
    pub fn with_thresholds(self, failures: impl IntoIterator<Item = u64>) -> Result<Self, InvalidThreshold> {
        self.shared.calls.watch.set_thresholds(thresholds(failures)?);
        Ok(self)
    }

    /// Sets the response header in which the server names a query; at first `x-ovh-queryid`.
    ///
    /// It is read off responses that are failures, and kept with the last one
    /// ([`Failure::query_id`](crate::Failure::query_id)). Holds for all clones, from the next failure on.
    #[must_use]
    pub fn with_query_id_header(self, name: HeaderName) -> Self {
        self.shared.set_query_id_header(name);
        self
    }

    /// Adds a hook that is told of each alarm. Holds for all clones; several hooks are told in the order they
    /// were added.
    ///
    /// A hook is told each alarm once, in order, one at a time. No call waits for it, and no lock is held: it runs on a
    /// thread that tokio keeps for what blocks ([`spawn_blocking`]), so it may take its time, make calls, and take
    /// snapshots; the alarms and the hooks that come after it wait. While 4,096 alarms wait, the oldest streaks are left
    /// out, raised and cleared together, and [`Snapshot::alarms_left_out`] counts them: what a hook hears alternates,
    /// and its last says how things are.
    ///
    /// Where no tokio runtime is entered, the call whose outcome crossed the threshold runs the hook itself, and waits.
    /// A runtime that ends waits for the hook that is running, as for all that blocks; a hook that was to run on it and has
    /// not begun runs then, on the thread that ends it.
    ///
    /// A hook that holds a clone of this handle keeps it alive forever.
    ///
    /// [`spawn_blocking`]: tokio::task::spawn_blocking
    ///
    /// # Panics
    ///
    /// A panic of the hook is caught, and told as an ERROR event; the other hooks and later alarms go on as if it had
    /// returned. (Not where the program is built with `panic = "abort"`.)
    ///
    /// ```
    /// use error_stats::{Alarm, ErrorStats};
    ///
    /// let stats = ErrorStats::new().on_alarm(|alarm| match alarm {
    ///     Alarm::Raised { failures, last, .. } => println!("{failures} in a row; the last: {}", last.reason),
    ///     Alarm::Cleared { lasted, .. } => println!("over, after {lasted:?}"),
    ///     _ => {}
    /// });
    /// # drop(stats);
    /// ```
    #[must_use]
    pub fn on_alarm(self, hook: impl Fn(&Alarm) + Send + Sync + 'static) -> Self {
        self.shared.bell.add(hook);
        self
    }

    /// Tells the `metrics` facade of each request too, under the names of OpenTelemetry's HTTP conventions
    /// where there are any; [the table](crate#metrics) lists them.
    ///
    /// The recorder must be installed before: the counter and the gauges that are to be there from the start, with 0, are told
    /// to it now.
    ///
    /// Holds for all clones, and for requests that start from now on. Each request then costs some allocations and
    /// what the recorder costs.
    ///
    /// ```
    /// use error_stats::{ErrorStats, Side};
    ///
    /// let stats = ErrorStats::new().with_metrics(Side::Client);
    /// ```
    #[cfg(feature = "metrics")]
    #[must_use]
    pub fn with_metrics(self, side: crate::metrics::Side) -> Self {
        self.shared.metrics.set(side);
        self.shared.bell.set_gauge(|| {
            let share = crate::metrics::Share::default();
            Box::new(move |failures| share.tell(failures))
        });
        self
    }

    /// The layer that counts calls: what the caller sees. It goes outermost, above the retry.
    ///
    /// On a server the hosts it counts by are [the clients' word](crate::Groups).
    ///
    /// Its streak raises the alarm. It gives each request a [`CallId`](wire_fault::CallId) if it has none, where
    /// this handle has made a layer of attempts, or somebody listens to its DEBUG events.
    ///
    /// `M` is inferred from the error of the service it wraps, when that is called.
    #[must_use]
    pub fn calls<M>(&self) -> RecordLayer<M> {
        self.shared.expect_calls();
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
        self.shared.expect_attempts();
        RecordLayer::new(self.shared.clone(), Role::Attempts)
    }

    /// Counts a wait for the rate limit's permit, for the quantiles of [`Snapshot::waits`].
    ///
    /// No layer of this crate sees these waits; the limiter, or who stacks the two, calls this. It neither
    /// locks nor allocates.
    ///
    /// ```
    /// use error_stats::ErrorStats;
    /// use std::time::Duration;
    ///
    /// let stats = ErrorStats::new();
    /// stats.record_wait(Duration::from_millis(100));
    /// assert_eq!(stats.snapshot().waits.count, 1);
    /// ```
    pub fn record_wait(&self, waited: Duration) {
        self.shared.waited(waited);
    }

    /// What has been counted up to now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let shared = &*self.shared;
        // What was healed first, then attempts: so that a call that is quick does not show an attempt without
        // its call.
        let (healed, unjoined) = (shared.joins.healed(), shared.joins.unjoined());
        let attempts = shared.tally(Role::Attempts);
        let calls = shared.tally(Role::Calls);
        let evidence = shared.evidence(calls.in_flight, attempts.in_flight);
        Snapshot {
            calls,
            attempts,
            healed,
            unjoined,
            waits: shared.waits(),
            alarms_left_out: shared.bell.left_out(),
            evidence: Arc::new(evidence),
            at: shared.wall.now(),
        }
    }
}

impl Default for ErrorStats {
    fn default() -> Self {
        Self::new()
    }
}
