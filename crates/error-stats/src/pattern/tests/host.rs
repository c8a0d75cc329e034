//! One host that fails, and an outage of this side while one host is asked.

use crate::pattern::tests::worlds::{HOUR, MINUTE, World};
use crate::pattern::tests::{has, right};
use crate::pattern::{Kind, Pattern};

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
