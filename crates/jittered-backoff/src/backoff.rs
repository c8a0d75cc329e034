//! The description of a session's waits.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::delays::Delays;
use crate::error::{BackoffFlaw, FACTORS, InvalidBackoff, LONGEST_WAIT};
use crate::jitter::Jitter;
use crate::seeds::random_seed;

/// How long to wait before each repeat: from a base, growing by a factor, up to a cap, spread by a [`Jitter`].
///
/// A description, with no state: [`delays`](Self::delays) makes the stream one session draws from.
///
/// The default is [decorrelated](Jitter::Decorrelated) from 2 s to 10 s: what users of the OVHcloud API wait today between
/// attempts, spread.
///
/// ```
/// use std::time::Duration;
///
/// use jittered_backoff::Backoff;
///
/// let backoff = Backoff::default();
/// assert_eq!(backoff.base()..=backoff.cap(), Duration::from_secs(2)..=Duration::from_secs(10));
/// assert!(backoff.delays(42).take(1000).all(|wait| backoff.base() <= wait && wait <= backoff.cap()));
///
/// // A constant wait is one whose base is its cap.
/// let second = Duration::from_secs(1);
/// let constant = Backoff::exponential(second..=second)?;
/// assert!(constant.delays(42).take(10).all(|wait| wait == second));
/// # Ok::<(), jittered_backoff::InvalidBackoff>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    base: u64,
    cap: u64,
    /// `None`: the jitter's own.
    factor: Option<f64>,
    jitter: Jitter,
}

impl Backoff {
    /// The longest cap there is: 24 hours. Also the longest wait [`Limits`](crate::Limits) let pass.
    pub const MAX_CAP: Duration = LONGEST_WAIT;

    /// Waits that grow from the base to the cap (both included), decorrelated.
    ///
    /// The base is from 1 ns to the cap, the cap at most [`MAX_CAP`](Self::MAX_CAP).
    ///
    /// # Errors
    ///
    /// If the base is zero (it would stay zero however often it grows), or above the cap; if the cap is above
    /// [`MAX_CAP`](Self::MAX_CAP).
    pub fn exponential(base_to_cap: RangeInclusive<Duration>) -> Result<Self, InvalidBackoff> {
        let (base, cap) = base_to_cap.into_inner();
        if cap > LONGEST_WAIT {
            return Err(InvalidBackoff(BackoffFlaw::Cap(cap)));
        }
        if base > cap {
            return Err(InvalidBackoff(BackoffFlaw::BaseAboveCap { base, cap }));
        }
        if base.is_zero() {
            return Err(InvalidBackoff(BackoffFlaw::ZeroBase));
        }
        // Both are at most 24 hours: 8.64e13 ns.
        let nanos = |time: Duration| time.as_nanos() as u64;
        Ok(Self { base: nanos(base), cap: nanos(cap), factor: None, jitter: Jitter::Decorrelated })
    }

    /// By how much waits grow: 1 (not at all) to 100.
    ///
    /// Unset, it is 2, and 3 for [`Jitter::Decorrelated`], which has it from the formula's author. For that one it is the
    /// largest ratio of a wait to the one before.
    ///
    /// # Errors
    ///
    /// If the factor is outside that range, infinite, or not a number.
    pub fn with_factor(self, factor: f64) -> Result<Self, InvalidBackoff> {
        if !FACTORS.contains(&factor) {
            return Err(InvalidBackoff(BackoffFlaw::Factor(factor)));
        }
        Ok(Self { factor: Some(factor), ..self })
    }

    /// How the waits are spread.
    #[must_use]
    pub const fn with_jitter(self, jitter: Jitter) -> Self {
        Self { jitter, ..self }
    }

    /// Where the waits start. Of [`Full`](Jitter::Full) and [`Equal`](Jitter::Equal) jitter it is the first ceiling, not the
    /// shortest wait.
    #[must_use]
    pub const fn base(&self) -> Duration {
        Duration::from_nanos(self.base)
    }

    /// What no wait exceeds.
    #[must_use]
    pub const fn cap(&self) -> Duration {
        Duration::from_nanos(self.cap)
    }

    /// By how much waits grow.
    #[must_use]
    pub const fn factor(&self) -> f64 {
        match (self.factor, self.jitter) {
            (Some(factor), _) => factor,
            (None, Jitter::Decorrelated) => 3.0,
            (None, Jitter::None | Jitter::Full | Jitter::Equal) => 2.0,
        }
    }

    /// How the waits are spread.
    #[must_use]
    pub const fn jitter(&self) -> Jitter {
        self.jitter
    }

    /// The waits of one session. The same seed gives the same waits; any seed is as good as another.
    ///
    /// [`Seeds`](crate::Seeds) gives each of many sessions its own.
    #[must_use]
    pub fn delays(&self, seed: u64) -> Delays {
        Delays::new(self.base, self.cap, self.factor(), self.jitter, seed)
    }

    /// The waits of one session, from a seed no other session has: drawn from the operating system's randomness.
    #[must_use]
    pub fn delays_from_os(&self) -> Delays {
        self.delays(random_seed())
    }
}

impl Default for Backoff {
    fn default() -> Self {
        let second: u64 = 1_000_000_000;
        Self { base: 2 * second, cap: 10 * second, factor: None, jitter: Jitter::Decorrelated }
    }
}
