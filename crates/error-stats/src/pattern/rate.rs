//! Whether failures rise with the rate of requests.

use crate::pattern::sample::Ratio;
use crate::pattern::{Finding, Kind};
use crate::rates::{BINS, Bin, Stratum};

/// How many standard deviations the failures in busy seconds must lie above their share.
const DEVIATIONS: f64 = 4.0;

/// Seconds and failures that a busy side must have, and calls that a quiet side must have.
const FEWEST_SECONDS: u64 = 10;
const FEWEST_FAILED: u64 = 10;
const FEWEST_SLOW: u64 = 20;

/// How many times the quiet side's share the busy side's must be, and by how much it must be larger.
const TIMES: f64 = 2.0;
const LARGER: f64 = 0.005;

/// A rate at which the seconds are split, and what speaks for it.
struct Split {
    from: u64,
    slow: Bin,
    fast: Bin,
    deviations: f64,
}

pub(crate) fn rate<'a>(strata: &(impl Iterator<Item = &'a Stratum> + Clone)) -> Option<Finding> {
    let splits = (1..BINS.len()).filter_map(|at| split(strata.clone(), at));
    let best = splits.max_by(|one, other| one.deviations.total_cmp(&other.deviations))?;
    let Split { from, slow, fast, deviations } = best;
    let (calm, busy) = (Ratio::new(slow.failed, slow.ended), Ratio::new(fast.failed, fast.ended));
    let enough = fast.seconds >= FEWEST_SECONDS && fast.failed >= FEWEST_FAILED && slow.ended >= FEWEST_SLOW;
    let clear = busy.share() >= TIMES * calm.share() && busy.share() >= calm.share() + LARGER;
    if !enough || !clear || deviations < DEVIATIONS {
        return None;
    }
    // The normal tail, bounded, at each of the splits tried.
    let luck = (BINS.len() as f64 * (-deviations * deviations / 2.0).exp()).min(1.0);
    let (slow_rate, fast_rate) = (mean(&slow), mean(&fast));
    let kind = Kind::RateBound { from, slow: calm, slow_rate, fast: busy, fast_rate };
    Some(Finding { kind, confidence: 1.0 - luck })
}

/// A score test, stratified by tens of minutes: how many more failures the busy seconds have than their share of
/// the calls, against how much the seconds scatter. The unit is the second and not the call, because one bad
/// second may fail all its calls: a single burst, however large, is one deviation.
fn split<'a>(strata: impl Iterator<Item = &'a Stratum>, at: usize) -> Option<Split> {
    let (mut slow, mut fast) = (Bin::default(), Bin::default());
    let (mut score, mut variance) = (0.0, 0.0);
    for stratum in strata {
        let (quiet, busy) = (merged(&stratum.bins[..at]), merged(&stratum.bins[at..]));
        if quiet.ended == 0 || busy.ended == 0 {
            continue;
        }
        let (ended, failed) = ((quiet.ended + busy.ended) as f64, (quiet.failed + busy.failed) as f64);
        let (share, weight) = (failed / ended, busy.ended as f64 / ended);
        score += busy.failed as f64 - share * busy.ended as f64;
        variance += (1.0 - weight).powi(2) * spread(&busy, share) + weight.powi(2) * spread(&quiet, share);
        slow.merge(&quiet);
        fast.merge(&busy);
    }
    (variance > 0.0).then(|| Split { from: BINS[at], slow, fast, deviations: score / variance.sqrt() })
}

/// How much the failures of these seconds vary: as they do, and at least as much as calls that fail each by
/// itself would. (A few seconds that happen to have no failure do not vary at all.)
fn spread(bin: &Bin, share: f64) -> f64 {
    bin.scatter(share).max(share * (1.0 - share) * bin.ended as f64)
}

fn merged(bins: &[Bin]) -> Bin {
    let mut sum = Bin::default();
    bins.iter().for_each(|bin| sum.merge(bin));
    sum
}

fn mean(bin: &Bin) -> f64 {
    bin.ended as f64 / bin.seconds.max(1) as f64
}
