//! A link of a synthetic chain of errors, and the texts that are worth putting into one: for the property tests and the fuzzer.

use std::error::Error;
use std::fmt;

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// An error of no known type.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) text: String,
    pub(crate) source: Option<BoxError>,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Link {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

/// Texts that something is read from, of each kind some.
pub(crate) const KNOWN: &[&str] = &[
    "dns error",
    "tcp connect error",
    "tls handshake eof",
    "unexpected EOF",
    "tunnel error: unsuccessful",
    "tunnel error: unexpected end of file",
    "tunnel error: proxy authorization required",
    "SOCKS error: io error during SOCKS handshake",
    "failed to lookup address information: Name or service not known",
    "failed to lookup address information: Temporary failure in name resolution",
    "received fatal alert: HandshakeFailure",
    "received fatal alert: InternalError",
    "received fatal alert: AlertDescription(0x50)",
    "received fatal alert: Nonsense",
    "invalid peer certificate: Expired",
    "stream error received: refused stream before processing any application logic",
    "connection error received: not a result of an error",
    "error:0A000126:SSL routines::unexpected eof while reading",
    "error:0A000086:SSL routines::certificate verify failed",
    "error:",
    "operation timed out",
    "client error (Connect)",
    "client error (SendRequest)",
    "operation was canceled",
    "error from user's Body stream",
    "error reading a body from connection",
    "connection closed before message completed",
    "http2 error",
    "received fatal alert: CertificateRequired",
    "error:0A00045C:SSL routines::tlsv13 alert certificate required",
    "buffered service failed: broken",
    "unsupported scheme ftp",
    "SOCKS error: credentials not accepted",
    "builder error",
    "error decoding response body",
    "HTTP status server error (502 Bad Gateway)",
];
