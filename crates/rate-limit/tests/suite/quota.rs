//! What a quota refuses, and its arithmetic.

use std::time::Duration;

use proptest::prelude::*;
use rate_limit::Quota;

const YEAR: Duration = Duration::from_secs(366 * 86_400);

#[test]
fn absurd_quotas_are_refused_by_name() {
    let second = Duration::from_secs(1);
    for (refused, message) in [
        (Quota::per_second(0), "a quota of 0 calls is out of range: it must be from 1 to 1000000"),
        (
            Quota::per_minute(u32::MAX),
            "a quota of 4294967295 calls is out of range: it must be from 1 to 1000000",
        ),
        (
            Quota::new(1_000_001, second),
            "a quota of 1000001 calls is out of range: it must be from 1 to 1000000",
        ),
        (
            Quota::new(1, Duration::ZERO),
            "a quota's period of 0ns is out of range: it must be from 1ns to 31622400s (366 days)",
        ),
        (
            Quota::new(1, YEAR + Duration::from_nanos(1)),
            "a quota's period of 31622400.000000001s is out of range: it must be from 1ns to 31622400s (366 days)",
        ),
        (
            Quota::per_second(1).unwrap().with_guard(YEAR),
            "a guard of 31622400s is too long for a period of 1s: together they must be at most 31622400s (366 days)",
        ),
    ] {
        assert_eq!(refused.unwrap_err().to_string(), message);
    }
    assert!(Quota::per_second(1).unwrap().with_guard(Duration::MAX).is_err());
    Quota::new(1_000_000, YEAR).unwrap();
    Quota::new(1_000_000, Duration::from_nanos(1)).unwrap();
}

#[test]
fn quotas_are_const() {
    const QUOTA: Quota = match Quota::per_second(10) {
        Ok(quota) => quota.spaced(),
        Err(_) => unreachable!(),
    };
    assert_eq!(QUOTA.interval(), Duration::from_millis(100));
    assert_eq!(QUOTA.to_string(), "10 per 1s (spaced)");
}

proptest! {
    #[test]
    fn an_interval_is_never_shorter_than_its_share(
        n in 1u32..=1_000_000,
        nanos in 1u64..=31_622_400_000_000_000,
        guard in 0u64..1_000_000_000,
    ) {
        let quota = Quota::new(n, Duration::from_nanos(nanos)).unwrap().spaced();
        let quota = quota.with_guard(Duration::from_nanos(guard)).unwrap_or(quota);
        // n intervals fill the window, and with a nanosecond less they would not.
        let window = quota.window().as_nanos();
        let interval = quota.interval().as_nanos();
        prop_assert!(interval * u128::from(n) >= window);
        prop_assert!((interval - 1) * u128::from(n) < window);
    }
}
