//! What holds while the server is away.

use crate::quotas::Quotas;

/// What a limiter of a fleet does while its server is away.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fallback {
    /// This process has quotas of its own: its share of the fleet's, say. What it has released under the fleet's counts
    /// in them, and the server is told when it is back what was released meanwhile. A call that costs more than they have is
    /// refused at once.
    Local(Quotas),
    /// Calls fail at once, those that wait included, with [`RateLimited`](crate::RateLimited).
    Refuse,
    /// Calls are released without a limit.
    Allow,
}

impl Fallback {
    /// [`Local`](Self::Local), from one quota or several.
    pub fn local(quotas: impl Into<Quotas>) -> Self {
        Self::Local(quotas.into())
    }
}
