//! What a hook is told.

use std::fmt;
use std::time::Duration;

use crate::failure::Failure;
use crate::wall::Moment;

/// A streak of failed calls has reached the threshold, or has ended after it had.
///
/// With one threshold the two alternate, starting with `Raised` (but a hook that is added while an alarm is raised may hear its
/// `Cleared` first): each crossing gives exactly one, whatever the number of threads. Each is an event; hooks are told of each too, but of those that
/// [`Snapshot::alarms_left_out`](crate::Snapshot::alarms_left_out) counts, since more than 4,096 waited. With several, a
/// streak raises one at each as it grows, and the success that ends it clears them all with one `Cleared`.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// So many calls in a row have failed.
    #[non_exhaustive]
    Raised {
        /// The threshold that was crossed.
        threshold: u64,
        /// How many: the threshold, or more if the threshold was lowered meanwhile.
        failures: u64,
        /// When the first of them failed.
        since: Moment,
        /// The one that crossed the threshold.
        last: Failure,
    },
    /// A call has succeeded after the alarm was raised.
    #[non_exhaustive]
    Cleared {
        /// How many calls in a row had failed.
        failures: u64,
        /// When the first of them failed.
        since: Moment,
        /// When the call succeeded.
        at: Moment,
        /// How long calls had failed: from `since` to `at`.
        lasted: Duration,
    },
}

/// "5 calls in a row failed within 12.0s; the last: 503 Service Unavailable", with the last one's query id if
/// it has one.
impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Raised { failures, since, last, .. } => {
                let within = last.at.instant.saturating_duration_since(since.instant);
                let calls = in_a_row(*failures);
                write!(f, "{failures} {calls} failed within {within:.1?}; the last: {}", last.reason)?;
                match last.query_id {
                    Some(id) => write!(f, " (query id {id})"),
                    None => Ok(()),
                }
            }
            Self::Cleared { failures, lasted, .. } => {
                write!(
                    f,
                    "calls succeed again, after {failures} {} failed in {lasted:.1?}",
                    in_a_row(*failures)
                )
            }
        }
    }
}

fn in_a_row(failures: u64) -> &'static str {
    if failures == 1 { "call" } else { "calls in a row" }
}
