//! What a fatal TLS alert of the peer's tells, however it was read.

use crate::fault::{Cause, Delivery, Healing, Phase};
use crate::reading::{Reach, Reading};

/// A TLS alert by its number ([RFC 8446, 6](https://www.rfc-editor.org/rfc/rfc8446#section-6)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Alert(pub(crate) u8);

impl Alert {
    const CLOSE_NOTIFY: Self = Self(0);
    const INTERNAL_ERROR: Self = Self(80);
    const USER_CANCELED: Self = Self(90);
    const CERTIFICATE_REQUIRED: Self = Self(116);

    /// The alert that a name means, as rustls writes it: `HandshakeFailure`, or `AlertDescription(0x1)` where it has none.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name.strip_prefix("AlertDescription(0x").and_then(|rest| rest.strip_suffix(')')) {
            Some(number) => u8::from_str_radix(number, 16).ok().map(Self),
            None => NAMES.iter().find(|(_, known)| *known == name).map(|&(number, _)| Self(number)),
        }
    }

    /// Alerts that a server sends only about a handshake or the client's certificate. It processes no request before both are
    /// done (early data is never sent by these clients). But in TLS 1.2 a server may ask for another handshake when it has read
    /// a request, and end that one with such an alert (RFC 5746, 4.4): after the request was handed over they prove nothing.
    fn ends_the_handshake(self) -> bool {
        matches!(self.0, 40..=46 | 48 | 49 | 70 | 71 | 86 | 109..=116 | 120)
    }

    /// Only TLS 1.3 has this one, which knows no second handshake: a client learns of it after the first. (A client that offers
    /// authentication after the handshake, RFC 8446, 4.6.2, could be told so later. rustls has none, OpenSSL none by default.)
    fn ends_the_only_handshake(self) -> bool {
        self == Self::CERTIFICATE_REQUIRED
    }

    fn is_about_a_certificate(self) -> bool {
        matches!(self.0, 41..=46 | 48 | 111 | 113 | 114 | 116)
    }

    fn heals(self) -> bool {
        matches!(self, Self::CLOSE_NOTIFY | Self::INTERNAL_ERROR | Self::USER_CANCELED)
    }
}

/// The names as rustls 0.23 writes them.
const NAMES: &[(u8, &str)] = &[
    (0, "CloseNotify"),
    (10, "UnexpectedMessage"),
    (20, "BadRecordMac"),
    (21, "DecryptionFailed"),
    (22, "RecordOverflow"),
    (30, "DecompressionFailure"),
    (40, "HandshakeFailure"),
    (41, "NoCertificate"),
    (42, "BadCertificate"),
    (43, "UnsupportedCertificate"),
    (44, "CertificateRevoked"),
    (45, "CertificateExpired"),
    (46, "CertificateUnknown"),
    (47, "IllegalParameter"),
    (48, "UnknownCA"),
    (49, "AccessDenied"),
    (50, "DecodeError"),
    (51, "DecryptError"),
    (60, "ExportRestriction"),
    (70, "ProtocolVersion"),
    (71, "InsufficientSecurity"),
    (80, "InternalError"),
    (86, "InappropriateFallback"),
    (90, "UserCanceled"),
    (100, "NoRenegotiation"),
    (109, "MissingExtension"),
    (110, "UnsupportedExtension"),
    (111, "CertificateUnobtainable"),
    (112, "UnrecognisedName"),
    (113, "BadCertificateStatusResponse"),
    (114, "BadCertificateHashValue"),
    (115, "UnknownPSKIdentity"),
    (116, "CertificateRequired"),
    (120, "NoApplicationProtocol"),
    (121, "EncryptedClientHelloRequired"),
];

/// Reads an alert. `proven`: it is known to be one of TLS' own, and not what somebody said.
pub(crate) fn read(alert: Alert, proven: bool, reading: &mut Reading) {
    if alert.ends_the_only_handshake() {
        if proven {
            reading.never_sent_though_handed_over();
        }
        // Of an answered request it can only have ended the body.
        if reading.delivery != Some(Delivery::Answered) {
            reading.replace_phase(Phase::TlsHandshake);
        }
    } else if alert.ends_the_handshake() && reading.reach != Reach::HandedOver {
        if proven {
            reading.never_sent();
        }
        reading.replace_phase(Phase::TlsHandshake);
    } else if reading.reach == Reach::NotHandedOver {
        reading.replace_phase(Phase::TlsHandshake);
    }
    let cause = if alert == Alert::CLOSE_NOTIFY {
        Cause::CleanClose
    } else if alert.is_about_a_certificate() {
        Cause::Certificate
    } else {
        Cause::TlsAlert
    };
    // An outer error may have said "reset" of the io::Error that carries the alert; the alert is the better word.
    reading.cause = Some(cause);
    if alert.heals() {
        reading.healing(Healing::Transient);
    } else {
        reading.permanent();
    }
}

#[cfg(all(test, feature = "rustls"))]
mod tests {
    use super::*;

    /// Fails when rustls renames an alert.
    #[test]
    fn names_are_rustls_own() {
        for &(number, name) in NAMES {
            assert_eq!(format!("{:?}", rustls::AlertDescription::from(number)), name);
        }
    }
}
