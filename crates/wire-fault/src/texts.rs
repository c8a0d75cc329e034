//! The one table of texts: what can't be told by type.
//!
//! Each text stands with the crate and version it was seen in; `tests/texts.rs` makes the errors anew and fails when a
//! dependency rewords one.

use std::error::Error;
use std::fmt::{self, Write};

use crate::alert::{self, Alert};
use crate::fault::{Cause, Healing, Phase};
use crate::hyper;
use crate::reading::{Reach, Reading};

/// What a known text tells.
struct Known {
    /// How the text is found.
    text: Match,
    phase: Phase,
    cause: Cause,
    healing: Healing,
    proof: Proof,
}

#[derive(Clone, Copy, Debug)]
enum Match {
    Is(&'static str),
    Starts(&'static str),
}

/// What a text proves of the delivery, outside hyper-util's own evidence.
///
/// An error may do no more than repeat what a server has said, and a server may say of its own call to another what these
/// texts say of ours. So a text by itself proves "never sent" only where nothing is repeated on the strength of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Proof {
    None,
    /// The step that this text speaks of comes before the request is sent, and its failure is permanent.
    NeverSent,
    /// So it is if an `io::Error` carries the text, as the crate makes it.
    NeverSentIfCarried,
    /// The server declared that it did not process the request: below an error of hyper's.
    Refused,
    /// The server had answered.
    Answered,
}

use Match::{Is, Starts};

const fn known(text: Match, phase: Phase, cause: Cause, healing: Healing, proof: Proof) -> Known {
    Known { text, phase, cause, healing, proof }
}

#[rustfmt::skip]
const TABLE: &[Known] = &[
    // std (Rust 1.95), getaddrinfo of glibc 2.36; musl 1.2 and macOS after their sources, not seen.
    known(Starts("failed to lookup address information: Temporary failure in name resolution"), Phase::Dns, Cause::Dns, Healing::Transient, Proof::NeverSentIfCarried),
    known(Starts("failed to lookup address information: Try again"), Phase::Dns, Cause::Dns, Healing::Transient, Proof::NeverSentIfCarried),
    known(Starts("failed to lookup address information: Name or service not known"), Phase::Dns, Cause::Dns, Healing::Permanent, Proof::NeverSentIfCarried),
    known(Starts("failed to lookup address information: No address associated with hostname"), Phase::Dns, Cause::Dns, Healing::Permanent, Proof::NeverSentIfCarried),
    known(Starts("failed to lookup address information: Name does not resolve"), Phase::Dns, Cause::Dns, Healing::Permanent, Proof::NeverSentIfCarried),
    known(Starts("failed to lookup address information: nodename nor servname provided"), Phase::Dns, Cause::Dns, Healing::Permanent, Proof::NeverSentIfCarried),
    known(Starts("failed to lookup address information"), Phase::Dns, Cause::Dns, Healing::Unknown, Proof::NeverSentIfCarried),
    // tokio-rustls 0.26.
    known(Is("tls handshake eof"), Phase::TlsHandshake, Cause::Eof, Healing::Transient, Proof::NeverSentIfCarried),
    // hyper-util 0.1.21, client::legacy::connect::http and ::proxy. Their place is all they tell; what happened, the error below does.
    known(Starts("tunnel error: proxy authorization required"), Phase::Proxy, Cause::Proxy, Healing::Permanent, Proof::NeverSent),
    known(Starts("tunnel error: unexpected end of file"), Phase::Proxy, Cause::Eof, Healing::Transient, Proof::None),
    known(Starts("tunnel error: missing destination host"), Phase::Proxy, Cause::Proxy, Healing::Permanent, Proof::NeverSent),
    known(Starts("tunnel error: proxy response headers too long"), Phase::Proxy, Cause::Proxy, Healing::Permanent, Proof::NeverSent),
    known(Starts("tunnel error: unsuccessful"), Phase::Proxy, Cause::Proxy, Healing::Unknown, Proof::None),
    // hyper-util 0.1.21, ::proxy::socks. Its errors name no cause.
    known(Starts("SOCKS error: io error during SOCKS handshake"), Phase::Proxy, Cause::Proxy, Healing::Transient, Proof::None),
    known(Starts("SOCKS error: "), Phase::Proxy, Cause::Proxy, Healing::Unknown, Proof::None),
    // native-tls 0.2 over OpenSSL 3.0, below a connect error only.
    known(Is("unexpected EOF"), Phase::Unknown, Cause::Eof, Healing::Transient, Proof::None),
    known(Is("the SSL session has been shut down"), Phase::Unknown, Cause::CleanClose, Healing::Transient, Proof::None),
    // rustls 0.23, for builds without the feature and for other versions of it.
    known(Starts("invalid peer certificate: "), Phase::TlsHandshake, Cause::Certificate, Healing::Permanent, Proof::NeverSent),
    known(Is("peer sent no certificates"), Phase::TlsHandshake, Cause::Certificate, Healing::Permanent, Proof::NeverSent),
    known(Starts("peer is incompatible: "), Phase::TlsHandshake, Cause::Protocol, Healing::Permanent, Proof::NeverSent),
    known(Is("peer doesn't support any known protocol"), Phase::TlsHandshake, Cause::Protocol, Healing::Permanent, Proof::NeverSent),
    known(Starts("received corrupt message of type "), Phase::Unknown, Cause::Protocol, Healing::Permanent, Proof::None),
    known(Starts("received unexpected message: "), Phase::Unknown, Cause::Protocol, Healing::Permanent, Proof::None),
    known(Starts("received unexpected handshake message: "), Phase::Unknown, Cause::Protocol, Healing::Permanent, Proof::None),
    known(Starts("peer misbehaved: "), Phase::Unknown, Cause::Protocol, Healing::Permanent, Proof::None),
    known(Is("cannot decrypt peer's message"), Phase::Unknown, Cause::Protocol, Healing::Permanent, Proof::None),
    known(Is("peer sent excess record size"), Phase::Unknown, Cause::Protocol, Healing::Permanent, Proof::None),
    // h2 0.4. A GOAWAY reaches a stream as an error only if the stream is above its last id.
    known(Is("stream error received: refused stream before processing any application logic"), Phase::InFlight, Cause::Http2, Healing::Transient, Proof::Refused),
    known(Starts("connection error received: endpoint requires HTTP/1.1"), Phase::InFlight, Cause::Http2, Healing::Permanent, Proof::Refused),
    known(Starts("connection error received: unspecific protocol error detected"), Phase::InFlight, Cause::Http2, Healing::Permanent, Proof::Refused),
    known(Starts("connection error received: "), Phase::InFlight, Cause::Http2, Healing::Transient, Proof::Refused),
    known(Starts("stream error received: endpoint requires HTTP/1.1"), Phase::InFlight, Cause::Http2, Healing::Permanent, Proof::None),
    known(Starts("stream error received: unspecific protocol error detected"), Phase::InFlight, Cause::Http2, Healing::Permanent, Proof::None),
    known(Starts("stream error received: "), Phase::InFlight, Cause::Http2, Healing::Transient, Proof::None),
    known(Starts("connection error detected: "), Phase::InFlight, Cause::Http2, Healing::Permanent, Proof::None),
    known(Starts("stream error detected: "), Phase::InFlight, Cause::Http2, Healing::Permanent, Proof::None),
    known(Starts("stream error sent by user: "), Phase::InFlight, Cause::Http2, Healing::Unknown, Proof::None),
    // reqwest 0.12.28 and 0.13.5.
    known(Is("builder error"), Phase::Unknown, Cause::Other, Healing::Permanent, Proof::NeverSent),
    known(Starts("builder error for url ("), Phase::Unknown, Cause::Other, Healing::Permanent, Proof::NeverSent),
    known(Starts("error following redirect"), Phase::Unknown, Cause::Other, Healing::Permanent, Proof::Answered),
    known(Starts("error decoding response body"), Phase::Body, Cause::Other, Healing::Unknown, Proof::Answered),
    known(Starts("HTTP status client error ("), Phase::Unknown, Cause::Other, Healing::Unknown, Proof::Answered),
    known(Starts("HTTP status server error ("), Phase::Unknown, Cause::Other, Healing::Unknown, Proof::Answered),
    // Timeouts: tokio 1, tower 0.5, hyper and reqwest.
    known(Is("deadline has elapsed"), Phase::Unknown, Cause::Timeout, Healing::Transient, Proof::None),
    known(Is("request timed out"), Phase::Unknown, Cause::Timeout, Healing::Transient, Proof::None),
    known(Is("operation timed out"), Phase::Unknown, Cause::Timeout, Healing::Transient, Proof::None),
    known(Is("connection timed out"), Phase::Unknown, Cause::Timeout, Healing::Transient, Proof::None),
];

/// Texts that tell where a connector was, and nothing else (hyper-util 0.1.21).
const PLACES: &[(&str, Phase)] = &[
    ("dns error", Phase::Dns),
    ("tcp connect error", Phase::Tcp),
    ("tcp open error", Phase::Tcp),
    ("tcp bind local error", Phase::Tcp),
    ("tunnel error: ", Phase::Proxy),
];

/// rustls 0.23 before an alert's name.
const ALERT: &str = "received fatal alert: ";

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
    if let Some(known) = TABLE.iter().find(|known| known.text.fits(text)) {
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

impl Match {
    fn fits(&self, text: &str) -> bool {
        match self {
            Is(known) => text == *known,
            Starts(known) => text.starts_with(known),
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
