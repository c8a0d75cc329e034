//! Why a call is not released, whatever it would wait.

#[cfg(feature = "redis")]
use crate::redis::Away;

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Its cost is above the quota.
    Cost,
    /// A pause was asked for that is longer than calls wait for.
    Pause,
    /// It has waited as long as it would.
    Wait,
    /// The server of its fleet is away.
    #[cfg(feature = "redis")]
    Away(Away),
    /// The same, and its cost is above what can be had meanwhile.
    #[cfg(feature = "redis")]
    Share(Away),
}
