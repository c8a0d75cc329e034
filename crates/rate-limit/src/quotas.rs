//! Several quotas as one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::quota::{Flaw, InvalidQuota, Quota};

/// As many as a limiter asks before each release.
const MOST: usize = 8;

/// One or several quotas that hold at once: a call is released when all of them allow it, and counts in each.
///
/// ```
/// use rate_limit::{Limiter, Quota, Quotas};
///
/// # fn main() -> Result<(), rate_limit::InvalidQuota> {
/// // 10 in any second, and 60 in any minute:
/// let quotas = Quota::per_second(10)?.and(Quota::per_minute(60)?)?;
/// assert_eq!(quotas.to_string(), "10 per 1s and 60 per 60s");
/// let limiter = Limiter::new(quotas);
///
/// // Every 100 ms one, and no more than 60 in any minute:
/// Quotas::new([Quota::per_second(10)?.spaced(), Quota::per_minute(60)?])?;
/// # drop(limiter);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Quotas {
    list: Arc<[Quota]>,
}

impl Quota {
    /// This quota and another at once, "10 per second and 60 per minute" say. For more than two see
    /// [`Quotas::new`].
    ///
    /// # Errors
    ///
    /// If both are spaced.
    pub fn and(self, other: Self) -> Result<Quotas, InvalidQuota> {
        Quotas::new([self, other])
    }
}

impl Quotas {
    /// All of these quotas at once.
    ///
    /// # Errors
    ///
    /// Unless there are from 1 to 8 of them, and at most one is [spaced](Quota::spaced).
    ///
    /// ```
    /// use rate_limit::{Quota, Quotas};
    ///
    /// # fn main() -> Result<(), rate_limit::InvalidQuota> {
    /// let spaced = Quota::per_second(10)?.spaced();
    /// let refused = Quotas::new([spaced, spaced]).unwrap_err();
    /// assert_eq!(refused.to_string(), "2 of the quotas are spaced: at most 1 may be");
    /// let refused = Quotas::new([]).unwrap_err();
    /// assert_eq!(refused.to_string(), "0 quotas at once are out of range: there must be from 1 to 8");
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(quotas: impl IntoIterator<Item = Quota>) -> Result<Self, InvalidQuota> {
        let mut list: Vec<_> = quotas.into_iter().collect();
        // A spaced one is asked last: governor's record can't be undone.
        list.sort_by_key(Quota::is_spaced);
        if list.is_empty() || list.len() > MOST {
            return Err(InvalidQuota(Flaw::Number { quotas: list.len(), most: MOST }));
        }
        match list.iter().filter(|quota| quota.is_spaced()).count() {
            0 | 1 => Ok(Self { list: list.into() }),
            spaced => Err(InvalidQuota(Flaw::Spaced(spaced))),
        }
    }

    /// The quotas; a spaced one is the last.
    pub fn iter(&self) -> impl Iterator<Item = &Quota> {
        self.list.iter()
    }

    /// The most permits one call can ask for: those of the smallest quota.
    #[must_use]
    pub fn most(&self) -> u32 {
        self.list.iter().map(Quota::n).min().unwrap_or(1)
    }

    /// The longest window, guard included.
    #[must_use]
    pub fn window(&self) -> Duration {
        self.list.iter().map(Quota::window).max().unwrap_or_default()
    }

    /// The shortest interval.
    pub(crate) fn interval(&self) -> Duration {
        self.list.iter().map(Quota::interval).min().unwrap_or_default()
    }
}

impl From<Quota> for Quotas {
    fn from(quota: Quota) -> Self {
        Self { list: Arc::new([quota]) }
    }
}

/// "10 per 1s and 60 per 60s".
impl fmt::Display for Quotas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, quota) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str(" and ")?;
            }
            quota.fmt(f)?;
        }
        Ok(())
    }
}
