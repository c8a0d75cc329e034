//! How much fails at all.

use crate::history::Span;
use crate::pattern::sample::Ratio;
use crate::pattern::{Finding, Kind};

/// Fewer calls than this say nothing.
const FEWEST: u64 = 20;

/// A share of failures up to this one is healthy.
pub(crate) const HEALTHY: f64 = 0.005;

/// More than this share of cancelled calls is worth telling, with this chance of luck.
const MANY: f64 = 0.5;
const LUCK: f64 = 1e-3;

/// What is healthy is told with the confidence that the share is below this one.
const NOT_HEALTHY: f64 = 0.01;

pub(crate) fn base(all: Ratio) -> Finding {
    if all.of < FEWEST {
        return Finding { kind: Kind::TooFew { all }, confidence: 1.0 };
    }
    if all.share() <= HEALTHY {
        let confidence = 1.0 - all.chance_of_fewer(NOT_HEALTHY);
        return Finding { kind: Kind::Healthy { all }, confidence };
    }
    Finding { kind: Kind::Sporadic { all }, confidence: 1.0 - all.chance_of_more(HEALTHY) }
}

/// Whether most calls had no chance to fail.
pub(crate) fn cancelled(minutes: &[Span]) -> Option<Finding> {
    let mut cancelled = Ratio::default();
    for minute in minutes {
        cancelled.failed += u64::from(minute.cancelled);
        cancelled.of += u64::from(minute.cancelled) + minute.ended;
    }
    let luck = cancelled.chance_of_more(MANY);
    (cancelled.of >= FEWEST && luck <= LUCK)
        .then_some(Finding { kind: Kind::Cancelled { cancelled }, confidence: 1.0 - luck })
}
