//! Answers that take long: of the last calls only those have ended that failed.

use crate::pattern::tests::worlds::{HOUR, MINUTE, World};
use crate::pattern::tests::{has, is_told_since, right};
use crate::pattern::{Kind, Pattern};

/// Streams, say, of which a few are refused at once.
#[test]
fn calls_that_go_well_slowly_are_no_outage_of_the_quick() {
    let slow = |low, high| {
        move |seed| {
            let mut world = World::new(seed);
            let (long, share) = (world.random.within(low, high), world.random.share(0.01, 0.2));
            let span = world.random.within(20 * MINUTE, HOUR);
            for second in 0..span {
                let calls = 10;
                let failed = (0..calls).filter(|_| world.random.happens(share)).count() as u32;
                let ended = if second + long < span { calls } else { failed };
                world.second(second, ended, |_, call| call < failed);
                world.under_way += u64::from(calls - ended);
            }
            world.last_success = Some(span - 1);
            world.pattern()
        }
    };
    let constant = |kind: &Kind| matches!(kind, Kind::Constant { .. });
    let is = |pattern: &Pattern| !has(pattern, constant) && is_told_since(pattern).is_none();
    for (low, high) in [(20, 59), (120, 400)] {
        assert!(right(100, is, slow(low, high)) >= 0.99, "{low} to {high} s");
    }
}
