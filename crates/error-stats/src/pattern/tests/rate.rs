//! Limits of the rate, and what looks like one: outages, batches, hedges, repeats.

use crate::pattern::tests::worlds::{Callers, HOUR, MINUTE, Random, World};
use crate::pattern::tests::{claims_a_cause, has, right};
use crate::pattern::{Kind, Pattern};
use crate::place::Place;

#[test]
fn a_limit_of_the_rate_is_found_with_its_two_rates() {
    let rate = |seed| {
        let mut world = World::new(seed);
        let (span, limit) = (world.random.within(HOUR, 5 * HOUR), world.random.within(4, 9));
        world.run(span, |random, asked| random.happens(if asked.earlier >= limit { 0.95 } else { 0.004 }));
        world.pattern()
    };
    let is = |pattern: &Pattern| match &pattern.main.kind {
        Kind::RateBound { from, slow, slow_rate, fast, fast_rate } => {
            *slow_rate < *from as f64 && *from as f64 <= *fast_rate && fast.share() > 2.0 * slow.share()
        }
        _ => false,
    };
    assert!(right(200, is, rate) >= 0.95);
}

/// Callers at an even pace have no quiet seconds beside busy ones, so that the limit is not found. Where it answers with 429s,
/// the advice is the same: by the place.
#[test]
fn a_limit_that_an_even_pace_runs_into_is_told_by_its_place() {
    let even = |seed| {
        let mut world = World::new(seed);
        world.place = Some(Place::TooManyRequests);
        let pace = world.random.within(3, 20);
        let limit = world.random.within(1, pace - 1);
        for second in 0..world.random.within(10 * MINUTE, HOUR) {
            world.second(second, pace, |_, call| call >= limit);
        }
        world.pattern()
    };
    let is =
        |pattern: &Pattern| !is_rate_bound(pattern) && pattern.main.advice().contains("raise the spacing");
    assert_eq!(right(100, is, even), 1.0);
}

fn is_rate_bound(pattern: &Pattern) -> bool {
    has(pattern, |kind| matches!(kind, Kind::RateBound { .. }))
}

/// Outages of forty minutes, in which that share of the calls is refused quickly.
fn closed_loop_outages(seed: u64, share: impl Fn(&mut Random) -> f64) -> Pattern {
    const SPAN: u32 = 40 * MINUTE;
    let mut world = World::new(seed);
    let most = world.random.within(1, 4);
    let callers = Callers::new(&mut world.random, most);
    let outages: Vec<(u32, u32)> = (0..world.random.within(1, 6))
        .map(|_| (world.random.within(0, SPAN), world.random.within(2, 5 * MINUTE)))
        .collect();
    let share = share(&mut world.random);
    callers.run(&mut world, SPAN, |random, asked| {
        let out = outages.iter().any(|(from, long)| (*from..from + long).contains(&asked.now));
        random.happens(if out { share } else { 0.002 })
    });
    world.pattern()
}

/// Refusals are quick, so those who ask again at once ask more often: because of the outage, and not the other way round.
#[test]
fn an_outage_that_callers_meet_with_more_calls_is_not_the_rates_doing() {
    let outage = |seed| closed_loop_outages(seed, |_| 1.0);
    assert!(right(200, |pattern| !is_rate_bound(pattern), outage) >= 0.99);
    // Where only some are refused, busy seconds with failures and others are mixed, as at a limit.
    let part = |seed| closed_loop_outages(seed, |random| random.share(0.2, 1.0));
    assert!(right(200, |pattern| !is_rate_bound(pattern), part) >= 0.95);
}

/// The same callers at a server that lets so many through in a second, and refuses the others as quickly.
#[test]
fn a_limit_that_callers_meet_with_more_calls_is_found() {
    let limits = |seed| {
        let mut world = World::new(seed);
        let most = world.random.within(3, 6);
        let callers = Callers::new(&mut world.random, most);
        // Some of them at a time are within the limit, more are not.
        let most = 1_000 * most / callers.well;
        let limit = world.random.within(most / 3, most * 3 / 4).max(2);
        callers.run(&mut world, 40 * MINUTE, |random, asked| {
            random.happens(if asked.earlier >= limit { 0.98 } else { 0.002 })
        });
        world.pattern()
    };
    assert!(right(200, is_rate_bound, limits) >= 0.95);
}

/// One call in a second, which is asked of another host if it fails.
fn asked_elsewhere(seed: u64) -> Pattern {
    let mut world = World::new(seed);
    let share = world.random.share(0.02, 0.2);
    for second in 0..world.random.within(HOUR, 5 * HOUR) {
        if world.random.within(0, 2) == 0 {
            let failed = world.random.happens(share);
            world.calls(second, if failed { &[(0, true), (1, false)] } else { &[(0, false)] });
        }
    }
    world.pattern()
}

/// Single calls go well, and of a batch each minute a part does not, whatever its size; or of batches that are all alike.
fn batches(seed: u64) -> Pattern {
    let mut world = World::new(seed);
    let same = world.random.happens(0.5).then(|| world.random.within(5, 20));
    for second in 0..world.random.within(HOUR, 5 * HOUR) {
        if second % 60 == 17 {
            let size = same.unwrap_or_else(|| world.random.within(5, 20));
            world.second(second, size, |random, _| random.happens(0.3));
        } else if world.random.within(0, 2) == 0 {
            world.second(second, 1, |random, _| random.happens(0.002));
        }
    }
    world.pattern()
}

/// The server is slow now and then, and a part fails; what is slow is asked a second time.
fn hedges(seed: u64) -> Pattern {
    let mut world = World::new(seed);
    let mut slow = 0;
    for second in 0..world.random.within(HOUR, 3 * HOUR) {
        if world.random.happens(0.01) {
            slow = second + world.random.within(2, 5);
        }
        let calls = world.random.within(2, 4);
        let (calls, share) = if second < slow { (2 * calls, 0.3) } else { (calls, 0.002) };
        world.second(second, calls, |random, _| random.happens(share));
    }
    world.pattern()
}

#[test]
fn more_calls_where_a_part_fails_are_not_the_rates_doing() {
    for make in [asked_elsewhere, batches, hedges] {
        assert!(right(200, |pattern| !is_rate_bound(pattern), make) >= 0.99);
    }
}

/// What a caller's own repeats, three of them, look like if they are counted, and why the recorder leaves them out: this is no
/// test of the reading but of the premise.
#[test]
fn repeats_in_the_same_second_would_look_like_a_rate() {
    let mut world = World::new(1);
    world.run(4 * HOUR, |random, _| random.happens(0.05));
    let mut counted = World::new(1);
    for number in 0..4 * HOUR {
        let failed = counted.random.happens(0.05);
        counted.second(number, 1 + 3 * u32::from(failed), |_, request| failed && request < 3);
    }
    assert!(!claims_a_cause(&world.pattern()));
    assert!(claims_a_cause(&counted.pattern()));
}
