//! The one table of texts: what can't be told by type.
//!
//! Each text stands with the crate and version it was seen in; `tests/texts.rs` makes the errors anew and fails when a
//! dependency rewords one.

use std::error::Error;
use std::fmt::{self, Write};

use crate::alert::{self, Alert};
use crate::fault::{Cause, Healing, Phase};
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

enum Match {
    Is(&'static str),
    Starts(&'static str),
    Contains(&'static str),
}

/// What a text proves of the delivery, outside hyper-util's own evidence.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Proof {
    None,
    /// The step that this text speaks of comes before the request is sent.
    NeverSent,
    /// The server declared that it did not process the request.
    Refused,
}

use Match::{Contains, Is, Starts};

const fn known(text: Match, phase: Phase, cause: Cause, healing: Healing, proof: Proof) -> Known {
    Known { text, phase, cause, healing, proof }
}

#[rustfmt::skip]
const TABLE: &[Known] = &[
    // std (Rust 1.95), getaddrinfo of glibc 2.36; musl 1.2 and macOS after their sources, not seen.
    known(Contains("lookup address information: Temporary failure in name resolution"), Phase::Dns, Cause::Dns, Healing::Transient, Proof::NeverSent),
    known(Contains("lookup address information: Try again"), Phase::Dns, Cause::Dns, Healing::Transient, Proof::NeverSent),
    known(Contains("lookup address information: Name or service not known"), Phase::Dns, Cause::Dns, Healing::Permanent, Proof::NeverSent),
    known(Contains("lookup address information: No address associated with hostname"), Phase::Dns, Cause::Dns, Healing::Permanent, Proof::NeverSent),
    known(Contains("lookup address information: Name does not resolve"), Phase::Dns, Cause::Dns, Healing::Permanent, Proof::NeverSent),
    known(Contains("lookup address information: nodename nor servname provided"), Phase::Dns, Cause::Dns, Healing::Permanent, Proof::NeverSent),
    known(Starts("failed to lookup address information"), Phase::Dns, Cause::Dns, Healing::Unknown, Proof::NeverSent),
    // tokio-rustls 0.26.
    known(Is("tls handshake eof"), Phase::TlsHandshake, Cause::Eof, Healing::Transient, Proof::NeverSent),
    // hyper-util 0.1.21, client::legacy::connect::http and ::proxy. Their place is all they tell; what happened, the error below does.
    known(Starts("tunnel error: proxy authorization required"), Phase::Proxy, Cause::Proxy, Healing::Permanent, Proof::NeverSent),
    known(Starts("tunnel error: unexpected end of file"), Phase::Proxy, Cause::Eof, Healing::Transient, Proof::NeverSent),
    known(Starts("tunnel error: missing destination host"), Phase::Proxy, Cause::Proxy, Healing::Permanent, Proof::NeverSent),
    known(Starts("tunnel error: proxy response headers too long"), Phase::Proxy, Cause::Proxy, Healing::Permanent, Proof::NeverSent),
    known(Starts("tunnel error: unsuccessful"), Phase::Proxy, Cause::Proxy, Healing::Unknown, Proof::NeverSent),
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
    ("SOCKS error: ", Phase::Proxy),
];

/// rustls 0.23 before an alert's name.
const ALERT: &str = "received fatal alert: ";

/// Reads an error by its text. Answers whether the text was known.
pub(crate) fn read(error: &(dyn Error + 'static), reading: &mut Reading) -> bool {
    let text = Text::of(error);
    let text = text.as_str();
    if let Some(alert) = text.strip_prefix(ALERT).and_then(Alert::named) {
        alert::read(alert, reading);
        return true;
    }
    if let Some(known) = TABLE.iter().find(|known| known.text.fits(text)) {
        known.tell(reading);
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
            Contains(known) => text.contains(known),
        }
    }
}

impl Known {
    fn tell(&self, reading: &mut Reading) {
        match self.proof {
            Proof::NeverSent => reading.never_sent(),
            Proof::Refused => reading.refused(),
            Proof::None => {}
        }
        match (self.phase, reading.reach) {
            (Phase::Unknown, Reach::NotHandedOver) if self.cause != Cause::Timeout => {
                reading.place(Phase::TlsHandshake);
            }
            (Phase::Unknown, Reach::NotHandedOver) => reading.place(Phase::Tcp),
            (Phase::Unknown, _) | (_, Reach::HandedOver) => {}
            (phase, _) => reading.place(phase),
        }
        reading.cause(self.cause);
        reading.healing(self.healing);
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
