//! What the server calls a query.

use std::fmt;
use std::str;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The longest id kept. OVHcloud's have some 40 characters.
const LONGEST: usize = 64;

/// The server's own name for a query: its support asks for it.
///
/// It is read off a response's headers. A layer that makes an error of a response states it in the error's [`Mark`](crate::Mark).
///
/// Visible ASCII, 1 to 64 bytes, kept in place: no allocation.
///
/// ```
/// use http::{HeaderMap, HeaderValue};
/// use wire_fault::{Mark, QueryId, Verdict};
///
/// let mut headers = HeaderMap::new();
/// headers.insert("X-Ovh-Queryid", HeaderValue::from_static("EU.ext-3.5f0c4b1d.12345.0123456789abcdef"));
/// let id = QueryId::in_headers(&headers, &QueryId::HEADER).unwrap();
/// assert_eq!(id.as_str(), "EU.ext-3.5f0c4b1d.12345.0123456789abcdef");
///
/// let error = Mark::verdict(Verdict::Exhausted).with_query_id(id);
/// assert_eq!(QueryId::of(&error), Some(id));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct QueryId {
    bytes: [u8; LONGEST],
    length: u8,
}

impl QueryId {
    /// The header in which OVHcloud's API names a query: `X-Ovh-Queryid`.
    pub const HEADER: HeaderName = HeaderName::from_static("x-ovh-queryid");

    /// The id, or none if it is empty, longer than 64 bytes or not visible ASCII: no id that could be quoted.
    ///
    /// ```
    /// assert_eq!(wire_fault::QueryId::new("two words"), None);
    /// ```
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

    /// The id in this header of a response.
    #[must_use]
    pub fn in_headers(headers: &HeaderMap, name: &HeaderName) -> Option<Self> {
        let value = headers.get(name).map(HeaderValue::to_str)?.ok()?;
        Self::new(value.trim())
    }

    /// The id itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Always text: it was checked to be ASCII.
        str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }
}

impl fmt::Display for QueryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for QueryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("QueryId").field(&self.as_str()).finish()
    }
}

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
