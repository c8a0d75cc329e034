//! The names of scenarios, written and read.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use rustls::AlertDescription;

use crate::cut_by::CutBy;
use crate::request_fault::RequestFault;
use crate::request_names::whole;
use crate::scenario::{BadCertificate, CutPoint, Http2Point, Scenario, WrongProtocol};

/// The alerts that have a name here; any other is known by its number (`alert-117`).
const ALERTS: [(AlertDescription, &str); 15] = [
    (AlertDescription::UnexpectedMessage, "unexpected-message"),
    (AlertDescription::HandshakeFailure, "handshake-failure"),
    (AlertDescription::BadCertificate, "bad-certificate"),
    (AlertDescription::IllegalParameter, "illegal-parameter"),
    (AlertDescription::AccessDenied, "access-denied"),
    (AlertDescription::DecodeError, "decode-error"),
    (AlertDescription::ProtocolVersion, "protocol-version"),
    (AlertDescription::InsufficientSecurity, "insufficient-security"),
    (AlertDescription::InternalError, "internal-error"),
    (AlertDescription::InappropriateFallback, "inappropriate-fallback"),
    (AlertDescription::UserCanceled, "user-canceled"),
    (AlertDescription::MissingExtension, "missing-extension"),
    (AlertDescription::UnrecognisedName, "unrecognised-name"),
    (AlertDescription::CertificateRequired, "certificate-required"),
    (AlertDescription::NoApplicationProtocol, "no-application-protocol"),
];

impl Scenario {
    /// Every kind of scenario by its name, healthy first. Of those whose names hold a number, only the most useful ones
    /// are listed, alerts without a name are left out, and so is what comes [after](Self::After) other requests.
    pub fn named() -> impl Iterator<Item = Self> {
        std::iter::once(Self::Healthy)
            .chain(Self::cuts())
            .chain(CutPoint::ALL.map(Self::Stall))
            .chain(ALERTS.map(|(alert, _)| Self::Alert(alert)))
            .chain(BadCertificate::ALL.map(Self::Certificate))
            .chain([Self::ClientCertificate])
            .chain(WrongProtocol::ALL.map(Self::Protocol))
            .chain(RequestFault::named().map(Self::from))
            .chain(
                Http2Point::ALL
                    .into_iter()
                    .flat_map(|at| CutBy::ALL.into_iter().map(move |by| Self::Http2Cut { at, by })),
            )
    }
}

impl fmt::Display for CutPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Accept => "accept",
            Self::ClientHello => "client-hello",
            Self::ServerHello => "server-hello",
            Self::Handshake => "handshake",
            Self::Request => "request",
            Self::Head => "head",
            Self::Body => "body",
        })
    }
}

impl fmt::Display for CutBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Fin => "fin",
            Self::Rst => "rst",
            Self::CloseNotify => "close-notify",
        })
    }
}

impl fmt::Display for BadCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::WrongName => "wrong-name",
            Self::UnknownIssuer => "unknown-issuer",
            Self::SelfSigned => "self-signed",
        })
    }
}

impl fmt::Display for WrongProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Http => "http",
            Self::Garbage => "garbage",
            Self::Tls10 => "tls-1.0",
        })
    }
}

impl fmt::Display for Http2Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Preface => "preface",
            Self::Settings => "settings",
        })
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Healthy => f.write_str("healthy"),
            Self::Cut { at, by } => write!(f, "cut-{at}-{by}"),
            Self::Stall(at) => write!(f, "stall-{at}"),
            Self::Alert(alert) => match ALERTS.iter().find(|(known, _)| known == alert) {
                Some((_, name)) => write!(f, "alert-{name}"),
                None => write!(f, "alert-{}", u8::from(*alert)),
            },
            Self::Certificate(bad) => write!(f, "certificate-{bad}"),
            Self::ClientCertificate => f.write_str("client-certificate"),
            Self::Protocol(wrong) => write!(f, "protocol-{wrong}"),
            Self::After { requests: 0, then } => then.fmt(f),
            Self::After { requests, then } => write!(f, "after-{requests}-{then}"),
            Self::Http2Cut { at, by } => write!(f, "h2-{at}-{by}"),
        }
    }
}

impl FromStr for Scenario {
    type Err = UnknownScenario;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let numbered = || {
            let number: u8 = name.strip_prefix("alert-")?.parse().ok()?;
            Some(Self::Alert(AlertDescription::from(number)))
        };
        let later = || {
            let (requests, then) = name.strip_prefix("after-")?.split_once('-')?;
            let requests = u32::try_from(whole(requests)?).ok().filter(|requests| *requests > 0)?;
            Some(Self::After { requests, then: RequestFault::read(then)? })
        };
        Self::named()
            .find(|scenario| scenario.to_string() == name)
            .or_else(numbered)
            .or_else(later)
            .or_else(|| RequestFault::read(name).map(Self::from))
            .ok_or_else(|| UnknownScenario { name: name.into() })
    }
}

/// A name that no scenario has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownScenario {
    name: Box<str>,
}

impl fmt::Display for UnknownScenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no scenario is named {:?}; the names are healthy, cut-POINT-BY, stall-POINT, alert-NAME (or its number, \
             0 to 255), certificate-KIND, client-certificate, protocol-KIND, upload-BYTES-BY, early-STATUS-BY (200 to 599), idle-WAITms-BY, h2-preface-BY, \
             h2-settings-BY, h2-reset-REASON, h2-goaway-below-REASON-BY, h2-goaway-covering-REASON-BY, and after-N-… of \
             those that meet a request (N from 1)",
            self.name
        )
    }
}

impl Error for UnknownScenario {}
