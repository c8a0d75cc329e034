//! Errors of OpenSSL, read from their text: `error:0A000126:SSL routines:…`.
//!
//! The text holds all that the types would tell: `openssl::error::Error::code` is the number printed, `native_tls::Error` is
//! opaque. Over every error made in `tests/native`, reading by type answered the same; it would need OpenSSL's headers to build, so
//! there is no such feature.

use crate::alert::{self, Alert};
use crate::fault::{Cause, Healing, Phase};
use crate::reading::{Reach, Reading};

/// The library number of the TLS routines within OpenSSL 3's packed codes.
const LIB_SSL: u64 = 20;
const UNEXPECTED_EOF: u64 = 294;
const CERTIFICATE_VERIFY_FAILED: u64 = 134;
/// A record that was changed on its way (RFC 8446, section 6.2).
const BAD_RECORD_MAC: u64 = 281;
/// A record in the clear where TLS 1.3 encrypts: so OpenSSL 3.0 shows a `close_notify` after the ServerHello.
const BAD_RECORD_TYPE: u64 = 443;
/// What stands before a code.
const CODE: &str = "error:";
/// A received alert is its number on top of this.
const ALERT_BASE: u64 = 1000;

/// Reads a text that holds an OpenSSL code. Answers whether it did.
pub(crate) fn read(text: &str, reading: &mut Reading) -> bool {
    let Some(reason) = reason(text) else { return false };
    if let Some(number) = reason.checked_sub(ALERT_BASE).and_then(|n| u8::try_from(n).ok()) {
        alert::read(Alert(number), reading.below_hyper && text.starts_with(CODE), reading);
        return true;
    }
    if reading.reach == Reach::NotHandedOver {
        reading.replace_phase(Phase::TlsHandshake);
    }
    match reason {
        UNEXPECTED_EOF => {
            reading.cause(Cause::Eof);
            reading.healing(Healing::Transient);
        }
        CERTIFICATE_VERIFY_FAILED => {
            // As with rustls it is checked before the request is sent; but that it is OpenSSL's own only a connector proves.
            if reading.reach != Reach::HandedOver {
                reading.replace_phase(Phase::TlsHandshake);
            }
            reading.cause(Cause::Certificate);
            reading.permanent();
        }
        BAD_RECORD_MAC => {
            reading.cause(Cause::Protocol);
            reading.healing(Healing::Transient);
        }
        BAD_RECORD_TYPE => {
            // The record is not told: a peer that gives up heals, one that can't speak TLS does not.
            reading.cause(Cause::Protocol);
            reading.healing(Healing::Unknown);
        }
        _ => {
            reading.cause(Cause::Protocol);
            reading.healing(Healing::Permanent);
        }
    }
    true
}

/// The reason of the first code of the TLS library in a text: the low 23 bits.
fn reason(text: &str) -> Option<u64> {
    text.match_indices(CODE).find_map(|(at, prefix)| {
        let rest = &text[at + prefix.len()..];
        let code = u64::from_str_radix(rest.split(':').next()?, 16).ok()?;
        (code >> 23 == LIB_SSL).then_some(code & 0x7f_ffff)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_read() {
        assert_eq!(reason("error:0A000126:SSL routines::unexpected eof while reading:a.c:1:"), Some(294));
        assert_eq!(reason("error:0A000438:SSL routines:x:tlsv1 alert internal error"), Some(1080));
        assert_eq!(reason("error:00000001:lib(0)::reason(1)"), None);
        assert_eq!(reason("error: none"), None);
    }
}
