//! Outages: those that last, those that are over, and bursts that are none.

use std::time::UNIX_EPOCH;

use wire_fault::Phase;

use crate::pattern::tests::worlds::{FIRST_HOUR, HOUR, MINUTE, World};
use crate::pattern::tests::{claims_a_cause, has, is_told_since, right};
use crate::pattern::{Kind, Pattern};
use crate::place::Place;

/// Outages of minutes that are over, at any time: they fall into busy seconds and certain hours by chance.
#[test]
fn outages_that_are_over_are_not_taken_for_the_rates_or_the_hours_doing() {
    let outages = |seed| {
        let mut world = World::new(seed);
        let outages: Vec<(u32, u32)> = (0..world.random.within(1, 6))
            .map(|_| (world.random.within(0, 3 * HOUR), world.random.within(MINUTE, 20 * MINUTE)))
            .collect();
        world.run(4 * HOUR, |random, asked| {
            let out = outages.iter().any(|(from, long)| (*from..from + long).contains(&asked.now));
            random.happens(if out { 0.95 } else { 0.002 })
        });
        world.pattern()
    };
    assert!(right(200, |pattern| !claims_a_cause(pattern), outages) >= 0.99);
}

#[test]
fn an_outage_that_lasts_is_constant_since_its_beginning() {
    let constant = |seed| {
        let mut world = World::new(seed);
        let (span, share) = (world.random.within(HOUR, 5 * HOUR), world.random.share(0.95, 1.0));
        let since = world.random.within(span / 5, span * 19 / 20);
        world.run(span, |random, asked| random.happens(if asked.now >= since { share } else { 0.004 }));
        (since, world.pattern())
    };
    let found = |seed| {
        let (since, pattern) = constant(seed);
        let Some(told) = is_constant_since(&pattern) else { return false };
        let right = told.abs_diff(since) <= 90;
        if !right {
            println!("{told} for {since}");
        }
        right
    };
    let right = (0..200).filter(|seed| found(*seed)).count();
    assert!(right >= 190, "{right}");
}

/// Calls have gone well, and of the last so many seconds all have failed.
fn live(seed: u64, every: u32, low: u32, high: u32) -> (u32, Pattern) {
    let mut world = World::new(seed);
    let (span, long) = (world.random.within(10 * MINUTE, HOUR), world.random.within(low, high));
    let (calls, share) = (world.random.within(1, 5), world.random.share(0.0, 0.003));
    for second in 0..span {
        if world.random.within(1, every) == 1 {
            let out = second >= span - long;
            world.second(second, calls, |random, _| out || random.happens(share));
        }
    }
    (span - long, world.pattern())
}

#[test]
fn an_outage_younger_than_two_minutes_is_told_with_its_second() {
    for (every, low, high) in [(1, 35, 59), (1, 60, 130), (3, 60, 130)] {
        let found = |seed| {
            let (since, pattern) = live(seed, every, low, high);
            let told = is_constant_since(&pattern);
            let right = told.is_some_and(|told| told.abs_diff(since) <= MINUTE);
            if !right {
                println!("{told:?} for {since}: {pattern}\n");
            }
            right
        };
        let right = (0..200).filter(|seed| found(*seed)).count();
        assert!(right >= 190, "{low} to {high} s: {right}");
    }
    // Nor is it called healthy beside, for it is a small part of the hour.
    let (since, pattern) = live(7, 1, 40, 40);
    assert_eq!(is_constant_since(&pattern), Some(since), "{pattern}");
    assert!(!has(&pattern, |kind| matches!(kind, Kind::Healthy { .. })), "{pattern}");
}

/// Of less than half a minute, or a batch of calls one after the other: one event, whatever the number of calls. Nor are blips
/// that come again and again an outage, while one is on.
#[test]
fn a_burst_is_not_constant() {
    let no_outage = |pattern: &Pattern| is_constant_since(pattern).is_none();
    assert_eq!(right(300, no_outage, |seed| live(seed, 1, 1, 29).1), 1.0);
    let batches = |seed| {
        let mut world = World::new(seed);
        let (share, long) = (world.random.share(0.01, 0.6), world.random.within(10, 50));
        let every = world.random.within(2, 10) * MINUTE;
        for batch in 0..world.random.within(5, 40) {
            let out = world.random.happens(share);
            (0..long).for_each(|second| world.second(batch * every + second, 1, |_, _| out));
        }
        world.pattern()
    };
    assert!(right(1000, no_outage, batches) >= 0.99);
    let blips = |seed| {
        let mut world = World::new(seed);
        let (mut out, span) = (false, world.random.within(20 * MINUTE, HOUR));
        for second in 0..span {
            if world.random.happens(1.0 / if out { 15.0 } else { 200.0 }) {
                out = !out;
            }
            world.second(second, 2, |_, _| out);
        }
        world.pattern()
    };
    assert!(right(300, no_outage, blips) >= 0.99);
}

/// In seconds since the world began.
fn is_constant_since(pattern: &Pattern) -> Option<u32> {
    let Kind::Constant { since, .. } = pattern.main.kind else { return None };
    let told = since.wall.duration_since(UNIX_EPOCH).unwrap().as_secs();
    Some(told as u32 - FIRST_HOUR * HOUR)
}

#[test]
fn what_has_failed_from_the_start_is_constant_within_the_first_minute() {
    let mut world = World::new(1);
    for second in 0..30 {
        world.second(second, 3, |_, _| true);
    }
    let pattern = world.pattern();
    assert!(matches!(pattern.main.kind, Kind::Constant { .. }), "{pattern}");
}

#[test]
fn the_advice_on_an_outage_follows_the_place() {
    let advice = |place| {
        let mut world = World::new(1);
        world.place = place;
        world.run(HOUR, |random, asked| random.happens(if asked.now >= 30 * MINUTE { 0.99 } else { 0.004 }));
        let Pattern { main: finding, .. } = world.pattern();
        assert!(matches!(finding.kind, Kind::Constant { place: told, .. } if told == place), "{finding}");
        finding.advice()
    };
    assert!(advice(Some(Place::TooManyRequests)).contains("raise the spacing"));
    assert!(advice(Some(Place::ServerError)).contains("their side"));
    for answered in [Place::TooManyRequests, Place::ServerError] {
        assert!(!advice(Some(answered)).contains("certificate"));
    }
    assert!(advice(Some(Place::Phase(Phase::Tcp))).contains("on this side first"));
    assert!(advice(None).contains("where no answer comes, on this side first"));
}

/// Bursts that fail as a whole: few events, whatever the number of calls.
#[test]
fn calls_that_fail_together_are_not_constant() {
    let bursts = |share: f64| {
        move |seed| {
            let mut world = World::new(seed);
            let (span, every) = (world.random.within(HOUR, 6 * HOUR), world.random.within(1, 5) * MINUTE);
            let size = world.random.within(3, 10);
            for number in (0..span).step_by(every as usize) {
                let out = world.random.happens(share);
                world.second(number, size, |_, _| out);
            }
            world.pattern()
        }
    };
    let constant = |kind: &Kind| matches!(kind, Kind::Constant { .. });
    let is = |pattern: &Pattern| !has(pattern, constant) && is_told_since(pattern).is_none();
    for share in [0.01, 0.03, 0.1, 0.3, 0.5, 0.7] {
        let right = right(1000, is, bursts(share));
        assert!(right >= 0.99, "{share}: {right}");
    }
    // The last of them alone fails, the first that does.
    let blip = |seed| {
        let mut world = World::new(seed);
        for number in 0..=100 {
            world.second(number * 180, 3, |_, _| number == 100);
        }
        world.pattern()
    };
    assert_eq!(right(1, is, blip), 1.0);
}
