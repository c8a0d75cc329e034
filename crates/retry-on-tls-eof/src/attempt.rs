//! What a response tells of the attempts before it.

use std::fmt;

use wire_fault::Fault;

/// Which attempt of its call this is, from 1: an extension of each request sent and of the response handed back.
///
/// ```
/// use retry_on_tls_eof::Attempt;
///
/// assert_eq!(Attempt::FIRST.get(), 1);
/// assert_eq!(Attempt::FIRST.next().to_string(), "2");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Attempt(u32);

impl Attempt {
    /// The first one.
    pub const FIRST: Self = Self(1);

    /// The one after this.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Its number, from 1.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How the last attempt before this one failed whose request may have landed: an extension of the response.
///
/// A `DELETE` that was repeated after one may find nothing left to delete: a 404 or 410 that carries this is a success, as
/// far as anybody can know. An attempt that was answered 408, 429 or 5xx and repeated counts, too: the server may have acted.
/// Never present if every failed attempt was proven unsent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EarlierFault(pub Fault);
