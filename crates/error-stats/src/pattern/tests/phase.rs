//! One place where all failures are.

use wire_fault::Phase;

use crate::pattern::tests::right;
use crate::pattern::tests::worlds::{HOUR, MINUTE, World};
use crate::pattern::{Kind, Pattern};
use crate::place::Place;

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
