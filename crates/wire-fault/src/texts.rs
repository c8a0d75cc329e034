//! Errors read by their text: what can't be told by type.

use crate::alert::{self, Alert};
use crate::fault::{Cause, Healing, Phase};
use crate::hyper;
use crate::reading::{Reach, Reading};

#[cfg(test)]
mod made;
mod table;

use table::{ALERT, Known, Match, PLACES, Proof, TABLE};

/// Reads an error by its text. Answers whether the text was known.
///
/// `carried`: an `io::Error` carries the error whose text this is.
pub(crate) fn read(text: &str, carried: bool, reading: &mut Reading) -> bool {
    if hyper::read_text(text, reading) {
        return true;
    }
    if let Some(alert) = text.strip_prefix(ALERT).and_then(Alert::named) {
        alert::read(alert, reading);
        return true;
    }
    if let Some(known) = find(text) {
        known.tell(carried, reading);
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
fn find(text: &str) -> Option<&'static Known> {
    TABLE.iter().flat_map(|seen| seen.texts).find(|known| known.text.fits(text))
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
    fn tell(&self, carried: bool, reading: &mut Reading) {
        match self.proof {
            Proof::NeverSent => {
                reading.never_sent();
                reading.permanent();
            }
            Proof::NeverSentIfCarried if carried => reading.never_sent(),
            Proof::Refused if reading.below_hyper => reading.refused(),
            Proof::GoneAway if reading.below_hyper => reading.gone_away(),
            Proof::Answered => reading.answered(),
            Proof::None | Proof::NeverSentIfCarried | Proof::Refused | Proof::GoneAway => {}
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
