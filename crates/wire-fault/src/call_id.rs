//! What joins the attempts of one call.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Names a call, within this process.
///
/// A request extension. The outermost layer that needs it inserts one where there is none; a repeat keeps it, so that
/// the attempts of one call can be joined.
///
/// ```
/// use wire_fault::CallId;
///
/// let mut extensions = http::Extensions::new();
/// let id = CallId::of(&mut extensions);
/// assert_eq!(CallId::of(&mut extensions), id);
/// assert_ne!(CallId::next(), id);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(u64);

impl CallId {
    /// A name that no call of this process has had.
    #[must_use]
    pub fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// The name in a request's extensions; a new one is put there if there is none.
    pub fn of(extensions: &mut http::Extensions) -> Self {
        *extensions.get_or_insert_with(Self::next)
    }

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
