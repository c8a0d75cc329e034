//! Whether failures rise with the rate of requests.

use crate::pattern::sample::Ratio;
use crate::pattern::{Finding, Kind};
use crate::rates::{BINS, Bin, Score, Stratum};

/// How many standard deviations the failures in busy seconds must lie above their share: one window can give one.
const DEVIATIONS: f64 = 4.0;

/// Seconds and failures that a busy side must have, and calls that a quiet side must have.
const FEWEST_SECONDS: u32 = 10;
const FEWEST_FAILED: u64 = 10;
const FEWEST_SLOW: u64 = 20;

/// How many times the quiet side's share the busy side's must be, and by how much it must be larger.
const TIMES: f64 = 2.0;
const LARGER: f64 = 0.005;

/// How many times the share of the quiet seconds near them. While a server fails some of all calls, those who ask again at
/// once make busy seconds of the ones that fail more: quiet ones fail too then, and within a limit they hardly do.
const TIMES_NEAR: f64 = 20.0;

/// How many of the calls that go well in a quiet second must go well in a busy one that has failures.
const BESIDE: f64 = 0.5;

/// A rate at which the seconds are split, and what speaks for it.
struct Split {
    from: u64,
    slow: Bin,
    fast: Bin,
    /// The share of failures in quiet seconds near others that have some.
    near: f64,
    deviations: f64,
}

pub(crate) fn rate<'a>(strata: &(impl Iterator<Item = &'a Stratum> + Clone)) -> Option<Finding> {
    let splits = (1..BINS.len()).filter_map(|at| split(strata.clone(), at)).filter(is_clear);
    let best = splits.max_by(|one, other| one.deviations.total_cmp(&other.deviations))?;
    let Split { from, slow, fast, deviations, .. } = best;
    if deviations < DEVIATIONS {
        return None;
    }
    // The tail of a sum over the root of its squares, of windows that are as likely to be above as below (Efron 1969), at
    // each of the splits tried.
    let luck = (BINS.len() as f64 * (-deviations * deviations / 2.0).exp()).min(1.0);
    let (slow_rate, fast_rate) = (mean(&slow), mean(&fast));
    let kind = Kind::RateBound { from, slow: ratio(&slow), slow_rate, fast: ratio(&fast), fast_rate };
    Some(Finding { kind, confidence: 1.0 - luck })
}

fn is_clear(Split { slow, fast, near, .. }: &Split) -> bool {
    let (calm, busy) = (ratio(slow).share(), ratio(fast).share());
    let enough = fast.seconds >= FEWEST_SECONDS && fast.failed >= FEWEST_FAILED && slow.ended >= FEWEST_SLOW;
    enough
        && busy >= TIMES * calm
        && busy >= TIMES_NEAR * near
        && busy >= calm + LARGER
        && is_a_limit(slow, fast)
}

fn ratio(bin: &Bin) -> Ratio {
    Ratio::new(bin.failed, bin.ended)
}

/// Whether the busy seconds' failures are those of calls too many: then others go well beside them. An outage that refuses
/// quickly makes busy seconds itself, of callers who ask again at once, and hardly any call goes well in these.
fn is_a_limit(slow: &Bin, fast: &Bin) -> bool {
    let well = (slow.ended - slow.failed) as f64 / f64::from(slow.seconds.max(1));
    fast.well_beside_failures() >= BESIDE * well
}

/// A score test: how many more failures the busy seconds of each window have than their share of the calls, against how much
/// that varies by the window. The unit is the window and not the call or the second, because one outage may fail all that are
/// near each other: it has a beginning and an end, and is two deviations at most, however long it is.
fn split<'a>(strata: impl Iterator<Item = &'a Stratum>, at: usize) -> Option<Split> {
    let (mut slow, mut fast, mut score) = (Bin::default(), Bin::default(), Score::default());
    for stratum in strata {
        // Ten minutes in which nothing failed, or all seconds were alike, tell nothing of the rate.
        if stratum.scores[at] == Score::default() {
            continue;
        }
        score.merge(&stratum.scores[at]);
        stratum.bins[..at].iter().for_each(|bin| slow.merge(bin));
        stratum.bins[at..].iter().for_each(|bin| fast.merge(bin));
    }
    // At least as much as calls that fail each by itself would.
    let variance = f64::from(score.squared.max(score.expected));
    (variance > 0.0).then(|| Split {
        from: BINS[at],
        slow,
        fast,
        near: score.quiet_share(),
        deviations: f64::from(score.more) / variance.sqrt(),
    })
}

fn mean(bin: &Bin) -> f64 {
    bin.ended as f64 / f64::from(bin.seconds.max(1))
}
