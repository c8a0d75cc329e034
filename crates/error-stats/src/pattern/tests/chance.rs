//! Where there is nothing to find: calls that go well, and calls that fail each by itself.

use crate::pattern::tests::worlds::{HOUR, MINUTE, World};
use crate::pattern::tests::{claims_a_cause, is_told_since, right};
use crate::pattern::{Kind, Pattern};

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
