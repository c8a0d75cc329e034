//! Names and mixes, as they are written and read.

use std::collections::HashSet;

use flaky_tls::{AlertDescription, InvalidMix, Mix, Scenario, Script};

#[test]
fn each_name_reads_back() {
    let mut names = HashSet::new();
    for scenario in Scenario::named() {
        let name = scenario.to_string();
        assert_eq!(name.parse(), Ok(scenario));
        assert!(names.insert(name), "{scenario} stands twice");
    }
    let numbered = Scenario::Alert(AlertDescription::Unknown(200));
    assert_eq!("alert-200".parse(), Ok(numbered));
    assert_eq!(numbered.to_string(), "alert-200");
    for bad in ["", "cut", "cut-body", "cut-body-fin ", "alert-256", "alert--1", "Healthy", "stall-rst"] {
        let error = bad.parse::<Scenario>().unwrap_err().to_string();
        assert!(error.contains(&format!("{bad:?}")), "{error}");
    }
}

#[test]
fn a_bad_mix_says_what_is_wrong() {
    assert_eq!(Mix::new([]), Err(InvalidMix::Empty));
    let zero = InvalidMix::ZeroWeight { scenario: Scenario::Healthy };
    assert_eq!(Mix::new([(Scenario::Healthy, 0)]), Err(zero));
    for (text, word) in [
        ("", "empty"),
        ("healthy", "name=weight"),
        ("healthy=0", "healthy is 0"),
        ("healthy=-1", "\"-1\""),
        ("healthy=1.5", "\"1.5\""),
        ("healthy=4294967296", "4294967295"),
        ("healthy=1,sick=1", "\"sick\""),
    ] {
        let error = text.parse::<Mix>().unwrap_err().to_string();
        assert!(error.contains(word), "{text}: {error}");
        assert!(!error.contains('\n'));
    }
}

#[test]
fn a_mix_keeps_its_shares() {
    let mix: Mix = "healthy=7, cut-body-rst=2, stall-accept=1".parse().unwrap();
    let script = Script::seeded(42, mix.clone());
    let draws = 100_000;
    for (scenario, weight) in mix.entries() {
        let count = (0..draws).filter(|index| script.scenario(*index) == *scenario).count() as f64;
        let expected = draws as f64 * f64::from(*weight) / 10.0;
        // Five standard deviations of a binomial count are below 800 here.
        assert!((count - expected).abs() < 800.0, "{scenario}: {count} for {expected}");
    }
}

#[test]
fn the_heaviest_weights_do_not_overflow() {
    let mix = Mix::new([(Scenario::Healthy, u32::MAX); 3]).unwrap();
    assert_eq!(Script::seeded(u64::MAX, mix).scenario(u64::MAX), Scenario::Healthy);
}
