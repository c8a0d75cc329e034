//! What a constructor refuses, and the ranges it accepts.

use std::error::Error;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The longest wait this crate makes.
///
/// A choice, not a law: whoever waits longer than a day wants a scheduler. It keeps every wait, in nanoseconds and times
/// the largest factor, below 2^53 (8.64e13 * 100 = 8.64e15 < 9.0e15), so that growth by an `f64` factor loses no
/// nanosecond.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The factors by which waits may grow.
pub(crate) const FACTORS: RangeInclusive<f64> = 1.0..=100.0;

/// The most calls that a budget's share can be reckoned by, and the most permits it keeps.
///
/// Choices: finer than one in a million is no repeat at all. Their product, 10^12, leaves the arithmetic far from
/// overflow.
pub(crate) const MOST_CALLS: u32 = 1_000_000;
pub(crate) const MOST_PERMITS: u32 = 1_000_000;

/// A [`Backoff`](crate::Backoff) that can't be: the message names the value and the accepted range.
///
/// ```
/// use std::time::Duration;
///
/// use jittered_backoff::Backoff;
///
/// let refused = Backoff::exponential(Duration::from_secs(5)..=Duration::from_secs(1)).unwrap_err();
/// assert_eq!(refused.to_string(), "backoff base 5s is above the cap 1s: the base must be above zero and at most the cap");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InvalidBackoff(pub(crate) BackoffFlaw);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum BackoffFlaw {
    ZeroBase,
    BaseAboveCap { base: Duration, cap: Duration },
    Cap(Duration),
    Factor(f64),
}

impl fmt::Display for InvalidBackoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            BackoffFlaw::ZeroBase => f.write_str(
                "backoff base 0ns would stay zero however often it grows: the base must be above zero and at most the cap",
            ),
            BackoffFlaw::BaseAboveCap { base, cap } => write!(
                f,
                "backoff base {base:?} is above the cap {cap:?}: the base must be above zero and at most the cap"
            ),
            BackoffFlaw::Cap(cap) => {
                write!(f, "backoff cap {cap:?} is too long: it must be at most {LONGEST_WAIT:?} (24 hours)")
            }
            BackoffFlaw::Factor(factor) => write!(
                f,
                "backoff factor {factor} is out of range: it must be a number from {} to {}",
                FACTORS.start(),
                FACTORS.end()
            ),
        }
    }
}

impl Error for InvalidBackoff {}

/// [`Limits`](crate::Limits) that can't be: the message names the value and the accepted range.
///
/// ```
/// use jittered_backoff::Limits;
///
/// let refused = Limits::new().with_attempts(0).unwrap_err();
/// assert_eq!(refused.to_string(), "0 attempts would send nothing: attempts must be from 1 to 4294967295");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidLimits(());

impl InvalidLimits {
    /// The one flaw limits can have.
    pub(crate) const NO_ATTEMPT: Self = Self(());
}

impl fmt::Display for InvalidLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0 attempts would send nothing: attempts must be from 1 to {}", u32::MAX)
    }
}

impl Error for InvalidLimits {}

/// A [`RetryBudget`](crate::RetryBudget) that can't be: the message names the values and the accepted range.
///
/// ```
/// use jittered_backoff::RetryBudget;
///
/// let refused = RetryBudget::new(0, 100).unwrap_err();
/// assert_eq!(
///     refused.to_string(),
///     "a budget of 0 repeats for 100 calls is out of range: calls must be from 2 to 1000000, repeats from 1 to one less than calls"
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidBudget(pub(crate) BudgetFlaw);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BudgetFlaw {
    Share { repeats: u32, calls: u32 },
    Reserve { start: u32, cap: u32 },
}

impl fmt::Display for InvalidBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            BudgetFlaw::Share { repeats, calls } => write!(
                f,
                "a budget of {repeats} repeats for {calls} calls is out of range: calls must be from 2 to {MOST_CALLS}, \
                 repeats from 1 to one less than calls"
            ),
            BudgetFlaw::Reserve { start, cap } => write!(
                f,
                "a budget's reserve of {start}..={cap} permits is out of range: the cap must be from 1 to {MOST_PERMITS}, \
                 the start from 0 to the cap"
            ),
        }
    }
}

impl Error for InvalidBudget {}
