//! How many calls in which time.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// The most calls per period. An exact window keeps one entry of 16 bytes per call, so this is 16 MB.
const MOST: u32 = 1_000_000;

/// The longest window: a leap year. It keeps every sum of an instant and a window far from overflow.
pub(crate) const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// How many calls may be released in which time.
///
/// A plain quota is **exact**: of any `n + 1` releases in a row, the last comes at least one window after the
/// first, to the nanosecond. In other words, no half-open stretch of time `[t, t + window)` ever holds more
/// than `n` releases, from the very first one on, wherever it begins; and after a pause of one window `n` are
/// free at once.
///
/// [`spaced`](Self::spaced) spreads the releases evenly instead; [`with_guard`](Self::with_guard) lengthens
/// the window.
///
/// ```
/// use std::time::Duration;
///
/// use rate_limit::Quota;
///
/// # fn main() -> Result<(), rate_limit::InvalidQuota> {
/// let quota = Quota::per_second(10)?.with_guard(Duration::from_millis(50))?;
/// assert_eq!(quota.n(), 10);
/// assert_eq!(quota.window(), Duration::from_millis(1050));
/// assert_eq!(quota.to_string(), "10 per 1s (guard 50ms)");
///
/// // The minimum interval that many clients use today:
/// assert_eq!(Quota::per_second(10)?.spaced().interval(), Duration::from_millis(100));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    n: u32,
    period: Duration,
    guard: Duration,
    spaced: bool,
}

impl Quota {
    /// `n` calls per second.
    ///
    /// # Errors
    ///
    /// Unless `n` is from 1 to 1,000,000.
    pub const fn per_second(n: u32) -> Result<Self, InvalidQuota> {
        Self::new(n, Duration::from_secs(1))
    }

    /// `n` calls per minute.
    ///
    /// # Errors
    ///
    /// Unless `n` is from 1 to 1,000,000.
    pub const fn per_minute(n: u32) -> Result<Self, InvalidQuota> {
        Self::new(n, Duration::from_secs(60))
    }

    /// `n` calls per `period`.
    ///
    /// # Errors
    ///
    /// Unless `n` is from 1 to 1,000,000 and `period` from 1 ns to 366 days.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use rate_limit::Quota;
    ///
    /// let refused = Quota::new(0, Duration::from_secs(1)).unwrap_err();
    /// assert_eq!(refused.to_string(), "a quota of 0 calls is out of range: it must be from 1 to 1000000");
    /// let refused = Quota::new(10, Duration::ZERO).unwrap_err();
    /// assert_eq!(
    ///     refused.to_string(),
    ///     "a quota's period of 0ns is out of range: it must be from 1ns to 31622400s (366 days)"
    /// );
    /// ```
    pub const fn new(n: u32, period: Duration) -> Result<Self, InvalidQuota> {
        if n == 0 || n > MOST {
            return Err(InvalidQuota(Flaw::N(n)));
        }
        if period.is_zero() || period.as_nanos() > LONGEST.as_nanos() {
            return Err(InvalidQuota(Flaw::Period(period)));
        }
        Ok(Self { n, period, guard: Duration::ZERO, spaced: false })
    }

    /// Spreads the releases evenly: each at least [`interval`](Self::interval) after the one before.
    ///
    /// The interval is rounded *up* to the nanosecond, so the exact quota is kept too; what is lost is the
    /// burst after a pause. tokio's timer has a granularity of 1 ms, so above some 100 per second a
    /// spaced quota no longer reaches its rate while callers wait.
    #[must_use]
    pub const fn spaced(self) -> Self {
        Self { spaced: true, ..self }
    }

    /// Lengthens the window by `jitter`, how much the network's delay varies.
    ///
    /// Calls that leave one second apart can arrive 0.95 s apart, and a strict server then refuses some
    /// (measured: 8 to 18 % at 10 per second and 50 ms of jitter). With a guard of that jitter it refuses
    /// none, at 9.5 per second.
    ///
    /// # Errors
    ///
    /// If period and `jitter` together are longer than 366 days.
    pub const fn with_guard(self, jitter: Duration) -> Result<Self, InvalidQuota> {
        match self.period.checked_add(jitter) {
            Some(window) if window.as_nanos() <= LONGEST.as_nanos() => Ok(Self { guard: jitter, ..self }),
            _ => Err(InvalidQuota(Flaw::Guard { jitter, period: self.period })),
        }
    }

    /// The calls per period.
    #[must_use]
    pub const fn n(&self) -> u32 {
        self.n
    }

    /// The period, without the guard.
    #[must_use]
    pub const fn period(&self) -> Duration {
        self.period
    }

    /// The stretch of time that holds at most `n` releases: period and guard.
    #[must_use]
    pub const fn window(&self) -> Duration {
        self.period.saturating_add(self.guard)
    }

    /// The window divided by `n`, rounded up to the nanosecond: the mean distance of releases at the full
    /// rate, and the least distance if they are spaced.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        // At most 366 days, 3.2e16 ns: fits.
        Duration::from_nanos(self.window().as_nanos().div_ceil(self.n as u128) as u64)
    }

    /// Whether the releases are spread evenly.
    #[must_use]
    pub const fn is_spaced(&self) -> bool {
        self.spaced
    }
}

/// "10 per 1s (spaced, guard 50ms)".
impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} per {:?}", self.n, self.period)?;
        match (self.spaced, self.guard.is_zero()) {
            (false, true) => Ok(()),
            (true, true) => f.write_str(" (spaced)"),
            (false, false) => write!(f, " (guard {:?})", self.guard),
            (true, false) => write!(f, " (spaced, guard {:?})", self.guard),
        }
    }
}

/// A [`Quota`], or [`Quotas`](crate::Quotas), that can't be: the message names the value and the accepted range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidQuota(pub(crate) Flaw);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    N(u32),
    Period(Duration),
    Guard { jitter: Duration, period: Duration },
    Number { quotas: usize, most: usize },
    Spaced(usize),
}

impl fmt::Display for InvalidQuota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Flaw::N(n) => write!(f, "a quota of {n} calls is out of range: it must be from 1 to {MOST}"),
            Flaw::Period(period) => write!(
                f,
                "a quota's period of {period:?} is out of range: it must be from 1ns to {LONGEST:?} (366 days)"
            ),
            Flaw::Guard { jitter, period } => write!(
                f,
                "a guard of {jitter:?} is too long for a period of {period:?}: together they must be at most \
                 {LONGEST:?} (366 days)"
            ),
            Flaw::Number { quotas, most } => {
                write!(f, "{quotas} quotas at once are out of range: there must be from 1 to {most}")
            }
            Flaw::Spaced(spaced) => write!(f, "{spaced} of the quotas are spaced: at most 1 may be"),
        }
    }
}

impl Error for InvalidQuota {}
