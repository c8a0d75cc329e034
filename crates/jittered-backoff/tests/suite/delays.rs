//! What holds for every stream of waits, whatever the settings and the seed.

use std::time::Duration;

use jittered_backoff::{Backoff, Jitter};
use proptest::prelude::*;

const DAY: u64 = 86_400_000_000_000;
const JITTERS: [Jitter; 4] = [Jitter::None, Jitter::Full, Jitter::Equal, Jitter::Decorrelated];

/// From a nanosecond to a day, as likely tiny as huge.
fn nanos() -> impl Strategy<Value = u64> {
    prop_oneof![(0u32..47).prop_flat_map(|bits| (1u64 << bits)..=(2u64 << bits).min(DAY)), Just(1), Just(DAY),]
}

fn base_and_cap() -> impl Strategy<Value = (u64, u64)> {
    (nanos(), nanos()).prop_map(|(a, b)| (a.min(b), a.max(b)))
}

fn backoff(base: u64, cap: u64) -> Backoff {
    Backoff::exponential(Duration::from_nanos(base)..=Duration::from_nanos(cap)).unwrap()
}

fn take(backoff: &Backoff, seed: u64) -> Vec<u64> {
    backoff.delays(seed).take(200).map(|wait| u64::try_from(wait.as_nanos()).unwrap()).collect()
}

proptest! {
    #[test]
    fn never_above_the_cap_nor_below_the_floor_of_its_jitter(
        (base, cap) in base_and_cap(),
        factor in prop_oneof![1.0f64..=100.0, Just(1.0), Just(100.0)],
        seed: u64,
    ) {
        let plain = backoff(base, cap).with_factor(factor).unwrap();
        let ceilings = take(&plain.with_jitter(Jitter::None), seed);
        prop_assert_eq!(ceilings[0], base);
        prop_assert!(ceilings.is_sorted());
        prop_assert!(ceilings.iter().all(|&ceiling| ceiling <= cap));

        let full = take(&plain.with_jitter(Jitter::Full), seed);
        prop_assert!(full.iter().zip(&ceilings).all(|(wait, ceiling)| wait <= ceiling));

        let equal = take(&plain.with_jitter(Jitter::Equal), seed);
        prop_assert!(equal.iter().zip(&ceilings).all(|(wait, ceiling)| (ceiling / 2..=*ceiling).contains(wait)));

        let mut previous = base;
        for wait in take(&plain.with_jitter(Jitter::Decorrelated), seed) {
            let reach = (previous as f64 * factor).round() as u64;
            prop_assert!((base..=cap.min(reach)).contains(&wait), "{} after {}", wait, previous);
            previous = wait;
        }
    }

    /// Against whole-number arithmetic that can't round: every whole factor grows exactly, to the nanosecond.
    #[test]
    fn without_jitter_whole_factors_are_exact((base, cap) in base_and_cap(), factor in 1u32..=100) {
        let delays = take(&backoff(base, cap).with_jitter(Jitter::None).with_factor(factor.into()).unwrap(), 0);
        let mut exact = u128::from(base);
        for wait in delays {
            prop_assert_eq!(u128::from(wait), exact);
            exact = (exact * u128::from(factor)).min(cap.into());
        }
    }

    #[test]
    fn same_seed_same_waits_other_seed_other_waits((base, cap) in base_and_cap(), seed: u64, other: u64) {
        for jitter in JITTERS {
            let backoff = backoff(base, cap).with_jitter(jitter);
            prop_assert_eq!(take(&backoff, seed), take(&backoff, seed));
            // 200 draws from a thousand nanoseconds at the least: chance won't make them equal. A base just below the
            // cap would: nearly every decorrelated draw from it is above the cap, so is the cap.
            if jitter != Jitter::None && seed != other && cap > 1000 && base <= cap / 2 {
                prop_assert_ne!(take(&backoff, seed), take(&backoff, other));
            }
        }
    }

    #[test]
    fn exactly_the_valid_settings_are_accepted(base: Duration, cap: Duration, factor: f64) {
        let valid = !base.is_zero() && base <= cap && cap <= Backoff::MAX_CAP;
        prop_assert_eq!(Backoff::exponential(base..=cap).is_ok(), valid);
        prop_assert_eq!(Backoff::default().with_factor(factor).is_ok(), (1.0..=100.0).contains(&factor));
    }
}

#[test]
fn refusals_name_the_value_and_the_range() {
    let of = |base, cap| Backoff::exponential(base..=cap).unwrap_err().to_string();
    let second = Duration::from_secs(1);

    let zero = of(Duration::ZERO, second);
    assert!(zero.contains("0ns") && zero.contains("above zero and at most the cap"), "{zero}");

    let above = of(second * 3, second);
    assert!(above.contains("3s") && above.contains("1s") && above.contains("at most the cap"), "{above}");

    let long = of(second, Duration::MAX);
    assert!(long.contains("18446744073709551615.999999999s") && long.contains("24 hours"), "{long}");

    for factor in [0.0, 0.999, -2.0, 100.1, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let refused = Backoff::default().with_factor(factor).unwrap_err().to_string();
        assert!(refused.contains(&factor.to_string()) && refused.contains("from 1 to 100"), "{refused}");
    }
}

#[test]
fn the_ends_of_every_range_work() {
    let longest = Backoff::exponential(Duration::from_nanos(1)..=Backoff::MAX_CAP).unwrap();
    for jitter in JITTERS {
        for factor in [1.0, 100.0] {
            let delays = longest.with_jitter(jitter).with_factor(factor).unwrap().delays(u64::MAX);
            assert!(delays.take(10_000).all(|wait| wait <= Backoff::MAX_CAP));
        }
    }
    let at_the_cap = longest.with_jitter(Jitter::None).delays(0).nth(10_000).unwrap();
    assert_eq!(at_the_cap, Backoff::MAX_CAP);
}

/// Both ends of each range are drawn.
#[test]
fn ranges_include_their_ends() {
    let drawn = |jitter| {
        let mut waits = take(&backoff(2, 3).with_factor(1.0).unwrap().with_jitter(jitter), 1);
        waits.sort();
        waits.dedup();
        waits
    };
    assert_eq!(drawn(Jitter::Full), [0, 1, 2]);
    assert_eq!(drawn(Jitter::Equal), [1, 2]);
    assert_eq!(drawn(Jitter::Decorrelated), [2]);
}

/// A factor below two must not be rounded away where the base is a nanosecond.
#[test]
fn slow_growth_from_a_nanosecond_arrives() {
    let backoff = backoff(1, 1_000).with_jitter(Jitter::None).with_factor(1.1).unwrap();
    assert_eq!(take(&backoff, 0)[199], 1_000);
}

#[test]
fn the_factor_is_the_jitters_own_until_set() {
    let backoff = Backoff::default();
    assert_eq!(backoff.jitter(), Jitter::Decorrelated);
    assert_eq!(backoff.factor(), 3.0);
    assert_eq!(backoff.with_jitter(Jitter::Full).factor(), 2.0);
    let set = backoff.with_factor(1.5).unwrap();
    assert_eq!(set.factor(), 1.5);
    assert_eq!(set.with_jitter(Jitter::Equal).factor(), 1.5);
}

#[test]
fn delays_from_the_os_differ() {
    let backoff = Backoff::default();
    let streams: Vec<Vec<_>> = (0..50).map(|_| backoff.delays_from_os().take(4).collect()).collect();
    for (at, stream) in streams.iter().enumerate() {
        assert!(!streams[..at].contains(stream));
    }
}

/// On every machine. Should an update of `rand` change these, it changes what a caller's seed means: a minor version.
#[test]
fn a_seed_means_the_same_waits_everywhere() {
    let of = |jitter| take(&backoff(1_000_000_000, 20_000_000_000).with_jitter(jitter), 42)[..4].to_vec();
    assert_eq!(of(Jitter::Full), [814_305_145, 637_642_080, 3_935_576_673, 5_609_084_785]);
    assert_eq!(of(Jitter::Equal), [907_152_573, 1_318_821_040, 3_967_788_337, 6_804_542_393]);
    assert_eq!(of(Jitter::Decorrelated), [2_628_610_291, 3_195_347_760, 9_447_757_911, 20_000_000_000]);
}

/// Endless, and honest about it; small enough to be copied with every call.
#[test]
fn endless_and_small() {
    let delays = Backoff::default().delays(0);
    assert_eq!(delays.size_hint(), (usize::MAX, None));
    assert!(size_of_val(&delays) <= 80, "{} bytes", size_of_val(&delays));
}
