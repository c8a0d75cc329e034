//! What is old is forgotten, and what is late is put where it belongs.

use crate::history::{Facts, HOURS, History, Second};
use crate::names::NAMES;

const HOUR: u32 = 3600;
/// An hour since the Unix epoch.
const FIRST_HOUR: u32 = 490_000;

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
