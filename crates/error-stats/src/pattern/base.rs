//! How much fails at all.

use crate::history::span::Span;
use crate::pattern::sample::Ratio;
use crate::pattern::{Finding, Kind};

/// Fewer calls than this say nothing.
pub(crate) const FEWEST: u64 = 20;

/// A share of failures up to this one is healthy.
pub(crate) const HEALTHY: f64 = 0.005;

/// More than this share of cancelled calls is worth telling, with this chance of luck.
const MANY: f64 = 0.5;
const LUCK: f64 = 1e-3;

/// What is healthy is told with the confidence that the share is below this one.
pub(crate) const NOT_HEALTHY: f64 = 0.01;

pub(crate) fn base(all: Ratio) -> Finding {
    if all.of < FEWEST {
        return Finding { kind: Kind::TooFew { all }, confidence: 1.0 };
    }
    if all.share() <= HEALTHY {
        let confidence = 1.0 - all.chance_of_fewer(NOT_HEALTHY);
        return Finding { kind: Kind::Healthy { all }, confidence };
    }
    Finding { kind: Kind::Sporadic { all, since: None }, confidence: 1.0 - all.chance_of_more(HEALTHY) }
}

/// Whether most calls had no chance to fail, from some minute on until the last: hours of answers before hide it no more
/// than they hide an outage.
pub(crate) fn cancelled(minutes: &[Span]) -> Option<Finding> {
    let mut run = Ratio::default();
    let mut longest = None;
    for minute in minutes.iter().rev() {
        let cancelled = u64::from(minute.cancelled);
        let of = cancelled + minute.ended;
        run.failed += cancelled;
        run.of += of;
        // It has ended: so many of the last calls had an outcome.
        if run.chance_of_fewer(MANY) <= LUCK {
            break;
        }
        if 2 * cancelled >= of {
            longest = Some(run);
        }
    }
    let cancelled = longest.filter(|run| run.of >= FEWEST)?;
    // It could have begun at any of the minutes.
    let luck = cancelled.chance_of_more(MANY) * minutes.len() as f64;
    (luck <= LUCK).then_some(Finding { kind: Kind::Cancelled { cancelled }, confidence: 1.0 - luck })
}
