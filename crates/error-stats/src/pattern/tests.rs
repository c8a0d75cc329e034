//! Synthetic days of each kind, read by the pattern: how often it is right, and how often it is wrong where there
//! is nothing to find.

use std::time::UNIX_EPOCH;

use wire_fault::Phase;

use crate::history::{Facts, HOURS, History, Second};
use crate::names::NAMES;
use crate::pattern::worlds::{Callers, DAY, FIRST_HOUR, HOUR, MINUTE, Random, World};
use crate::pattern::{Kind, Pattern};
use crate::place::Place;
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

fn healthy(seed: u64) -> Pattern {
    let mut world = World::new(seed);
    let (span, share) = (world.random.within(10 * MINUTE, 4 * HOUR), world.random.share(0.0, 0.003));
    world.run(span, |random, _| random.happens(share));
    world.pattern()
}

/// Calls that fail at any rate, each by itself.
fn random(seed: u64) -> Pattern {
    let mut world = World::new(seed);
    let (span, share) = (world.random.within(10 * MINUTE, 3 * HOUR), world.random.share(0.02, 0.7));
    world.run(span, |random, _| random.happens(share));
    world.pattern()
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

#[test]
fn healthy_is_called_healthy_and_given_no_cause() {
    let patterns: Vec<Pattern> = (0..1000).map(healthy).collect();
    let is = |pattern: &&Pattern| matches!(pattern.main.kind, Kind::Healthy { .. });
    assert!(patterns.iter().filter(is).count() >= 950);
    assert!(patterns.iter().filter(|pattern| claims_a_cause(pattern)).count() <= 10);
}

#[test]
fn chance_is_called_sporadic_and_given_no_cause() {
    let patterns: Vec<Pattern> = (0..1000).map(random).collect();
    let is = |pattern: &&Pattern| matches!(pattern.main.kind, Kind::Sporadic { .. });
    assert!(patterns.iter().filter(is).count() >= 950);
    assert!(patterns.iter().filter(|pattern| is_told_since(pattern).is_some()).count() <= 10);
    assert!(patterns.iter().filter(|pattern| claims_a_cause(pattern)).count() <= 10);
}

/// A few calls, of which any number fails: the smaller the sample, the more tempting.
#[test]
fn small_samples_are_given_no_cause() {
    let few = |seed| {
        let mut world = World::new(seed);
        let share = world.random.share(0.0, 0.8);
        for number in 0..world.random.within(1, 60) {
            let requests = world.random.within(1, 3);
            world.second(number * 7, requests, |random, _| random.happens(share));
        }
        world.pattern()
    };
    assert!(right(1000, |pattern| !claims_a_cause(pattern), few) >= 0.99);
}

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
        let Kind::Constant { since: told, .. } = pattern.main.kind else { return false };
        let told = told.wall.duration_since(UNIX_EPOCH).unwrap().as_secs() - u64::from(FIRST_HOUR * HOUR);
        let right = told.abs_diff(since.into()) <= 90;
        if !right {
            println!("{told} for {since}");
        }
        right
    };
    let right = (0..200).filter(|seed| found(*seed)).count();
    assert!(right >= 190, "{right}");
}

/// Ten calls a second for six hours, of the last minutes of which a part fails.
#[test]
fn hours_that_went_well_do_not_hide_a_part_that_fails_now() {
    let outage = |share: f64, long: u32| {
        move |seed| {
            let mut world = World::new(seed);
            for second in 0..6 * HOUR {
                let share = if second >= 6 * HOUR - long { share } else { 0.0002 };
                world.second(second, 10, |random, _| random.happens(share));
            }
            world.pattern()
        }
    };
    for (share, long) in [(0.85, 110), (0.6, 150), (0.5, 200), (0.5, 600), (0.05, 600)] {
        let is = |pattern: &Pattern| match pattern.main.kind {
            Kind::Sporadic { all, since: Some(_) } => all.share() > 0.6 * share,
            _ => false,
        };
        assert!(right(5, is, outage(share, long)) == 1.0, "{share} for {long} s");
    }
    // It is over.
    let over = |seed| {
        let mut world = World::new(seed);
        world.run(6 * HOUR, |random, asked| {
            let out = (5 * HOUR..5 * HOUR + 100).contains(&asked.now);
            random.happens(if out { 0.5 } else { 0.0002 })
        });
        world.pattern()
    };
    assert!(right(20, |pattern| matches!(pattern.main.kind, Kind::Healthy { .. }), over) >= 0.95);
}

#[test]
fn a_step_is_told_with_its_beginning_and_its_share() {
    let step = |low: f64, high: f64, place| {
        move |seed| {
            let mut world = World::new(seed);
            world.place = place;
            let (span, since) = (world.random.within(2, 5) * HOUR, world.random.within(3 * MINUTE, HOUR));
            world.run(span, |random, asked| {
                random.happens(if asked.now >= span - since { high } else { low })
            });
            let pattern = world.pattern();
            let told =
                is_told_since(&pattern).is_some_and(|told| told.abs_diff((span - since).into()) <= 120);
            let right = has(&pattern, |kind| match kind {
                Kind::Sporadic { all, .. } => told && (all.share() - high).abs() < 0.2 * high,
                _ => false,
            });
            (right, pattern)
        }
    };
    for (low, high) in [(0.002, 0.3), (0.002, 0.5), (0.002, 0.75), (0.05, 0.4)] {
        for place in [None, Some(Place::ServerError)] {
            let right = (0..50).map(step(low, high, place)).filter(|(right, pattern)| {
                if !right {
                    println!("{pattern}\n");
                }
                *right
            });
            let right = right.count();
            assert!(right >= 48, "{low} to {high}: {right}");
        }
    }
    let (_, pattern) = step(0.002, 0.5, None)(1);
    assert!(pattern.to_string().starts_with("sporadic, more since "), "{pattern}");
    assert!(pattern.main.advice().starts_with("look at what changed then"), "{pattern}");
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

#[test]
fn hours_that_fail_every_day_are_found() {
    let hours = |seed| {
        let mut world = World::new(seed);
        let (days, from, long) =
            (world.random.within(8, 13), world.random.within(0, 23), world.random.within(1, 4));
        let (inside, end) = (world.random.share(0.3, 1.0), world.random.within(0, DAY - 1));
        let fails = |number: u32| ((FIRST_HOUR + number / HOUR) % 24 + 24 - from) % 24 < long;
        let mut last = days * DAY + end;
        // Over the hours, when it is looked at: in the midst of them it would be an outage besides.
        while fails(last) {
            last += HOUR;
        }
        for number in (0..last).step_by(MINUTE as usize) {
            let requests = world.random.within(1, 4);
            let share = if fails(number) { inside } else { 0.002 };
            world.second(number, requests, |random, _| random.happens(share));
        }
        let expected = (from as u8, ((from + long) % 24) as u8);
        (expected, world.pattern())
    };
    let found = |seed| {
        let (expected, pattern) = hours(seed);
        let Kind::TimeOfDay { from, to, .. } = pattern.main.kind else {
            println!("{expected:?}: {pattern}\n");
            return false;
        };
        (from, to) == expected
    };
    let right = (0..200).filter(|seed| found(*seed)).count();
    assert!(right >= 190, "{right}");
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

fn is_time_of_day(pattern: &Pattern) -> bool {
    has(pattern, |kind| matches!(kind, Kind::TimeOfDay { .. }))
}

/// From nine to twelve on five days of seven, looked at after two weeks.
#[test]
fn hours_of_working_days_are_found() {
    let hours = |seed| {
        let mut world = World::new(seed);
        let monday = world.random.within(0, 6);
        let fails = |hour: u32| (hour / 24 + monday) % 7 < 5 && (9..12).contains(&(hour % 24));
        for number in (0..14 * DAY - 1).step_by(MINUTE as usize) {
            let requests = world.random.within(1, 4);
            let share = if fails(FIRST_HOUR + number / HOUR) { 0.6 } else { 0.002 };
            world.second(number, requests, |random, _| random.happens(share));
        }
        world.pattern()
    };
    let is = |pattern: &Pattern| has(pattern, |kind| matches!(kind, Kind::TimeOfDay { from: 9, to: 12, .. }));
    assert!(right(200, is, hours) >= 0.95);
}

/// Some days have an outage, of up to three hours, at any time; or most calls are made at certain hours, and some days are bad.
#[test]
fn outages_on_many_days_are_not_taken_for_the_hours_doing() {
    let outages = |share: f64| {
        move |seed| {
            let mut world = World::new(seed);
            let days = world.random.within(4, 13);
            let mut outages = Vec::new();
            for day in 0..days {
                let from = day * DAY + world.random.within(0, DAY - 1);
                let long = world.random.within(20 * MINUTE, 3 * HOUR);
                if world.random.happens(share) {
                    outages.push(from..from + long);
                }
            }
            for number in (0..days * DAY).step_by(5 * MINUTE as usize) {
                let out = outages.iter().any(|outage| outage.contains(&number));
                world.second(number, 2, |random, _| random.happens(if out { 0.95 } else { 0.002 }));
            }
            world.pattern()
        }
    };
    for share in [0.3, 0.7, 1.0] {
        let right = right(250, |pattern| !is_time_of_day(pattern), outages(share));
        assert!(right >= 0.99, "{share}: {right}");
    }
    let busy_hours = |seed| {
        let mut world = World::new(seed);
        let days = world.random.within(4, 13);
        for number in (0..days * DAY).step_by(5 * MINUTE as usize) {
            let busy = (9..12).contains(&((FIRST_HOUR + number / HOUR) % 24));
            let share = if number / DAY % 4 == 0 { 0.1 } else { 0.01 };
            world.second(number, if busy { 10 } else { 1 }, |random, _| random.happens(share));
        }
        world.pattern()
    };
    assert!(right(250, |pattern| !is_time_of_day(pattern), busy_hours) >= 0.99);
}

#[test]
fn one_host_that_fails_is_found() {
    let host = |seed| {
        let mut world = World::new(seed);
        world.host = Some(1);
        let (span, share) = (world.random.within(20 * MINUTE, 4 * HOUR), world.random.share(0.1, 0.9));
        world.run(span, |random, _| random.happens(share));
        world.pattern()
    };
    let is = |pattern: &Pattern| matches!(&pattern.main.kind, Kind::OneHost { host, elsewhere, .. } if host == "two" && elsewhere.failed == 0);
    assert!(right(200, is, host) >= 0.95);
}

/// One host is asked in the first hour and another in the second; this side's network is down for some of the first.
#[test]
fn an_outage_while_one_host_is_asked_is_not_taken_for_the_hosts() {
    let outage = |seed| {
        let mut world = World::new(seed);
        let from = world.random.within(0, 50 * MINUTE);
        let long = world.random.within(MINUTE, 10 * MINUTE);
        for second in 0..2 * HOUR {
            if world.random.within(0, 2) == 0 {
                let host = usize::from(second >= HOUR);
                world.calls(second, &[(host, (from..from + long).contains(&second))]);
            }
        }
        world.pattern()
    };
    let is = |kind: &Kind| matches!(kind, Kind::OneHost { .. });
    assert!(right(200, |pattern| !has(pattern, is), outage) >= 0.99);

    // One of three is down for half an hour, and the others go well.
    let down = |seed| {
        let mut world = World::new(seed);
        world.host = Some(1);
        world.run(3 * HOUR, |random, asked| {
            random.happens(if asked.now / (30 * MINUTE) == 2 { 0.95 } else { 0.001 })
        });
        world.pattern()
    };
    assert!(right(200, |pattern| has(pattern, is), down) >= 0.95);
}

#[test]
fn one_phase_that_fails_is_found() {
    let phase = |seed| {
        let mut world = World::new(seed);
        world.place = Some(Place::Phase(Phase::TlsHandshake));
        let (span, share) = (world.random.within(20 * MINUTE, 4 * HOUR), world.random.share(0.03, 0.5));
        world.run(span, |random, _| random.happens(share));
        world.pattern()
    };
    let is = |pattern: &Pattern| {
        let place = Place::Phase(Phase::TlsHandshake);
        matches!(&pattern.main.kind, Kind::OnePhase { place: told, .. } if *told == place)
    };
    assert!(right(200, is, phase) >= 0.95);
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

/// The recorder's own account of seconds, and what is old, forgotten.
#[test]
fn the_history_forgets_what_is_older_than_its_rings() {
    struct Nothing;
    impl Facts for Nothing {
        fn answered(&self) -> impl Iterator<Item = (u32, u32)> {
            [(3, 2), (70, 5), (3, 2)].into_iter()
        }
        fn hour(&self, second: u32) -> u32 {
            second / HOUR
        }
        fn hosts(&self) -> [u64; NAMES + 1] {
            [0; NAMES + 1]
        }
    }
    let mut history = History::new();
    history.failed(3, 0);
    history.cancelled(3, 0);
    history.settle(60, &Nothing);
    // Late: its second is settled.
    history.failed(3, 0);
    let closed = history.clone().close(70, &Nothing);
    let minutes: Vec<_> =
        closed.minutes(70).iter().map(|minute| (minute.number, minute.ended, minute.failed)).collect();
    assert_eq!(minutes, [(0, 6, 2), (1, 5, 0)]);
    assert_eq!(closed.minutes(70)[0].cancelled, 1);
    // Closing the copy has not settled the original.
    assert_eq!(history.minutes(70).len(), 1);

    let late = 7 * HOUR;
    history.second(&Second { number: late, hour: 7, ended: 1, ..Second::default() }, || [0; NAMES + 1]);
    assert_eq!((history.minutes(late).len(), history.hours(7).len()), (1, 2));
    let strata = |now| {
        let closed = history.clone().close(now, &Nothing);
        closed.strata(now).filter(|stratum| stratum.bins[0].seconds > 0).count()
    };
    assert_eq!(strata(late), 1);
    // Nor does it tell of what is old by now, though nothing has come since.
    let later = late + 6 * HOUR;
    assert_eq!((history.minutes(later).len(), history.hours(7 + 14 * 24).len(), strata(later)), (0, 0, 0));
}

/// The wall may be wrong at first, and set right: hours that never were take no other's place.
#[test]
fn hours_of_a_wall_that_was_ahead_are_left_out_and_take_no_place() {
    let mut history = History::new();
    let mut add = |number, hour| {
        history.second(&Second { number, hour, ended: 1, ..Second::default() }, || [0; NAMES + 1]);
    };
    let ahead = FIRST_HOUR + HOURS as u32;
    add(0, ahead);
    add(60, FIRST_HOUR);
    add(120, FIRST_HOUR + 1);
    let numbers = |now| history.hours(now).iter().map(|span| span.number).collect::<Vec<_>>();
    assert_eq!(numbers(FIRST_HOUR + 1), [FIRST_HOUR, FIRST_HOUR + 1]);
}
