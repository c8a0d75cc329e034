//! Each jitter's distribution is the one its definition names.
//!
//! Seeds are fixed, so a run is as good as every other. Tolerances are five standard errors of the estimate: the chance
//! that a right generator misses one is below one in a million per check.

use std::time::Duration;

use jittered_backoff::{Backoff, Jitter, Seeds};

const DRAWS: usize = 100_000;

fn seconds(base: f64, cap: f64) -> Backoff {
    Backoff::exponential(Duration::from_secs_f64(base)..=Duration::from_secs_f64(cap)).unwrap()
}

/// Asserts that `values` are a sample of the uniform distribution from `low` to `high`.
fn assert_uniform(mut values: Vec<f64>, low: f64, high: f64) {
    let count = values.len() as f64;
    let width = high - low;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);

    // Uniform: variance w^2 / 12; the mean's standard error is sd / sqrt(n); the variance's, at kurtosis 1.8, is
    // variance * sqrt(0.8 / n).
    let expected = width * width / 12.0;
    let mean_error = 5.0 * (expected / count).sqrt();
    let variance_error = 5.0 * expected * (0.8 / count).sqrt();
    assert!((mean - (low + high) / 2.0).abs() < mean_error, "mean {mean} of {low}..{high}");
    assert!((variance - expected).abs() < variance_error, "variance {variance}, not {expected}");

    // Kolmogorov-Smirnov: the largest distance between the sample's distribution and the uniform one. Its tail is about
    // 2 exp(-2 n d^2): one in a million at d = 2.7 / sqrt(n).
    values.sort_by(f64::total_cmp);
    let distance = values
        .iter()
        .enumerate()
        .map(|(at, value)| {
            let expected = (value - low) / width;
            (expected - at as f64 / count).abs().max(((at + 1) as f64 / count - expected).abs())
        })
        .fold(0.0, f64::max);
    assert!(distance < 2.7 / count.sqrt(), "distance {distance}");
}

fn secs(delays: impl Iterator<Item = Duration>) -> Vec<f64> {
    delays.map(|wait| wait.as_secs_f64()).collect()
}

#[test]
fn full_is_uniform_from_nothing_to_the_ceiling() {
    let delays = seconds(3.0, 3.0).with_jitter(Jitter::Full).delays(1);
    assert_uniform(secs(delays.take(DRAWS)), 0.0, 3.0);
}

#[test]
fn equal_is_uniform_over_the_upper_half() {
    let delays = seconds(3.0, 3.0).with_jitter(Jitter::Equal).delays(2);
    assert_uniform(secs(delays.take(DRAWS)), 1.5, 3.0);
}

/// The ceiling under the jitter doubles until the cap: 1, 2, 4, 8, 10, 10 s.
#[test]
fn the_ceilings_of_full_and_equal_grow() {
    let seeds = Seeds::new(3);
    let seeds: Vec<u64> = (0..20_000).map(|_| seeds.next_seed()).collect();
    for (nth, ceiling) in [1.0, 2.0, 4.0, 8.0, 10.0, 10.0].into_iter().enumerate() {
        for (jitter, low) in [(Jitter::Full, 0.0), (Jitter::Equal, ceiling / 2.0)] {
            let backoff = seconds(1.0, 10.0).with_jitter(jitter);
            let waits = secs(seeds.iter().map(|&seed| backoff.delays(seed).nth(nth).unwrap()));
            assert_uniform(waits, low, ceiling);
        }
    }
}

/// Each wait is uniform from the base to three times the one before, and what lies above the cap becomes the cap.
#[test]
fn decorrelated_is_uniform_up_to_thrice_the_previous_wait() {
    let (base, cap) = (2.0, 10.0);
    let waits = secs(seconds(base, cap).delays(4).take(DRAWS));

    let (mut places, mut capped, mut expected, mut variance) = (Vec::new(), 0.0, 0.0, 0.0);
    let mut previous = base;
    for wait in waits {
        let reach = 3.0 * previous;
        let chance = (reach - cap).max(0.0) / (reach - base);
        expected += chance;
        variance += chance * (1.0 - chance);
        if wait == cap {
            capped += 1.0;
        } else {
            places.push((wait - base) / (reach.min(cap) - base));
        }
        previous = wait;
    }
    assert!(places.len() > 30_000, "{} waits to judge by", places.len());
    assert_uniform(places, 0.0, 1.0);

    // A sum of independent coins, each with its own chance: five standard deviations.
    assert!((capped - expected).abs() < 5.0 * f64::sqrt(variance), "{capped} at the cap, not {expected}");
}

/// The first waits of many sessions: what spreads clients which failed together.
#[test]
fn the_first_waits_of_sessions_are_spread() {
    let (backoff, seeds) = (Backoff::default(), Seeds::new(5));
    let waits = secs((0..DRAWS).map(|_| backoff.delays(seeds.next_seed()).draw()));
    assert_uniform(waits.clone(), 2.0, 6.0);

    // Neighbouring sessions know nothing of each other: no correlation, its standard error being 1 / sqrt(n).
    let variance = 16.0 / 12.0;
    let products = waits.windows(2).map(|pair| (pair[0] - 4.0) * (pair[1] - 4.0));
    let correlation = products.sum::<f64>() / (DRAWS - 1) as f64 / variance;
    assert!(correlation.abs() < 5.0 / (DRAWS as f64).sqrt(), "correlation {correlation}");
}

/// Neighbouring roots are not one row of seeds with an offset.
#[test]
fn neighbouring_roots_share_no_session() {
    let of = |root| {
        let seeds = Seeds::new(root);
        (0..10_000).map(|_| seeds.next_seed()).collect::<std::collections::HashSet<_>>()
    };
    assert!(of(0).is_disjoint(&of(1)));
}

/// tower 0.5.3 truncates its jitter to whole seconds: below a second it has none.
#[test]
fn the_spread_below_a_second_is_kept() {
    let millis = seconds(0.05, 0.5);
    for jitter in [Jitter::Full, Jitter::Equal, Jitter::Decorrelated] {
        let mut waits: Vec<_> = millis.with_jitter(jitter).delays(6).take(1_000).collect();
        waits.retain(|&wait| wait != millis.cap());
        let finer = waits.iter().filter(|wait| wait.subsec_nanos() % 1_000 != 0).count();
        assert!(
            waits.len() > 200 && finer * 100 > waits.len() * 95,
            "{jitter:?}: {finer} of {}",
            waits.len()
        );
        waits.sort();
        waits.dedup();
        assert!(waits.len() > 200, "{jitter:?}: {} different waits", waits.len());
    }
}
