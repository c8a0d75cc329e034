//! How a layer that is generic over its error type reaches the error itself.

use std::error::Error;

use crate::fault::Fault;

/// Marks an error type that implements [`Error`] itself.
#[derive(Clone, Copy, Debug)]
pub enum Plain {}

/// Marks an error type that is a box around one, as tower's `BoxError` is.
#[derive(Clone, Copy, Debug)]
pub enum Boxed {}

/// An error type whose fault can be read.
///
/// `Box<dyn Error + Send + Sync>` does not implement [`Error`], so one blanket implementation can't serve both it and
/// every other error. The parameter `M` tells the two apart ([`Plain`] or [`Boxed`]); a layer carries it, and the
/// compiler infers it where the layer is used. For a type that neither serves, `anyhow::Error` say, implement it with a
/// marker of your own.
///
/// ```
/// use wire_fault::{AsFault, Fault};
///
/// fn read<E: AsFault<M>, M>(error: &E) -> Fault {
///     error.as_fault()
/// }
///
/// let plain = std::io::Error::other("plain");
/// let boxed: Box<dyn std::error::Error + Send + Sync> = "boxed".into();
/// assert_eq!(read(&plain), read(&boxed));
/// ```
pub trait AsFault<M> {
    /// The error, as its chain of causes begins.
    fn as_error(&self) -> &(dyn Error + 'static);

    /// The fault read off it.
    fn as_fault(&self) -> Fault {
        Fault::of(self.as_error())
    }
}

impl<E: Error + 'static> AsFault<Plain> for E {
    fn as_error(&self) -> &(dyn Error + 'static) {
        self
    }
}

impl AsFault<Boxed> for Box<dyn Error + Send + Sync> {
    fn as_error(&self) -> &(dyn Error + 'static) {
        &**self
    }
}

impl AsFault<Boxed> for Box<dyn Error + Send> {
    fn as_error(&self) -> &(dyn Error + 'static) {
        &**self
    }
}

impl AsFault<Boxed> for Box<dyn Error> {
    fn as_error(&self) -> &(dyn Error + 'static) {
        &**self
    }
}
