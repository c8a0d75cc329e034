//! What has been counted, as plain data.

use wire_fault::{Cause, Delivery, Phase};

use crate::failure::Failure;
use crate::wall::Moment;

/// What has been counted up to a moment: plain data, taken by
/// [`ErrorStats::snapshot`](crate::ErrorStats::snapshot).
///
/// `Display` gives a short report of several lines.
///
/// # Consistency
///
/// Calls go on while a snapshot is taken. Each figure is exact for a moment within the taking. In each
/// [`Tally`], `started = succeeded + failed + cancelled + in_flight`, `succeeded` and `failed` are the sums
/// of their parts, and no verdict is counted without its failure, always; a call that starts and ends
/// meanwhile may show as in flight. The figures of the streak and the last failure are of one moment, and
/// what they tell of has been counted; a failure may be counted and not yet in the streak.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// When it was taken.
    pub at: Moment,
    /// What the callers saw.
    pub calls: Tally,
    /// What the wire did.
    pub attempts: Tally,
}

/// What one layer has counted, in calls or attempts since the handle was made.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Handed to the service.
    pub started: u64,
    /// Answered, by anything but a 429 or a 5xx. A 404 is among them.
    pub succeeded: u64,
    /// Ended by an error, a 429 or a 5xx.
    pub failed: u64,
    /// Dropped before the outcome, or ended by a panic of the service.
    pub cancelled: u64,
    /// Not ended yet.
    pub in_flight: u64,
    /// Errors of readiness: the service failed before it took a request. Not among the others.
    pub not_ready: u64,
    /// The responses, by class.
    pub responses: Responses,
    /// The errors, by what is known of them, most frequent first. Kinds that have not happened are left out.
    pub faults: Vec<FaultCount>,
    /// Errors of a phase, cause or delivery that is newer than this crate. Zero if it fits its wire-fault.
    pub unlisted_faults: u64,
    /// The errors that carried a verdict, by verdict.
    pub verdicts: Verdicts,
    /// Failures in a row.
    pub streak: StreakReport,
    /// The last failure, if there was one.
    pub last_failure: Option<Failure>,
    /// When the last response below 400 came, if one has.
    pub last_success: Option<Moment>,
}

/// Responses by class.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Responses {
    /// 1xx.
    pub informational: u64,
    /// 2xx.
    pub success: u64,
    /// 3xx.
    pub redirection: u64,
    /// 4xx but 429.
    pub client_error: u64,
    /// 429.
    pub too_many_requests: u64,
    /// 5xx.
    pub server_error: u64,
    /// 600 and above, which no standard defines.
    pub other: u64,
}

/// How often errors of one kind were counted.
///
/// `Display` gives the kind as a sentence, after the number.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultCount {
    /// Where they failed.
    pub phase: Phase,
    /// What happened there.
    pub cause: Cause,
    /// Whether the server can have received the request.
    pub delivery: Delivery,
    /// How many.
    pub count: u64,
}

/// Errors by the [`Verdict`](wire_fault::Verdict) they carried. Errors without one are not counted here.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// Refused by a layer of this process.
    pub refused_locally: u64,
    /// May have landed, and may not be repeated.
    pub outcome_unknown: u64,
    /// Could have been repeated, but the limits were used up.
    pub exhausted: u64,
    /// Of a verdict that is newer than this crate.
    pub other: u64,
}

/// Failures in a row: errors, 429 and 5xx with no response below 400 between them. Other 4xx and cancelled
/// calls may lie between.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreakReport {
    /// How many up to now; zero if the last that counts was a success.
    pub current: u64,
    /// The most there have been.
    pub longest: u64,
    /// When the first of the current ones failed.
    pub began: Option<Moment>,
    /// Whether the alarm is raised. Always false for attempts.
    pub alarmed: bool,
}
