//! Whether all failures are in one place.

use wire_fault::Phase;

use crate::history::History;
use crate::pattern::sample::Ratio;
use crate::pattern::{Finding, Kind};
use crate::place::{CAUSES, Place};

/// How much of all failures must be there.
const NEARLY_ALL: f64 = 0.95;
/// The share that it must be more than, whatever the luck; and the chance of luck that is accepted.
const MORE_THAN: f64 = 0.8;
const LUCK: f64 = 0.05;

pub(crate) fn phase(history: &History) -> Option<Finding> {
    let (at, there) = most(&history.places.recent())?;
    let place = Place::at(at);
    // That nobody knows where they failed is nothing they have in common.
    if place == Place::Phase(Phase::Unknown) || there.share() < NEARLY_ALL {
        return None;
    }
    let luck = there.chance_of_more(MORE_THAN);
    if luck > LUCK {
        return None;
    }
    let cause = most(&history.causes.recent()).filter(|(_, cause)| {
        // Responses have no cause: most of the failures must have one.
        cause.share() >= NEARLY_ALL && 2 * cause.of > there.of
    });
    let cause = cause.map(|(at, _)| CAUSES[at]);
    Some(Finding { kind: Kind::OnePhase { place, cause, there }, confidence: 1.0 - luck })
}

/// The fullest cell, and its count of all.
fn most(counts: &[u64]) -> Option<(usize, Ratio)> {
    let (at, count) = counts.iter().copied().enumerate().max_by_key(|(_, count)| *count)?;
    (count > 0).then(|| (at, Ratio::new(count, counts.iter().sum())))
}
