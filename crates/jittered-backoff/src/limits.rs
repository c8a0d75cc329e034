//! When to stop.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::error::{InvalidLimits, LONGEST_WAIT};

/// How many attempts a session has, and how much time.
///
/// Arithmetic only: whoever makes the attempts tells it the time. The default is three attempts within 90 s.
///
/// The deadline is asked before each repeat. It does not cut an attempt that is under way: that is for whoever makes the
/// attempts, or for a timeout ([`BackoffPolicy`](crate::BackoffPolicy) can't).
///
/// ```
/// use std::time::Duration;
///
/// use jittered_backoff::Limits;
///
/// let limits = Limits::new().with_attempts(5)?.with_deadline(Duration::from_secs(30));
/// let (elapsed, wait) = (Duration::from_secs(20), Duration::from_secs(4));
/// assert!(limits.fits(4, elapsed, wait), "the fifth attempt starts at 24 s");
/// assert!(!limits.fits(5, elapsed, wait), "there is no sixth");
/// assert!(!limits.fits(1, elapsed, Duration::from_secs(10)), "no time is left at 30 s");
/// # Ok::<(), jittered_backoff::InvalidLimits>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    attempts: NonZeroU32,
    deadline: Option<Duration>,
}

impl Limits {
    /// Three attempts within 90 s.
    #[must_use]
    pub const fn new() -> Self {
        Self { attempts: NonZeroU32::MIN.saturating_add(2), deadline: Some(Duration::from_secs(90)) }
    }

    /// How many attempts are made at most, the first included: 1 (no repeat) to `u32::MAX`.
    ///
    /// # Errors
    ///
    /// If `attempts` is zero.
    pub const fn with_attempts(self, attempts: u32) -> Result<Self, InvalidLimits> {
        match NonZeroU32::new(attempts) {
            Some(attempts) => Ok(Self { attempts, ..self }),
            None => Err(InvalidLimits::NO_ATTEMPT),
        }
    }

    /// How long after the session's first attempt started its last may start. Any value; zero allows no repeat.
    #[must_use]
    pub const fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline: Some(deadline), ..self }
    }

    /// Only the number of attempts ends the session.
    #[must_use]
    pub const fn without_deadline(self) -> Self {
        Self { deadline: None, ..self }
    }

    /// How many attempts are made at most, the first included.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts.get()
    }

    /// How long after the first attempt started the last may start.
    #[must_use]
    pub const fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// Whether, `made` attempts having failed and `elapsed` having passed since the first one started, another may be made
    /// after waiting `wait`.
    ///
    /// If not, give up at once with the last result: waiting first would change nothing. An attempt that would start at the
    /// deadline itself has no time left and doesn't fit. A wait above 24 hours
    /// ([`Backoff::MAX_CAP`](crate::Backoff::MAX_CAP)) never fits, deadline or none: one absurd Retry-After must not park a
    /// caller for good.
    #[must_use]
    pub fn fits(&self, made: u32, elapsed: Duration, wait: Duration) -> bool {
        let in_time = match self.deadline {
            Some(deadline) => elapsed.saturating_add(wait) < deadline,
            None => true,
        };
        made < self.attempts() && wait <= LONGEST_WAIT && in_time
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}
