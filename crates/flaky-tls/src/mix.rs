//! A weighted choice of scenarios.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use crate::names::UnknownScenario;
use crate::scenario::Scenario;

/// Scenarios with their weights.
///
/// A weight is a share of the sum of all: any whole number from 1 to `u32::MAX`. Read from text as
/// `healthy=8,cut-body-rst=1`.
///
/// ```
/// use flaky_tls::{InvalidMix, Mix, Scenario};
///
/// let mix = Mix::new([(Scenario::Healthy, 8)])?;
/// assert_eq!("healthy=8".parse::<Mix>()?, mix);
/// assert_eq!(Mix::new([]), Err(InvalidMix::Empty));
/// # Ok::<(), InvalidMix>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mix {
    entries: Box<[(Scenario, u32)]>,
    total: u64,
}

impl Mix {
    /// A mix of these scenarios.
    ///
    /// # Errors
    ///
    /// With no entry at all, or with a weight of zero.
    pub fn new(entries: impl IntoIterator<Item = (Scenario, u32)>) -> Result<Self, InvalidMix> {
        let entries: Box<[_]> = entries.into_iter().collect();
        if entries.is_empty() {
            return Err(InvalidMix::Empty);
        }
        if let Some(&(scenario, _)) = entries.iter().find(|(_, weight)| *weight == 0) {
            return Err(InvalidMix::ZeroWeight { scenario });
        }
        let total = entries.iter().map(|&(_, weight)| u64::from(weight)).sum();
        Ok(Self { entries, total })
    }

    /// The entries, as they were given.
    #[must_use]
    pub fn entries(&self) -> &[(Scenario, u32)] {
        &self.entries
    }

    /// The scenario that a uniformly drawn number falls on.
    pub(crate) fn pick(&self, drawn: u64) -> Scenario {
        // Multiply and shift (Lemire 2019): maps the draw onto 0..total with a bias below total / 2^64.
        let mut at = ((u128::from(drawn) * u128::from(self.total)) >> 64) as u64;
        for &(scenario, weight) in &self.entries {
            if at < u64::from(weight) {
                return scenario;
            }
            at -= u64::from(weight);
        }
        Scenario::Healthy // `at` starts below the sum of all weights, so the loop has returned.
    }
}

impl FromStr for Mix {
    type Err = InvalidMix;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut entries = Vec::new();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let Some((name, weight)) = entry.split_once('=') else {
                return Err(InvalidMix::Syntax { entry: entry.into() });
            };
            let scenario = name.trim().parse().map_err(InvalidMix::Unknown)?;
            let weight = weight.trim();
            let parsed =
                weight.parse().map_err(|_| InvalidMix::Weight { scenario, weight: weight.into() })?;
            entries.push((scenario, parsed));
        }
        Self::new(entries)
    }
}

/// Why a [`Mix`] can't be made.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidMix {
    /// It has no entry.
    Empty,
    /// A weight is zero.
    ZeroWeight {
        /// Whose.
        scenario: Scenario,
    },
    /// A weight, given as text, is not a whole number within range.
    Weight {
        /// Whose.
        scenario: Scenario,
        /// The text.
        weight: Box<str>,
    },
    /// An entry, given as text, is not of the form `name=weight`.
    Syntax {
        /// The text.
        entry: Box<str>,
    },
    /// A name that no scenario has.
    Unknown(UnknownScenario),
}

impl fmt::Display for InvalidMix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range = "a weight is a whole number from 1 to 4294967295";
        match self {
            Self::Empty => f.write_str("the mix is empty; it needs at least one scenario"),
            Self::ZeroWeight { scenario } => write!(f, "the weight of {scenario} is 0; {range}"),
            Self::Weight { scenario, weight } => write!(f, "the weight of {scenario} is {weight:?}; {range}"),
            Self::Syntax { entry } => write!(f, "{entry:?} is not of the form name=weight"),
            Self::Unknown(unknown) => unknown.fmt(f),
        }
    }
}

impl Error for InvalidMix {}
