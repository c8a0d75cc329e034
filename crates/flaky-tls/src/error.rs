//! Why the server can't start.

use std::error::Error;
use std::fmt;

/// The server could not start: the port can't be bound, or the certificates can't be made.
#[derive(Debug)]
pub struct StartError {
    doing: &'static str,
    source: Box<dyn Error + Send + Sync>,
}

impl StartError {
    /// Wraps what went wrong while `doing`; made for `map_err`.
    pub(crate) fn when<E: Into<Box<dyn Error + Send + Sync>>>(
        doing: &'static str,
    ) -> impl Fn(E) -> Self + Copy {
        move |source| Self { doing, source: source.into() }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed: {}", self.doing, self.source)
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}
