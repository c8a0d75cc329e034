//! What has been counted, as plain data.

use std::sync::Arc;

use wire_fault::{Cause, Delivery, Phase};

use crate::failure::Failure;
use crate::grpc::GrpcCode;
use crate::latency::Latency;
use crate::pattern::{Evidence, Pattern};
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
/// what they tell of has been counted; a failure may be counted and not yet in the streak. Hosts, labels and
/// latencies are read before the totals, and so have at most as much.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Snapshot {
    /// When it was taken.
    pub at: Moment,
    /// What the callers saw.
    pub calls: Tally,
    /// What the wire did.
    pub attempts: Tally,
    /// Failed attempts whose call succeeded.
    pub healed: u64,
    /// Failed attempts of which it is not known whether their call succeeded: no layer above had named the
    /// call, or its end was not seen while a thousand others had failed attempts.
    pub unjoined: u64,
    /// How long attempts waited for the rate limit, as far as
    /// [`ErrorStats::record_wait`](crate::ErrorStats::record_wait) was told.
    pub waits: Latency,
    /// Alarms that the hooks were not told of, since they were so slow that 4,096 others waited: streaks as a whole,
    /// raised and cleared, the oldest first.
    pub alarms_left_out: u64,
    #[cfg_attr(feature = "serde", serde(rename = "pattern", serialize_with = "crate::serial::pattern"))]
    pub(crate) evidence: Arc<Evidence>,
}

impl Snapshot {
    /// What the failures have in common, as far as the evidence goes: of the attempts, or of the calls where
    /// the handle has no layer of attempts. ([More](crate#what-they-have-in-common), on calls that fail without an attempt too.)
    ///
    /// Read off the last hours' minutes, the last two weeks' hours, and how many requests shared a second with
    /// the failed ones. Takes well under a millisecond.
    #[must_use]
    pub fn pattern(&self) -> Pattern {
        self.evidence.pattern()
    }
}

/// What one layer has counted, in calls or attempts since the handle was made.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Tally {
    /// Handed to the service.
    pub started: u64,
    /// Answered, by anything but a 429, a 5xx or a gRPC status like them. A 404 is among them.
    pub succeeded: u64,
    /// Ended by an error, a 429, a 5xx or a gRPC status like them ([`GrpcCode`]).
    pub failed: u64,
    /// Dropped before the outcome, or ended by a panic of the service.
    pub cancelled: u64,
    /// Those of the cancelled that a panic of the service ended.
    pub panicked: u64,
    /// Not ended yet.
    pub in_flight: u64,
    /// Errors of readiness: the service failed before it took a request. Not among the others.
    pub not_ready: u64,
    /// The responses, by class; without those that are counted by their gRPC status.
    pub responses: Responses,
    /// The gRPC calls that ended with a status, by code, in the order of the codes. Codes that have not come are left out.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::grpc"))]
    pub grpc: Vec<(GrpcCode, u64)>,
    /// The errors, by what is known of them, most frequent first. Kinds that have not happened are left out.
    pub faults: Vec<FaultCount>,
    /// Errors of a phase, cause or delivery that is newer than this crate. Zero if it fits its wire-fault.
    pub unlisted_faults: u64,
    /// The errors that carried a verdict, by verdict.
    pub verdicts: Verdicts,
    /// How long they took, from the call of the service to the response's head or the error.
    pub latency: Latency,
    /// By the host asked: the URI's, or else the `Host` header's, which is [the client's word](Groups). Requests with
    /// neither are left out.
    pub hosts: Groups,
    /// By the [`Label`](crate::Label) they carried. Requests without one are left out.
    pub labels: Groups,
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
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
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

/// Calls or attempts by name: of hosts, or of labels.
///
/// A handle tells 32 names of up to 128 bytes apart, those it saw first: whoever sends a million names is
/// counted, and takes no memory.
///
/// A name keeps its place for good. So on a server, where the host is the client's word, clients with made-up `Host`
/// headers take all places, and hosts that come later count among the others: where that matters, put the layer below
/// one that refuses unknown hosts, or give requests a [`Label`](crate::Label) of the server's own, for labels have places
/// of their own.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Groups {
    /// The names, in order of appearance, with what was counted under each.
    pub named: Vec<(String, GroupCount)>,
    /// What was counted under all other names together.
    pub others: GroupCount,
    /// Whether all 32 names are taken: any further one counts among the others.
    pub full: bool,
}

/// What was counted under one name, in calls or attempts. In flight is what has started and is not among the
/// others.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct GroupCount {
    /// Handed to the service.
    pub started: u64,
    /// Answered, by anything but a 429 or a 5xx.
    pub succeeded: u64,
    /// Ended by an error, a 429 or a 5xx.
    pub failed: u64,
    /// Dropped before the outcome, or ended by a panic.
    pub cancelled: u64,
}

/// How often errors of one kind were counted.
///
/// `Display` gives the kind as a sentence, after the number.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct FaultCount {
    /// Where they failed.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::name"))]
    pub phase: Phase,
    /// What happened there.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::name"))]
    pub cause: Cause,
    /// Whether the server can have received the request.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::name"))]
    pub delivery: Delivery,
    /// How many.
    pub count: u64,
}

/// Errors by the [`Verdict`](wire_fault::Verdict) they carried. Errors without one are not counted here.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
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
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct StreakReport {
    /// How many up to now; zero if the last that counts was a success.
    pub current: u64,
    /// When the first of the current ones failed.
    pub began: Option<Moment>,
    /// The most there have been.
    pub longest: u64,
    /// When the first of those failed.
    pub longest_began: Option<Moment>,
    /// Whether an alarm is raised. Always false for attempts.
    pub alarmed: bool,
}
