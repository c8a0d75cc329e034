//! Hours of the day that fail, and outages that are at any hour.

use crate::pattern::tests::worlds::{DAY, FIRST_HOUR, HOUR, MINUTE, World};
use crate::pattern::tests::{has, right};
use crate::pattern::{Kind, Pattern};

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
