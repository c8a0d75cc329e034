//! The one table of texts: what can't be told by type.
//!
//! Each text stands with the crate and version it was seen in. `made.rs` makes the errors anew, from the real crates, and fails
//! when one is reworded or a text here has none that makes it; those of OpenSSL are made in `tests/native`.

use crate::fault::{Cause, Healing, Phase};

/// Texts of one origin.
pub(super) struct Seen {
    /// The crate and the version that they were seen in.
    #[cfg_attr(not(test), expect(dead_code, reason = "told when a text has gone"))]
    pub(super) by: &'static str,
    pub(super) texts: &'static [Known],
}

/// What a known text tells.
pub(super) struct Known {
    /// How the text is found.
    pub(super) text: Match,
    pub(super) phase: Phase,
    pub(super) cause: Cause,
    pub(super) healing: Healing,
    pub(super) proof: Proof,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Match {
    Is(&'static str),
    Starts(&'static str),
}

/// What a text proves of the delivery, outside hyper-util's own evidence.
///
/// An error may do no more than repeat what a server has said, and a server may say of its own call to another what these
/// texts say of ours. So no text proves "never sent" by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    None,
    /// The step that this text speaks of comes before the request is sent, and an `io::Error` of the kind with this name carries
    /// the text, as the crate makes it. (A name, since std's kind for a resolver's error can't be named in code.)
    Carried(&'static str),
    /// The step comes before the request is sent, its failure is permanent, and the error's `Debug` begins so: it is the crate's
    /// own, of whatever version. Of what a server said, a derived `Debug` shows the text, quoted.
    Named(&'static str),
    /// Proves nothing more, and is read only where the connector is known to have failed.
    BelowConnector,
    /// The server declared that it did not process the request: below an error of hyper's.
    Refused,
    /// The same, if it is the request's own error and not its connection's.
    GoneAway,
    /// The server had answered.
    Answered,
}

use Match::{Is, Starts};

const fn known(text: Match, phase: Phase, cause: Cause, healing: Healing, proof: Proof) -> Known {
    Known { text, phase, cause, healing, proof }
}

#[rustfmt::skip]
pub(super) static TABLE: &[Seen] = &[
    Seen { by: "std of Rust 1.95 over glibc 2.36; musl 1.2 and macOS after their sources, not seen", texts: &[
        known(Starts("failed to lookup address information: Temporary failure in name resolution"), Phase::Dns, Cause::Dns, Healing::Transient, Proof::Carried("Uncategorized")),
        known(Starts("failed to lookup address information: Try again"), Phase::Dns, Cause::Dns, Healing::Transient, Proof::Carried("Uncategorized")),
        known(Starts("failed to lookup address information: Name or service not known"), Phase::Dns, Cause::Dns, Healing::Permanent, Proof::Carried("Uncategorized")),
        known(Starts("failed to lookup address information: No address associated with hostname"), Phase::Dns, Cause::Dns, Healing::Permanent, Proof::Carried("Uncategorized")),
        known(Starts("failed to lookup address information: Name does not resolve"), Phase::Dns, Cause::Dns, Healing::Permanent, Proof::Carried("Uncategorized")),
        known(Starts("failed to lookup address information: nodename nor servname provided"), Phase::Dns, Cause::Dns, Healing::Permanent, Proof::Carried("Uncategorized")),
        known(Starts("failed to lookup address information"), Phase::Dns, Cause::Dns, Healing::Unknown, Proof::Carried("Uncategorized")),
    ] },
    Seen { by: "tokio-rustls 0.26.6", texts: &[
        known(Is("tls handshake eof"), Phase::TlsHandshake, Cause::Eof, Healing::Transient, Proof::Carried("UnexpectedEof")),
    ] },
    Seen { by: "hyper-util 0.1.21, its tunnel", texts: &[
        known(Starts("tunnel error: proxy authorization required"), Phase::Proxy, Cause::Proxy, Healing::Permanent, Proof::Named("ProxyAuthRequired")),
        known(Starts("tunnel error: unexpected end of file"), Phase::Proxy, Cause::Eof, Healing::Transient, Proof::None),
        known(Starts("tunnel error: missing destination host"), Phase::Proxy, Cause::Proxy, Healing::Permanent, Proof::Named("MissingHost")),
        known(Starts("tunnel error: proxy response headers too long"), Phase::Proxy, Cause::Proxy, Healing::Permanent, Proof::Named("ProxyHeadersTooLong")),
        known(Starts("tunnel error: unsuccessful"), Phase::Proxy, Cause::Proxy, Healing::Unknown, Proof::None),
    ] },
    Seen { by: "hyper-util 0.1.21, its SOCKS clients, whose errors name no cause", texts: &[
        known(Starts("SOCKS error: credentials not accepted"), Phase::Proxy, Cause::Proxy, Healing::Permanent, Proof::BelowConnector),
        known(Starts("SOCKS error: server does not support user/pass authentication"), Phase::Proxy, Cause::Proxy, Healing::Permanent, Proof::BelowConnector),
        known(Starts("SOCKS error: host address is more than 255 characters"), Phase::Proxy, Cause::Proxy, Healing::Permanent, Proof::BelowConnector),
        known(Starts("SOCKS error: missing destination "), Phase::Proxy, Cause::Proxy, Healing::Permanent, Proof::BelowConnector),
        known(Starts("SOCKS error: io error during SOCKS handshake"), Phase::Proxy, Cause::Proxy, Healing::Transient, Proof::None),
        known(Starts("SOCKS error: "), Phase::Proxy, Cause::Proxy, Healing::Unknown, Proof::None),
    ] },
    Seen { by: "hyper-util 0.1.21, its HttpConnector: a URL that it can't serve", texts: &[
        known(Starts("invalid URL, scheme is not http"), Phase::Pool, Cause::Other, Healing::Permanent, Proof::BelowConnector),
        known(Starts("invalid URL, scheme is missing"), Phase::Pool, Cause::Other, Healing::Permanent, Proof::BelowConnector),
        known(Starts("invalid URL, host is missing"), Phase::Pool, Cause::Other, Healing::Permanent, Proof::BelowConnector),
    ] },
    Seen { by: "hyper-rustls 0.27.10 and rustls-pki-types 1.16: a URL that they can't serve", texts: &[
        known(Starts("unsupported scheme "), Phase::Pool, Cause::Other, Healing::Permanent, Proof::BelowConnector),
        known(Is("missing scheme"), Phase::Pool, Cause::Other, Healing::Permanent, Proof::BelowConnector),
        known(Is("invalid dns name"), Phase::Pool, Cause::Other, Healing::Permanent, Proof::BelowConnector),
    ] },
    Seen { by: "hyper-tls 0.6.0: a URL that it can't serve", texts: &[
        known(Is("https required but URI was not https"), Phase::Pool, Cause::Other, Healing::Permanent, Proof::BelowConnector),
    ] },
    Seen { by: "native-tls 0.2.18 and openssl 0.10.82 over OpenSSL 3.0, below a connect error only", texts: &[
        known(Is("unexpected EOF"), Phase::Unknown, Cause::Eof, Healing::Transient, Proof::None),
        known(Is("the SSL session has been shut down"), Phase::Unknown, Cause::CleanClose, Healing::Transient, Proof::None),
    ] },
    Seen { by: "rustls 0.23.46, for builds without the feature and for other versions of it", texts: &[
        known(Starts("invalid peer certificate: "), Phase::TlsHandshake, Cause::Certificate, Healing::Permanent, Proof::Named("InvalidCertificate(")),
        known(Is("peer sent no certificates"), Phase::TlsHandshake, Cause::Certificate, Healing::Permanent, Proof::Named("NoCertificatesPresented")),
        known(Starts("peer is incompatible: "), Phase::TlsHandshake, Cause::Protocol, Healing::Permanent, Proof::Named("PeerIncompatible(")),
        known(Is("peer doesn't support any known protocol"), Phase::TlsHandshake, Cause::Protocol, Healing::Permanent, Proof::Named("NoApplicationProtocol")),
        known(Starts("received corrupt message of type "), Phase::Unknown, Cause::Protocol, Healing::Permanent, Proof::None),
        known(Starts("received unexpected message: "), Phase::Unknown, Cause::Protocol, Healing::Permanent, Proof::None),
        known(Starts("received unexpected handshake message: "), Phase::Unknown, Cause::Protocol, Healing::Permanent, Proof::None),
        known(Starts("peer misbehaved: "), Phase::Unknown, Cause::Protocol, Healing::Permanent, Proof::None),
        known(Is("cannot decrypt peer's message"), Phase::Unknown, Cause::Protocol, Healing::Transient, Proof::None),
        known(Is("peer sent excess record size"), Phase::Unknown, Cause::Protocol, Healing::Permanent, Proof::None),
    ] },
    Seen { by: "h2 0.4.20; the feature h2 reads the same by type", texts: &[
        known(Is("stream error received: refused stream before processing any application logic"), Phase::InFlight, Cause::Http2, Healing::Transient, Proof::Refused),
        known(Starts("connection error received: endpoint requires HTTP/1.1"), Phase::InFlight, Cause::Http2, Healing::Permanent, Proof::GoneAway),
        known(Starts("connection error received: unspecific protocol error detected"), Phase::InFlight, Cause::Http2, Healing::Permanent, Proof::GoneAway),
        known(Starts("connection error received: security properties do not meet minimum requirements"), Phase::InFlight, Cause::Http2, Healing::Permanent, Proof::GoneAway),
        known(Starts("connection error received: "), Phase::InFlight, Cause::Http2, Healing::Transient, Proof::GoneAway),
        known(Starts("stream error received: endpoint requires HTTP/1.1"), Phase::InFlight, Cause::Http2, Healing::Permanent, Proof::None),
        known(Starts("stream error received: unspecific protocol error detected"), Phase::InFlight, Cause::Http2, Healing::Permanent, Proof::None),
        known(Starts("stream error received: security properties do not meet minimum requirements"), Phase::InFlight, Cause::Http2, Healing::Permanent, Proof::None),
        known(Starts("stream error received: "), Phase::InFlight, Cause::Http2, Healing::Transient, Proof::None),
        known(Starts("connection error detected: "), Phase::InFlight, Cause::Http2, Healing::Permanent, Proof::None),
        known(Starts("stream error detected: "), Phase::InFlight, Cause::Http2, Healing::Permanent, Proof::None),
        known(Starts("stream error sent by user: "), Phase::InFlight, Cause::Http2, Healing::Unknown, Proof::None),
    ] },
    Seen { by: "reqwest 0.12.28 and 0.13.5", texts: &[
        known(Is("builder error"), Phase::Unknown, Cause::Other, Healing::Permanent, Proof::Named("reqwest::Error { kind: Builder")),
        // With a URL it may be that of a redirect, to a scheme that reqwest does not serve: the call was answered by then.
        known(Starts("builder error for url ("), Phase::Unknown, Cause::Other, Healing::Permanent, Proof::None),
        known(Starts("error following redirect"), Phase::Unknown, Cause::Other, Healing::Permanent, Proof::Answered),
        known(Starts("error decoding response body"), Phase::Body, Cause::Other, Healing::Unknown, Proof::Answered),
        known(Starts("HTTP status client error ("), Phase::Unknown, Cause::Other, Healing::Unknown, Proof::Answered),
        known(Starts("HTTP status server error ("), Phase::Unknown, Cause::Other, Healing::Unknown, Proof::Answered),
    ] },
    Seen { by: "tokio 1.54.1", texts: &[
        known(Is("deadline has elapsed"), Phase::Unknown, Cause::Timeout, Healing::Transient, Proof::None),
    ] },
    Seen { by: "tower 0.5.3", texts: &[
        known(Is("request timed out"), Phase::Unknown, Cause::Timeout, Healing::Transient, Proof::None),
        // A broken Buffer fails in the same way for ever. That the call was never sent, its type alone tells.
        known(Starts("buffered service failed: "), Phase::Unknown, Cause::Other, Healing::Permanent, Proof::None),
    ] },
    Seen { by: "reqwest 0.12.28 and 0.13.5, its timeouts", texts: &[
        known(Is("operation timed out"), Phase::Unknown, Cause::Timeout, Healing::Transient, Proof::None),
    ] },
    Seen { by: "tonic 0.14.9", texts: &[
        known(Is("Timeout expired"), Phase::Unknown, Cause::Timeout, Healing::Transient, Proof::None),
    ] },
];

/// Texts that tell where a connector was, and nothing else (hyper-util 0.1.21).
pub(super) const PLACES: &[(&str, Phase)] = &[
    ("dns error", Phase::Dns),
    ("tcp connect error", Phase::Tcp),
    ("tcp open error", Phase::Tcp),
    ("tcp bind local error", Phase::Tcp),
    ("tunnel error: ", Phase::Proxy),
];

/// rustls 0.23 before an alert's name.
pub(super) const ALERT: &str = "received fatal alert: ";
/// How the `Debug` of such an error begins.
pub(super) const ALERT_NAMED: &str = "AlertReceived(";
