//! Whether one host only fails.

use crate::history::History;
use crate::history::span::Span;
use crate::pattern::sample::{Ratio, together};
use crate::pattern::{Finding, Kind};

/// Failures that it takes, and calls to other hosts.
const FEWEST_FAILED: u64 = 10;
const FEWEST_ELSEWHERE: u64 = 20;
/// How much of all failures the host must have.
const NEARLY_ALL: f64 = 0.95;
/// How many times the others' share the host's must be.
const TIMES: f64 = 2.0;
/// The chance of luck that is accepted.
const LUCK: f64 = 1e-3;

pub(crate) fn host(history: &History, minutes: &[Span], names: &[String]) -> Option<Finding> {
    let (answered, failed) = (history.hosts.recent(), history.failed_hosts.recent());
    // Calls under way and cancelled ones are not among them: it is not known how they end.
    let ended: Vec<u64> = answered.iter().zip(failed).map(|(answered, failed)| answered + failed).collect();
    let (at, worst) = failed.iter().copied().enumerate().max_by_key(|(_, failed)| *failed)?;
    // All names beyond the table are no host.
    let host = names.get(at)?.clone();
    let there = Ratio::new(worst, ended[at]);
    let all = Ratio::new(failed.iter().sum(), ended.iter().sum());
    let elsewhere = Ratio::new(all.failed - there.failed, all.of - there.of);
    let of_failures = Ratio::new(there.failed, all.failed);

    let enough = all.failed >= FEWEST_FAILED && elsewhere.of >= FEWEST_ELSEWHERE;
    let clear = of_failures.share() >= NEARLY_ALL && there.share() >= TIMES * elsewhere.share();
    if !enough || !clear {
        return None;
    }
    let of_calls = there.of as f64 / all.of as f64;
    // Failures that come together may do so for another reason, when one host is asked and others are not: they are one.
    let luck = of_failures.chance_of_more(of_calls).powf(1.0 / together(&[minutes])) * names.len() as f64;
    (luck <= LUCK)
        .then_some(Finding { kind: Kind::OneHost { host, there, elsewhere }, confidence: 1.0 - luck })
}
