//! Since when nearly everything fails.

use crate::history::span::Span;
use crate::pattern::sample::{Ratio, began, recent, sum, together};
use crate::pattern::{Finding, Kind};
use crate::wall::Moment;

/// From this share of failures on, nothing works.
const CONSTANT: f64 = 0.9;

/// The chance of luck that is accepted.
const LUCK: f64 = 1e-3;

/// A share that earlier minutes are taken to have had where there are hardly any.
const UNKNOWN_BEFORE: f64 = 0.5;
const FEW: u64 = 20;

/// A run of fewer minutes with calls may be one event, however many calls met it; unless there is nothing else to tell.
const FEWEST_MINUTES: usize = 2;

/// The minutes are up to the one that is `now`; the phase is the one of nearly all failures, if there is one.
pub(crate) fn constant(
    minutes: &[Span],
    now: u32,
    beginning: Moment,
    phase: Option<&Finding>,
) -> Option<Finding> {
    let minutes = &*recent(minutes, now)?;
    // The longest run of last minutes that fails as a whole, and whose first minute fails rather than not.
    let mut failing = Ratio::default();
    let mut start = None;
    for (at, minute) in minutes.iter().enumerate().rev() {
        failing.failed += minute.failed;
        failing.of += minute.ended;
        // It has ended: so many of the last calls did not fail.
        if failing.chance_of_fewer(CONSTANT) <= LUCK {
            break;
        }
        if failing.share() >= CONSTANT && 2 * minute.failed >= minute.ended {
            start = Some(at);
        }
    }
    let (earlier, run) = minutes.split_at(start?);
    let (before, failing) = (sum(earlier), sum(run));
    let together = together(&[earlier]);
    let usual = if before.of < FEW { UNKNOWN_BEFORE } else { before.upper(together) };
    // It could have begun at any of the minutes.
    let luck = failing.chance_of_more(usual).powf(1.0 / together) * minutes.len() as f64;
    let is_one_event = run.len() < FEWEST_MINUTES && !earlier.is_empty();
    if is_one_event || luck > LUCK {
        return None;
    }
    let since = began(run.first()?, beginning);
    let place = phase.and_then(|phase| match phase.kind {
        Kind::OnePhase { place, .. } => Some(place),
        _ => None,
    });
    Some(Finding { kind: Kind::Constant { since, failing, before, place }, confidence: 1.0 - luck })
}
