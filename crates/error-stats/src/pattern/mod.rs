//! What the failures have in common: read off the history, by tests that say how sure they are.
//!
//! Each test bounds the chance that a sample without the pattern would show as much of it by luck, and takes
//! into account how many places it has looked at. The bounds are Chernoff's, which hold for small samples too;
//! a finding is told when its bound is small, and its confidence is what the bound leaves. Calls that fail together
//! are taken for one event, by how much the minutes differ.

mod base;
mod constant;
mod course;
mod day;
mod evidence;
mod host;
mod phase;
mod rate;
mod sample;
mod step;
#[cfg(test)]
mod tests;
mod words;

use wire_fault::Cause;

use crate::place::Place;
use crate::wall::Moment;

pub(crate) use evidence::Evidence;
pub use sample::Ratio;

/// What the failures of the last hours and days have in common.
///
/// `Display` gives each finding on a line of its own, with its figures and what to do.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Pattern {
    /// What says most.
    pub main: Finding,
    /// What holds besides.
    pub also: Vec<Finding>,
}

/// One thing that the evidence supports.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Finding {
    /// What, with the figures it rests on.
    pub kind: Kind,
    /// One less the chance, as an upper bound, that luck alone shows this much: 0 to 1.
    pub confidence: f64,
}

/// What may hold of the failures.
///
/// The figures are of the last six hours where nothing else is said, and of calls that have ended: those under way are not
/// among them, nor are cancelled ones. A service that fails before it takes a call counts as a call that failed. An
/// attempt that was dropped before its call went on to another or failed, by a time limit between the two layers say, is
/// taken for failed.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Kind {
    /// Fewer than twenty calls have ended: nothing can be said.
    #[non_exhaustive]
    TooFew {
        /// All there were.
        all: Ratio,
    },
    /// No failures, or at most one in two hundred.
    #[non_exhaustive]
    Healthy {
        /// All there were.
        all: Ratio,
    },
    /// More than one in two hundred failed; or, where there is a clear step, more than one in a hundred from some time on
    /// until now, however healthy the hours before. (Nine in ten or more are constant.) For that step, calls under way are taken
    /// to go well where others do.
    #[non_exhaustive]
    Sporadic {
        /// All there were; or all from then on.
        all: Ratio,
        /// From when on, to the minute, if it was at most half as much before.
        since: Option<Moment>,
    },
    /// More than half of the calls were dropped before their outcome, from some time on until now: of these it is not known
    /// how they would have ended.
    #[non_exhaustive]
    Cancelled {
        /// The cancelled, of these and the others that have ended.
        cancelled: Ratio,
    },
    /// Nine in ten or more have failed, from some time on until now: the last call is no more than an hour ago.
    ///
    /// What is short may be one event, however many calls met it. So it takes failures in two minutes; or at least half a
    /// minute, in ten seconds or more, of nothing but failures right after calls that went well. Until then a live outage is
    /// left to the [`Alarm`](crate::Alarm), and so it is up to two minutes if some calls still go well, or if they are few and
    /// far between. It takes longer where calls have failed together before. Only of calls that are all of one minute is it
    /// told at once.
    ///
    /// Where it takes longer to go well than to fail, most of the last calls that have ended are failures. So while some still
    /// go well, the failed must be half of them and of those under way together.
    #[non_exhaustive]
    Constant {
        /// When it began: to the minute, or to the second if it was told within two minutes.
        since: Moment,
        /// From then on.
        failing: Ratio,
        /// In the hours before.
        before: Ratio,
        /// Where nearly all failures of the last hours were, if in one place: the advice follows it.
        place: Option<Place>,
    },
    /// Failures rise with the number of requests that start in the same second. (A caller that at once asks again what failed
    /// makes its own failures look so; repeats below a layer of calls are left out.)
    ///
    /// Seconds are compared with others of the same half minute, and quiet ones must hardly fail. So an outage is not taken for
    /// a limit, in which refusals are quick and callers who ask again at once make more of them. Where a server refuses some of
    /// all calls, by chance and quickly, it may be: of made-up worlds of that kind, in fewer than one of twenty.
    ///
    /// Of more calls in a busy second more must fail and not more go well, as at a limit: of a batch or of hedges to a slow
    /// server a part fails whatever their number. Where all busy seconds are alike, they must have more than twice the calls of
    /// quiet ones, lest they be calls that were asked again once, of another host say; a limit of one and a half a second is
    /// not found there. Two causes can still look like a limit: calls that are asked again at once several times, and bursts
    /// of one size of which always as many fail.
    ///
    /// Callers who keep an even pace have no busy seconds beside quiet ones: their limit is not found, not even if they change
    /// the pace by the minute, for an outage of some minutes would look the same. If the limit answers with 429s, the advice
    /// of [`OnePhase`](Self::OnePhase) is to raise the spacing too.
    #[non_exhaustive]
    RateBound {
        /// From so many requests in a second on, failures are frequent.
        from: u64,
        /// In seconds with fewer.
        slow: Ratio,
        /// How many requests these seconds had, on average.
        slow_rate: f64,
        /// In seconds with as many or more.
        fast: Ratio,
        /// How many requests these seconds had, on average.
        fast_rate: f64,
    },
    /// Failures come at certain hours, day after day, or on working days. Of the last two weeks.
    #[non_exhaustive]
    TimeOfDay {
        /// The hour, UTC, in which it begins: 0 to 23.
        from: u8,
        /// The hour, UTC, before which it ends: 0 to 23.
        to: u8,
        /// On how many days it was seen.
        days: u32,
        /// Within these hours.
        inside: Ratio,
        /// In the others.
        outside: Ratio,
    },
    /// All but a few failures are of one host, and others are asked too. Of the last three to six hours.
    ///
    /// It is not known which hosts were asked in the same minutes. So failures that come together count as one: an outage of this
    /// side, at a time when one host is asked and others are not, must be long or come often to be taken for that host's.
    #[non_exhaustive]
    OneHost {
        /// Which.
        host: String,
        /// There.
        there: Ratio,
        /// At all other hosts.
        elsewhere: Ratio,
    },
    /// All but a few failures are in one place. Of the last three to six hours.
    #[non_exhaustive]
    OnePhase {
        /// Where.
        place: Place,
        /// Of what, if nearly all are of one cause.
        #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::optional_name"))]
        cause: Option<Cause>,
        /// The failures there, of all failures.
        there: Ratio,
    },
}
