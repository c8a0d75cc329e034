//! Whether failures keep to certain hours of the day.

use crate::history::span::Span;
use crate::pattern::sample::{Ratio, chernoff};
use crate::pattern::{Finding, Kind};

const HOURS: usize = 24;
/// The longest stretch of hours that is still "certain hours".
const LONGEST: usize = 12;
/// Days with failures that it takes.
const FEWEST_DAYS: usize = 3;
/// How much of a day's failures must lie within the hours, on average; and on how many of the days that had
/// calls then. Five days of seven are enough.
const WITHIN: f64 = 0.65;
const OFTEN: f64 = 0.65;
/// How many times the others' share these hours' must be.
const TIMES: f64 = 3.0;
/// The chance of luck that is accepted.
const LUCK: f64 = 0.01;

/// A day's calls and failures, by the hour.
type Day = [Ratio; HOURS];

pub(crate) fn day(hours: &[Span]) -> Option<Finding> {
    let days = days(hours);
    if days.len() < FEWEST_DAYS {
        return None;
    }
    let stretches = (0..HOURS).flat_map(|from| (1..=LONGEST).map(move |long| (from, long)));
    let candidates = stretches.filter_map(|(from, long)| stretch(&days, from, long));
    candidates.max_by(|one, other| one.confidence.total_cmp(&other.confidence))
}

/// Whether the hours of this finding include this hour, counted since the Unix epoch.
pub(crate) fn includes(kind: &Kind, hour: u32) -> bool {
    let &Kind::TimeOfDay { from, to, .. } = kind else { return false };
    let hour = (hour % HOURS as u32) as u8;
    if from < to { (from..to).contains(&hour) } else { hour >= from || hour < to }
}

fn days(hours: &[Span]) -> Vec<Day> {
    let mut days: Vec<(u32, Day)> = Vec::new();
    for span in hours {
        let number = span.number / HOURS as u32;
        if days.last().is_none_or(|(last, _)| *last != number) {
            days.push((number, [Ratio::default(); HOURS]));
        }
        if let Some((_, day)) = days.last_mut() {
            day[span.number as usize % HOURS] = Ratio::new(span.failed, span.ended);
        }
    }
    days.into_iter().map(|(_, day)| day).collect()
}

/// One figure for each day: what part of its failures lies within the stretch. If failures had no hours, it would
/// be the calls' part. Days are taken to be independent, calls within a day are not.
fn stretch(days: &[Day], from: usize, long: usize) -> Option<Finding> {
    let (mut inside, mut outside) = (Ratio::default(), Ratio::default());
    let (mut called, mut hit, mut failing) = (0_u32, 0_u32, 0_u32);
    let (mut seen, mut expected) = (0.0, 0.0);
    for day in days {
        let (mut within, mut all) = (Ratio::default(), Ratio::default());
        for (hour, ratio) in day.iter().enumerate() {
            add(&mut all, *ratio);
            if (hour + HOURS - from) % HOURS < long {
                add(&mut within, *ratio);
            }
        }
        let without = Ratio::new(all.failed - within.failed, all.of - within.of);
        add(&mut inside, within);
        add(&mut outside, without);
        if within.of == 0 || without.of == 0 {
            continue;
        }
        called += 1;
        hit += u32::from(within.failed > 0);
        if all.failed > 0 {
            failing += 1;
            seen += within.failed as f64 / all.failed as f64;
            expected += within.of as f64 / all.of as f64;
        }
    }
    let n = f64::from(failing);
    let (seen, expected) = (seen / n, expected / n);
    let daily = failing as usize >= FEWEST_DAYS && f64::from(hit) >= OFTEN * f64::from(called);
    let clear = seen >= WITHIN && seen > expected && inside.share() >= TIMES * outside.share();
    if !daily || !clear {
        return None;
    }
    let luck = chernoff(n, seen, expected) * (HOURS * LONGEST) as f64;
    let kind =
        Kind::TimeOfDay { from: from as u8, to: ((from + long) % HOURS) as u8, days: hit, inside, outside };
    (luck <= LUCK).then_some(Finding { kind, confidence: 1.0 - luck })
}

fn add(sum: &mut Ratio, ratio: Ratio) {
    sum.failed += ratio.failed;
    sum.of += ratio.of;
}
