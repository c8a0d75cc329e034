//! Faults in words.

use std::fmt;

use crate::fault::{Cause, Delivery, Fault, Healing, Phase};

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Dns => "DNS",
            Self::Tcp => "TCP connect",
            Self::Proxy => "proxy tunnel",
            Self::TlsHandshake => "TLS handshake",
            Self::Pool => "connection set-up",
            Self::InFlight => "in flight",
            Self::Body => "response body",
            Self::Unknown => "unknown phase",
        })
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NeverSent => "never sent",
            Self::Refused => "refused by the protocol",
            Self::Perhaps => "perhaps received",
            Self::Answered => "answered",
        })
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Eof => "cut",
            Self::CleanClose => "closed",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::ConnectionRefused => "connection refused",
            Self::Dns => "name not resolved",
            Self::Proxy => "proxy failure",
            Self::Certificate => "certificate",
            Self::TlsAlert => "TLS alert",
            Self::Protocol => "protocol violation",
            Self::Http2 => "HTTP/2 error",
            Self::Other => "other failure",
        })
    }
}

impl fmt::Display for Healing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Transient => "transient",
            Self::Permanent => "permanent",
            Self::Unknown => "unknown",
        })
    }
}

/// "TLS handshake cut by the peer; the request was never sent".
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.phase {
            Phase::Dns => "name resolution",
            Phase::Tcp => "TCP connection",
            Phase::Proxy => "tunnel through the proxy",
            Phase::TlsHandshake => "TLS handshake",
            Phase::Pool => "connection set-up",
            Phase::InFlight => "connection",
            Phase::Body => "response body",
            Phase::Unknown => "call",
        };
        match self.cause {
            Cause::Eof => write!(f, "{place} cut by the peer")?,
            Cause::CleanClose => write!(f, "{place} closed by the peer before it was complete")?,
            Cause::Reset => write!(f, "{place} reset by the peer")?,
            Cause::Timeout => write!(f, "{place} timed out")?,
            Cause::ConnectionRefused => write!(f, "{place} refused, or no way to the peer")?,
            Cause::Dns => f.write_str("the name could not be resolved")?,
            Cause::Proxy => f.write_str("the proxy did not open the tunnel")?,
            Cause::Certificate => write!(f, "{place} failed: a certificate was not accepted")?,
            Cause::TlsAlert => write!(f, "{place} ended by the peer with a fatal TLS alert")?,
            Cause::Protocol => write!(f, "{place} failed: the peer does not speak the expected protocol")?,
            Cause::Http2 => write!(f, "{place} failed with an HTTP/2 error")?,
            Cause::Other => write!(f, "{place} failed")?,
        }
        if self.phase == Phase::InFlight {
            f.write_str(" before the response")?;
        }
        f.write_str(match self.delivery {
            Delivery::NeverSent => "; the request was never sent",
            Delivery::Refused => "; the server refused the request without acting on it",
            Delivery::Perhaps => "; the server may have received the request",
            Delivery::Answered => "; the server had received the request",
        })
    }
}
