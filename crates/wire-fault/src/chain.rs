//! The true chain of causes.

use std::error::Error;
use std::io;
use std::sync::Arc;

use hyper_util::client::legacy;

use crate::mark::Mark;

/// How many links are walked at most, so that a chain that bites its tail ends.
const DEPTH: usize = 64;

/// Iterates over an error and its causes, outermost first.
///
/// [`io::Error::source`] skips the error that an `io::Error` carries and goes on with *its* source; the TLS handshake's
/// end of file is such a carried error. This walk takes [`io::Error::get_ref`] first, so nothing is skipped.
///
/// An `Arc` or a `Box` of an error is an error as well, of a type of its own, and its `source` is the *inner* error's: the
/// error pointed at is skipped, and with it what only its type can tell. The walk yields that error in the pointer's place
/// for the types that are read: `io::Error`, hyper's and hyper-util's, [`Mark`], and `Arc<dyn Error>`.
///
/// It ends after 64 links.
///
/// ```
/// use std::io;
///
/// let eof = io::Error::new(io::ErrorKind::UnexpectedEof, "tls handshake eof");
/// let outer = io::Error::other(eof);
/// let kinds: Vec<_> = wire_fault::chain(&outer)
///     .filter_map(|e| e.downcast_ref::<io::Error>())
///     .map(io::Error::kind)
///     .collect();
/// assert_eq!(kinds, [io::ErrorKind::Other, io::ErrorKind::UnexpectedEof]);
/// ```
pub fn chain<'a>(error: &'a (dyn Error + 'static)) -> Chain<'a> {
    Chain { next: Some(error), left: DEPTH }
}

/// The first error of a type in an error's chain of causes.
///
/// Also where a wrapper hides the error's type, if its [`Mark`] carries a copy of it
/// ([`with_bearer`](Mark::with_bearer)).
///
/// ```
/// use std::io;
///
/// let error = io::Error::other(std::fmt::Error);
/// assert!(wire_fault::find::<std::fmt::Error>(&error).is_some());
/// assert!(wire_fault::find::<std::num::ParseIntError>(&error).is_none());
/// ```
pub fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    chain(error).find_map(|link| {
        let own = link.downcast_ref::<T>();
        own.or_else(|| link.downcast_ref::<Mark>().and_then(Mark::bearer))
    })
}

/// The iterator of [`chain`].
#[derive(Clone, Debug)]
pub struct Chain<'a> {
    next: Option<&'a (dyn Error + 'static)>,
    left: usize,
}

impl<'a> Iterator for Chain<'a> {
    type Item = &'a (dyn Error + 'static);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let error = pointee(self.next.take()?);
        self.next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(carried) => Some(carried),
            None => error.source(),
        };
        Some(error)
    }
}

/// The error that a pointer to one stands for.
fn pointee<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut error = error;
    // Pointers to pointers end as well: each step goes inwards, and a depth beyond this is nobody's error.
    for _ in 0..DEPTH {
        let inner = shared(error)
            .or_else(|| pointer::<io::Error>(error))
            .or_else(|| pointer::<hyper::Error>(error))
            .or_else(|| pointer::<legacy::Error>(error))
            .or_else(|| pointer::<Mark>(error));
        match inner {
            Some(inner) => error = inner,
            None => break,
        }
    }
    error
}

fn pointer<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let boxed = error.downcast_ref::<Box<T>>().map(|inner| &**inner as &(dyn Error + 'static));
    boxed.or_else(|| error.downcast_ref::<Arc<T>>().map(|inner| &**inner as _))
}

fn shared<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(inner) = error.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
        return Some(&**inner);
    }
    if let Some(inner) = error.downcast_ref::<Arc<dyn Error + Send>>() {
        return Some(&**inner);
    }
    error.downcast_ref::<Arc<dyn Error>>().map(|inner| &**inner as _)
}
