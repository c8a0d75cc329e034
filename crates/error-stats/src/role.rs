//! Which of the two layers.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Calls,
    Attempts,
}
