//! Errors read by their text: what can't be told by type.

use std::error::Error;
use std::io;

use crate::alert::{self, Alert};
use crate::fault::{Cause, Healing, Phase};
use crate::hyper;
use crate::reading::{Reach, Reading};
use crate::text::Text;

#[cfg(test)]
mod made;
mod table;

use table::{ALERT, ALERT_NAMED, Known, Match, PLACES, Proof, TABLE};

/// Reads an error by its text. Answers whether the text was known.
///
/// `carrier`: the kind of the `io::Error` that carries the error, if one does.
pub(crate) fn read(
    error: &(dyn Error + 'static),
    text: &str,
    carrier: Option<io::ErrorKind>,
    reading: &mut Reading,
) -> bool {
    if hyper::read_text(text, reading) {
        return true;
    }
    if let Some(alert) = text.strip_prefix(ALERT).and_then(Alert::named) {
        // h2 keeps no more than the text of its connection's error, which the connection's own TLS made.
        alert::read(alert, reading.below_hyper || is_named(error, ALERT_NAMED), reading);
        return true;
    }
    if let Some(known) = find(text, reading.reach) {
        known.tell(error, carrier, reading);
        return true;
    }
    // A place counts only where hyper-util itself has said that the connector failed.
    if reading.reach == Reach::NotHandedOver {
        if let Some(&(_, phase)) = PLACES.iter().find(|(place, _)| text.starts_with(place)) {
            reading.place(phase);
            if phase == Phase::Dns {
                reading.cause(Cause::Dns);
            }
            return true;
        }
    }
    false
}

/// What is known of a text, if anything is.
fn find(text: &str, reach: Reach) -> Option<&'static Known> {
    let holds = |known: &Known| known.proof != Proof::BelowConnector || reach == Reach::NotHandedOver;
    TABLE.iter().flat_map(|seen| seen.texts).find(|known| known.text.fits(text) && holds(known))
}

/// Whether an error's `Debug` begins with this name: a type shows by it, where its text may be anybody's.
fn is_named(error: &(dyn Error + 'static), name: &str) -> bool {
    Text::debug(&error).as_str().starts_with(name)
}

impl Match {
    fn fits(&self, text: &str) -> bool {
        match self {
            Self::Is(known) => text == *known,
            Self::Starts(known) => text.starts_with(known),
        }
    }
}

impl Known {
    fn tell(&self, error: &(dyn Error + 'static), carrier: Option<io::ErrorKind>, reading: &mut Reading) {
        match self.proof {
            Proof::Named(name) => {
                if is_named(error, name) {
                    reading.never_sent();
                }
                reading.permanent();
            }
            Proof::Carried(kind) if carrier.is_some_and(|is| Text::debug(&is).as_str() == kind) => {
                reading.never_sent();
            }
            Proof::Refused if reading.below_hyper => reading.refused(),
            Proof::GoneAway if reading.below_hyper => reading.gone_away(),
            Proof::Answered => reading.answered(),
            Proof::None | Proof::BelowConnector | Proof::Carried(_) | Proof::Refused | Proof::GoneAway => {}
        }
        match (self.phase, reading.reach) {
            (Phase::Unknown, Reach::NotHandedOver) if self.cause != Cause::Timeout => {
                reading.place(Phase::TlsHandshake);
            }
            (Phase::Unknown, Reach::NotHandedOver) => reading.place(Phase::Tcp),
            (Phase::InFlight | Phase::Body, Reach::NotHandedOver) => reading.place(Phase::Pool),
            (Phase::Body, Reach::HandedOver) => reading.place(Phase::Body),
            (Phase::Unknown, _) | (_, Reach::HandedOver) => {}
            (phase, _) => reading.place(phase),
        }
        // "Other" and "unknown" are no answers: the error below may have one.
        if self.cause != Cause::Other {
            reading.cause(self.cause);
        }
        if self.healing != Healing::Unknown {
            reading.healing(self.healing);
        }
    }
}
