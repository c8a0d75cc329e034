//! The true chain of causes.

use std::error::Error;
use std::io;

/// How many links are walked at most, so that a chain that bites its tail ends.
const DEPTH: usize = 64;

/// Iterates over an error and its causes, outermost first.
///
/// [`io::Error::source`] skips the error that an `io::Error` carries and goes on with *its* source; the TLS handshake's
/// end of file is such a carried error. This walk takes [`io::Error::get_ref`] first, so nothing is skipped. It ends
/// after 64 links.
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
        let error = self.next.take()?;
        self.next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(carried) => Some(carried),
            None => error.source(),
        };
        Some(error)
    }
}
