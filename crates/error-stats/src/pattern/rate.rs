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

/// How many go well may rise with the calls of a busy second by this power of them at most: at a limit it is none, and one where
/// as large a part goes well of many as of few.
const MOST_WELL: f64 = 0.5;
/// Busy seconds whose rates' logarithms vary by less are alike.
const ALIKE: f64 = 0.01;
/// Stands for none.
const FEWEST_WELL: f64 = 0.1;
/// More than how many times the calls of a second asking each once more makes.
const AGAIN: f64 = 2.5;

/// A rate at which the seconds are split, and what speaks for it.
struct Split {
    /// The bin that the busy seconds begin with, and its rate.
    at: usize,
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
    let Split { from, slow, fast, deviations, at, .. } = best;
    if deviations < DEVIATIONS || !rises(strata.clone(), at, &fast) {
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
    fast.well_beside_failures() >= BESIDE * well(slow)
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
        at,
        from: BINS[at],
        slow,
        fast,
        near: score.quiet_share(),
        deviations: f64::from(score.more) / variance.sqrt(),
    })
}

/// Whether more calls in a busy second are more that fail, and not more that go well: a limit lets as many through. Of batches
/// and hedges as large a part goes well, whatever their number.
fn rises<'a>(strata: impl Iterator<Item = &'a Stratum>, at: usize, fast: &Bin) -> bool {
    let mut bins = [Bin::default(); BINS.len()];
    for stratum in strata.filter(|stratum| stratum.scores[at] != Score::default()) {
        bins.iter_mut().zip(&stratum.bins).for_each(|(sum, bin)| sum.merge(bin));
    }
    let (quiet, busy) = bins.split_at(at);
    let points = busy.iter().filter(|bin| bin.seconds > 0).map(|bin| {
        let well = well(bin).max(FEWEST_WELL);
        (f64::from(bin.seconds), mean(bin).ln(), well.ln())
    });
    if let Some(slope) = slope(points) {
        return slope <= MOST_WELL;
    }
    // All busy seconds are alike. Then they must have more calls than asking each once more makes, and as many go well in each:
    // if calls failed by chance, it would be by (1 - share) fewer beside the average failure.
    let Some(most) = quiet.iter().rfind(|bin| bin.seconds > 0) else { return false };
    let chance = 1.0 - ratio(fast).share();
    mean(fast) > AGAIN * mean(most) && fast.well_beside_failures() >= well(fast) - 0.5 * chance
}

/// Of the line through weighted points, if they differ.
fn slope(points: impl Iterator<Item = (f64, f64, f64)> + Clone) -> Option<f64> {
    let weights: f64 = points.clone().map(|(weight, ..)| weight).sum();
    let (x, y) = points.clone().fold((0.0, 0.0), |(x, y), (w, px, py)| (x + w * px, y + w * py));
    let (x, y) = (x / weights, y / weights);
    let (squared, joint) = points.fold((0.0, 0.0), |(squared, joint), (w, px, py)| {
        (squared + w * (px - x).powi(2), joint + w * (px - x) * (py - y))
    });
    (squared > ALIKE * weights).then(|| joint / squared)
}

fn mean(bin: &Bin) -> f64 {
    bin.ended as f64 / f64::from(bin.seconds.max(1))
}

/// How many go well in a second, on average.
fn well(bin: &Bin) -> f64 {
    (bin.ended - bin.failed) as f64 / f64::from(bin.seconds.max(1))
}
