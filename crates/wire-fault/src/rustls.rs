//! Evidence of rustls, by type. Without the feature the texts serve, with the same verdicts.

use std::error::Error;

#[cfg(not(feature = "rustls"))]
use crate::reading::Reading;

#[cfg(not(feature = "rustls"))]
pub(crate) fn read(_: &(dyn Error + 'static), _: &mut Reading) -> bool {
    false
}

#[cfg(feature = "rustls")]
pub(crate) use typed::read;

#[cfg(feature = "rustls")]
mod typed {
    use super::Error;

    use rustls::Error as Tls;

    use crate::alert::{self, Alert};
    use crate::fault::{Cause, Healing, Phase};
    use crate::reading::{Reach, Reading};

    /// Reads an error of rustls. Answers whether it was one.
    pub(crate) fn read(error: &(dyn Error + 'static), reading: &mut Reading) -> bool {
        let Some(error) = error.downcast_ref::<Tls>() else { return false };
        match error {
            Tls::AlertReceived(description) => alert::read(Alert(u8::from(*description)), true, reading),
            // The client checks the server's certificate before it sends a byte of the request.
            Tls::InvalidCertificate(_) | Tls::NoCertificatesPresented | Tls::InvalidCertRevocationList(_) => {
                handshake(Cause::Certificate, reading);
            }
            Tls::PeerIncompatible(_) | Tls::NoApplicationProtocol | Tls::UnsupportedNameType => {
                handshake(Cause::Protocol, reading);
            }
            // These can happen at any time of a connection's life.
            Tls::InvalidMessage(_)
            | Tls::InappropriateMessage { .. }
            | Tls::InappropriateHandshakeMessage { .. }
            | Tls::PeerMisbehaved(_)
            | Tls::PeerSentOversizedRecord => {
                if reading.reach == Reach::NotHandedOver {
                    reading.replace_phase(Phase::TlsHandshake);
                }
                reading.cause(Cause::Protocol);
                reading.healing(Healing::Permanent);
            }
            // A record that was changed on its way: between two that keep the protocol nothing else makes one (RFC 8446, 6.2,
            // `bad_record_mac`).
            Tls::DecryptError => {
                if reading.reach == Reach::NotHandedOver {
                    reading.replace_phase(Phase::TlsHandshake);
                }
                reading.cause(Cause::Protocol);
                reading.healing(Healing::Transient);
            }
            _ => {
                if reading.reach == Reach::NotHandedOver {
                    reading.replace_phase(Phase::TlsHandshake);
                }
                reading.cause(Cause::Other);
            }
        }
        true
    }

    fn handshake(cause: Cause, reading: &mut Reading) {
        reading.never_sent();
        if reading.reach != Reach::HandedOver {
            reading.replace_phase(Phase::TlsHandshake);
        }
        reading.cause(cause);
        reading.permanent();
    }
}
