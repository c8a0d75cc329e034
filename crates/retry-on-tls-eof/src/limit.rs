//! What a call has come to the end of.

/// Why a call that a repeat could heal is not repeated.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    Attempts,
    /// It has passed, or leaves no room for the wait and an attempt after it.
    Deadline,
    /// What a server asks for is longer than any call waits, deadline or none.
    Wait,
    Budget,
}

impl Limit {
    /// As events have it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
            Self::Deadline => "deadline",
            Self::Wait => "wait",
            Self::Budget => "budget",
        }
    }
}
