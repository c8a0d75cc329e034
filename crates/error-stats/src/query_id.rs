//! What the server calls a query.

use std::error::Error;
use std::fmt;
use std::str;

use http::{HeaderMap, HeaderName, HeaderValue, Response};
use wire_fault::chain;

/// The header that carries a query's id, unless the user says otherwise: OVHcloud's.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-ovh-queryid");

/// The longest id kept. OVHcloud's have some 40 characters.
const LONGEST: usize = 64;

/// The server's own name for a query: its support asks for it.
///
/// Kept of the last failure. It is read from a header of the response
/// ([`with_query_id_header`](crate::ErrorStats::with_query_id_header)), or found as an extension of the
/// response, or as a link in an error's chain of causes: a layer that makes an error of a response puts it
/// there.
///
/// Visible ASCII, 1 to 64 bytes, kept in place: no allocation.
///
/// ```
/// use error_stats::QueryId;
///
/// let id = QueryId::new("EU.ext-3.5f0c4b1d.12345.0123456789abcdef").unwrap();
/// assert_eq!(id.to_string(), "query id EU.ext-3.5f0c4b1d.12345.0123456789abcdef");
/// assert_eq!(QueryId::new("two words"), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct QueryId {
    bytes: [u8; LONGEST],
    length: u8,
}

impl QueryId {
    /// The id, or none if it is empty, longer than 64 bytes or not visible ASCII: no id that could be quoted.
    #[must_use]
    pub fn new(id: &str) -> Option<Self> {
        let accepted = (1..=LONGEST).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
        if !accepted {
            return None;
        }
        let mut bytes = [0; LONGEST];
        bytes[..id.len()].copy_from_slice(id.as_bytes());
        Some(Self { bytes, length: id.len() as u8 })
    }

    /// The id itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Always text: it was checked to be ASCII.
        str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }

    pub(crate) fn of_response<B>(response: &Response<B>, header: &HeaderName) -> Option<Self> {
        Self::of_headers(response.headers(), header).or_else(|| response.extensions().get().copied())
    }

    pub(crate) fn of_headers(headers: &HeaderMap, header: &HeaderName) -> Option<Self> {
        let value = headers.get(header).map(HeaderValue::to_str);
        value.and_then(Result::ok).and_then(|id| Self::new(id.trim()))
    }

    pub(crate) fn of_error(error: &(dyn Error + 'static)) -> Option<Self> {
        chain(error).find_map(|node| node.downcast_ref()).copied()
    }
}

/// "query id EU.ext-3.…": reads well in a chain of causes.
impl fmt::Display for QueryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "query id {}", self.as_str())
    }
}

impl fmt::Debug for QueryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("QueryId").field(&self.as_str()).finish()
    }
}

/// So that it can be a link in an error's chain of causes.
impl Error for QueryId {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_quoted_is_no_id() {
        let longest = "x".repeat(LONGEST);
        assert_eq!(QueryId::new(&longest).unwrap().as_str(), longest);
        for refused in ["", " ", "a b", "a\nb", "é", &"x".repeat(LONGEST + 1)] {
            assert_eq!(QueryId::new(refused), None, "{refused:?}");
        }
    }
}
