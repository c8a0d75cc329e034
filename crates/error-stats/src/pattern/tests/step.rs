//! More failures than before, from some time on.

use crate::pattern::tests::worlds::{HOUR, MINUTE, World};
use crate::pattern::tests::{has, is_told_since, right};
use crate::pattern::{Kind, Pattern};
use crate::place::Place;

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
