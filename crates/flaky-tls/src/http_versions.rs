//! The versions of HTTP that are spoken.

use crate::truth::Protocol;

/// The versions of HTTP that the server offers by ALPN (RFC 7301).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HttpVersions {
    /// HTTP/1.1 only.
    #[default]
    Http1,
    /// HTTP/2 only. It is spoken with a client that has no ALPN, too.
    Http2,
    /// HTTP/2 before HTTP/1.1. With a client that has no ALPN HTTP/1.1 is spoken.
    Both,
}

impl HttpVersions {
    /// The names for ALPN, the preferred one first.
    pub(crate) fn alpn(self) -> Vec<Vec<u8>> {
        let names: &[&[u8]] = match self {
            Self::Http1 => &[b"http/1.1"],
            Self::Http2 => &[b"h2"],
            Self::Both => &[b"h2", b"http/1.1"],
        };
        names.iter().map(|name| name.to_vec()).collect()
    }

    /// What is spoken, with the name that was agreed on.
    pub(crate) fn chosen(self, alpn: Option<&[u8]>) -> Protocol {
        match (alpn, self) {
            (Some(b"h2"), _) | (None, Self::Http2) => Protocol::Http2,
            _ => Protocol::Http1,
        }
    }
}
