//! Synthetic days of each kind, read by the pattern: how often it is right, and how often it is wrong where there
//! is nothing to find.

mod chance;
mod day;
mod host;
mod outage;
mod phase;
mod rate;
mod slow;
mod step;
mod worlds;

use std::time::UNIX_EPOCH;

use crate::pattern::tests::worlds::{FIRST_HOUR, HOUR};
use crate::pattern::{Kind, Pattern};
use crate::wall::Moment;

/// The share of seeds for which the pattern is as expected.
fn right(seeds: u64, expected: impl Fn(&Pattern) -> bool, make: impl Fn(u64) -> Pattern) -> f64 {
    let patterns = (0..seeds).map(make);
    let right = patterns.filter(|pattern| {
        let right = expected(pattern);
        if !right {
            println!("{pattern}\n");
        }
        right
    });
    right.count() as f64 / seeds as f64
}

fn has(pattern: &Pattern, is: impl Fn(&Kind) -> bool) -> bool {
    is(&pattern.main.kind) || pattern.also.iter().any(|finding| is(&finding.kind))
}

/// In seconds since the world began.
fn is_told_since(pattern: &Pattern) -> Option<u64> {
    let findings = std::iter::once(&pattern.main).chain(&pattern.also);
    let since = findings.filter_map(|finding| match finding.kind {
        Kind::Sporadic { since, .. } => since,
        _ => None,
    });
    let told = |since: Moment| since.wall.duration_since(UNIX_EPOCH).unwrap().as_secs();
    since.map(|since| told(since) - u64::from(FIRST_HOUR * HOUR)).next()
}

fn claims_a_cause(pattern: &Pattern) -> bool {
    has(pattern, |kind| {
        matches!(kind, Kind::Constant { .. } | Kind::RateBound { .. } | Kind::TimeOfDay { .. })
    })
}
