//! When a session ends.

use std::time::Duration;

use jittered_backoff::{Backoff, Limits};
use proptest::prelude::*;

proptest! {
    #[test]
    fn fits_is_attempts_and_time_and_no_absurd_wait(
        attempts in 1u32..,
        deadline in proptest::option::of(any::<Duration>()),
        made: u32,
        elapsed: Duration,
        wait: Duration,
    ) {
        let limits = Limits::new().with_attempts(attempts).unwrap();
        let limits = match deadline {
            Some(deadline) => limits.with_deadline(deadline),
            None => limits.without_deadline(),
        };
        // In nanoseconds of 128 bits, which no sum of two durations overflows.
        let in_time = deadline.is_none_or(|deadline| elapsed.as_nanos() + wait.as_nanos() < deadline.as_nanos());
        let expected = made < attempts && in_time && wait <= Backoff::MAX_CAP;
        prop_assert_eq!(limits.fits(made, elapsed, wait), expected);
    }
}

#[test]
fn to_the_nanosecond() {
    let (second, nanosecond) = (Duration::from_secs(1), Duration::from_nanos(1));
    let limits = Limits::new().with_deadline(second * 10);
    assert!(limits.fits(1, second * 4, second * 6 - nanosecond));
    assert!(!limits.fits(1, second * 4, second * 6));

    assert!(limits.without_deadline().fits(1, Duration::MAX, Backoff::MAX_CAP));
    assert!(!limits.without_deadline().fits(1, Duration::ZERO, Backoff::MAX_CAP + nanosecond));
    assert!(!limits.with_deadline(Duration::MAX).fits(1, Duration::MAX, Backoff::MAX_CAP), "sums saturate");
    assert!(
        !limits.with_deadline(Duration::ZERO).fits(1, Duration::ZERO, Duration::ZERO),
        "no time, no repeat"
    );
}

#[test]
fn defaults() {
    let limits = Limits::default();
    assert_eq!((limits.attempts(), limits.deadline()), (3, Some(Duration::from_secs(90))));
    assert!(
        limits.fits(2, Duration::ZERO, Duration::ZERO) && !limits.fits(3, Duration::ZERO, Duration::ZERO)
    );
    assert!(!limits.with_attempts(1).unwrap().fits(1, Duration::ZERO, Duration::ZERO));
}
