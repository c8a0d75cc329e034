//! Since when more fails than before.

use crate::history::span::Span;
use crate::pattern::base::{FEWEST, NOT_HEALTHY};
use crate::pattern::course::Course;
use crate::pattern::sample::{Ratio, divergence, sum, together};
use crate::pattern::{Finding, Kind};

/// How many times the share before it must be.
const TIMES: f64 = 2.0;
/// Fewer minutes with calls may be one event.
const FEWEST_MINUTES: usize = 2;
/// The chance of luck that is accepted.
const LUCK: f64 = 1e-3;

/// Whether more fails from some minute on until the last.
pub(crate) fn step(course: &Course) -> Option<Finding> {
    let minutes = course.recent()?;
    let start = highest(&minutes)?;
    let (earlier, run) = minutes.split_at(start);
    let (all, before, later) = (sum(&minutes), sum(earlier), sum(run));
    let first = run.first()?;
    let enough = run.len() >= FEWEST_MINUTES && later.of >= FEWEST;
    let more = course.at_best(first, later).share() >= TIMES * before.share();
    if !enough || !more || is_over(run, later.share() / 2.0) {
        return None;
    }
    let together = together(&[earlier, run]);
    // It could have begun at any of the minutes.
    let chance = (-distance(before, later, all) / together).exp() * minutes.len() as f64;
    let luck = chance.max(later.chance_of_more(NOT_HEALTHY).powf(1.0 / together));
    if luck > LUCK {
        return None;
    }
    let since = course.at(60 * first.number);
    Some(Finding { kind: Kind::Sporadic { all: later, since: Some(since) }, confidence: 1.0 - luck })
}

/// Where the last minutes begin that differ most from the others.
fn highest(minutes: &[Span]) -> Option<usize> {
    let all = sum(minutes);
    let mut before = Ratio::default();
    let mut highest = None;
    let mut most = 0.0;
    for (at, minute) in minutes.iter().enumerate() {
        let later = Ratio::new(all.failed - before.failed, all.of - before.of);
        let distance = distance(before, later, all);
        if later.share() > all.share() && distance > most {
            (highest, most) = (Some(at), distance);
        }
        before.failed += minute.failed;
        before.of += minute.ended;
    }
    highest
}

/// How far two parts lie from one share for both: the logarithm of their likelihoods' ratio.
fn distance(one: Ratio, other: Ratio, all: Ratio) -> f64 {
    let part = |part: Ratio| part.of as f64 * divergence(part.share(), all.share());
    part(one) + part(other)
}

/// Whether hardly so much fails any more: of the last calls, however many are taken.
fn is_over(minutes: &[Span], share: f64) -> bool {
    let mut last = Ratio::default();
    minutes.iter().rev().any(|minute| {
        last.failed += minute.failed;
        last.of += minute.ended;
        last.chance_of_fewer(share) <= LUCK
    })
}
