//! Since when nearly everything fails.

use crate::history::span::Span;
use crate::pattern::course::Course;
use crate::pattern::sample::{Ratio, sum, together};
use crate::pattern::{Finding, Kind};
use crate::place::Place;
use crate::wall::Moment;

/// From this share of failures on, nothing works.
const CONSTANT: f64 = 0.9;

/// And so large a share at least, if all that have not ended yet go well, where calls still do.
const KNOWN: f64 = 0.5;

/// The chance of luck that is accepted.
const LUCK: f64 = 1e-3;

/// A share that earlier minutes are taken to have had where there are hardly any.
const UNKNOWN_BEFORE: f64 = 0.5;
const FEW: u64 = 20;

/// A run of fewer minutes with calls may be one event, however many calls met it; unless there is nothing else to tell.
const FEWEST_MINUTES: usize = 2;

/// Nor is a run of seconds one event that is so long, from the first to the last with calls, in so many seconds with calls.
const SHORTEST: u32 = 30;
const FEWEST_SECONDS: usize = 10;

/// A run of seconds begins where calls have gone well so shortly before: else it may be a batch that fails as one.
const GAP: u32 = 10;

/// Calls that fail as a whole, up to the last.
struct Outage {
    since: Moment,
    failing: Ratio,
    before: Ratio,
    luck: f64,
}

/// The place is the one of nearly all failures, if there is one.
pub(crate) fn constant(course: &Course, place: Option<Place>) -> Option<Finding> {
    let Outage { since, failing, before, luck } = lasting(course).or_else(|| young(course))?;
    Some(Finding { kind: Kind::Constant { since, failing, before, place }, confidence: 1.0 - luck })
}

/// An outage of minutes.
fn lasting(course: &Course) -> Option<Outage> {
    let minutes = course.recent()?;
    let (earlier, run) = minutes.split_at(failing(&minutes)?);
    let first = run.first()?;
    let is_one_event = run.len() < FEWEST_MINUTES && !earlier.is_empty();
    let is_known = course.at_best(first, sum(run)).share() >= KNOWN;
    if is_one_event || !is_known {
        return None;
    }
    outage(course.at(60 * first.number), run, earlier, together(&[earlier]), minutes.len())
}

/// An outage of seconds, in which no call has ended well.
fn young(course: &Course) -> Option<Outage> {
    let (seconds, success) = course.since_success()?;
    let run = &seconds[failing(&seconds)?..];
    let (first, last) = (run.first()?, run.last()?);
    let is_one_event =
        run.len() < FEWEST_SECONDS || last.number - first.number < SHORTEST || first.number - success > GAP;
    if is_one_event {
        return None;
    }
    let earlier = without(&course.minutes, run);
    // Calls of one second may fail together too.
    let together = together(&[&earlier]).max(sum(run).of as f64 / run.len() as f64);
    let spans = course.minutes.len() + course.seconds.len();
    outage(course.at(first.number), run, &earlier, together, spans)
}

/// The longest run of last spans that fails as a whole, and whose first fails rather than not.
fn failing(spans: &[Span]) -> Option<usize> {
    let mut failing = Ratio::default();
    let mut start = None;
    for (at, span) in spans.iter().enumerate().rev() {
        failing.failed += span.failed;
        failing.of += span.ended;
        // It has ended: so many of the last calls did not fail.
        if failing.chance_of_fewer(CONSTANT) <= LUCK {
            break;
        }
        if failing.share() >= CONSTANT && 2 * span.failed >= span.ended {
            start = Some(at);
        }
    }
    start
}

/// Unless what was before may show as much by luck: it could have begun at any of so many spans.
fn outage(since: Moment, run: &[Span], earlier: &[Span], together: f64, spans: usize) -> Option<Outage> {
    let (before, failing) = (sum(earlier), sum(run));
    let usual = if before.of < FEW { UNKNOWN_BEFORE } else { before.upper(together) };
    let luck = failing.chance_of_more(usual).powf(1.0 / together) * spans as f64;
    (luck <= LUCK).then_some(Outage { since, failing, before, luck })
}

/// The minutes without these seconds.
fn without(minutes: &[Span], seconds: &[Span]) -> Vec<Span> {
    let mut minutes = minutes.to_vec();
    for second in seconds {
        for minute in minutes.iter_mut().filter(|minute| minute.number == second.number / 60) {
            minute.ended = minute.ended.saturating_sub(second.ended);
            minute.failed = minute.failed.saturating_sub(second.failed);
        }
    }
    minutes.retain(|minute| minute.ended > 0);
    minutes
}
