//! Errors read by their text: what can't be told by type.

use std::error::Error;
use std::fmt::{self, Write};

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
            Proof::Refused if reading.reach != Reach::Untold => reading.refused(),
            Proof::Answered => reading.answered(),
            Proof::None | Proof::NeverSentIfCarried | Proof::Refused => {}
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

/// Whether hyper-util 0.1.21 refused the request itself ("client error (UserAbsoluteUriRequired)" and its siblings).
pub(crate) fn is_misuse(error: &(dyn Error + 'static)) -> bool {
    Text::of(error).as_str().starts_with("client error (User")
}

/// Whether hyper 1.12 was reading the response's body. There is no predicate for it.
pub(crate) fn is_body(error: &(dyn Error + 'static)) -> bool {
    Text::of(error).as_str().starts_with("error reading a body from connection")
}

/// Whether this is the cause of a cancelled upgrade (hyper 1.12), which follows an answer.
pub(crate) fn is_upgrade(error: &(dyn Error + 'static)) -> bool {
    Text::of(error).as_str() == "upgrade expected but not completed"
}

/// Whether the task that drove the connection is gone (hyper 1.12: a runtime that shuts down, a panic).
pub(crate) fn is_dispatch_gone(error: &(dyn Error + 'static)) -> bool {
    let text = Text::of(error);
    matches!(
        text.as_str(),
        "dispatch task is gone" | "user code panicked" | "runtime dropped the dispatch task"
    )
}

/// The first part of an error's text: as much as any known text needs.
pub(crate) struct Text(String);

/// An OpenSSL error stack is the longest text that is looked into.
const ENOUGH: usize = 512;

impl Text {
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut text = Self(String::new());
        // It answers an error where the text is cut at `ENOUGH`; what was written by then is what counts.
        let _ = write!(text, "{error}");
        text
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Write for Text {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let mut room = ENOUGH - self.0.len();
        if part.len() <= room {
            self.0.push_str(part);
            return Ok(());
        }
        while !part.is_char_boundary(room) {
            room -= 1;
        }
        self.0.push_str(&part[..room]);
        Err(fmt::Error)
    }
}
