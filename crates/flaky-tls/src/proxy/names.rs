//! The names of the proxy's scenarios, written and read.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use http::StatusCode;

use crate::cut_by::CutBy;
use crate::proxy::scenario::{ProxyPoint, ProxyScenario};

impl ProxyScenario {
    /// Every kind by its name, `tunnel` first; of the answers the usual ones.
    pub fn named() -> impl Iterator<Item = Self> {
        let answers = [
            StatusCode::PROXY_AUTHENTICATION_REQUIRED,
            StatusCode::FORBIDDEN,
            StatusCode::BAD_GATEWAY,
            StatusCode::SERVICE_UNAVAILABLE,
        ];
        let cuts = ProxyPoint::ALL
            .into_iter()
            .flat_map(|at| CutBy::ALL.into_iter().map(move |by| Self::Cut { at, by }));
        [Self::Tunnel]
            .into_iter()
            .chain(answers.map(Self::Answer))
            .chain([Self::Garbage, Self::LongHead])
            .chain(cuts)
            .chain(ProxyPoint::ALL.map(Self::Stall))
    }
}

impl fmt::Display for ProxyPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Accept => "accept",
            Self::Connect => "connect",
            Self::Head => "head",
            Self::Tunnel => "tunnel",
        })
    }
}

impl fmt::Display for ProxyScenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tunnel => f.write_str("tunnel"),
            Self::Answer(status) => write!(f, "answer-{}", status.as_u16()),
            Self::Garbage => f.write_str("garbage"),
            Self::LongHead => f.write_str("long-head"),
            Self::Cut { at, by } => write!(f, "cut-{at}-{by}"),
            Self::Stall(at) => write!(f, "stall-{at}"),
        }
    }
}

impl FromStr for ProxyScenario {
    type Err = UnknownProxyScenario;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let answer = || {
            let status =
                name.strip_prefix("answer-")?.parse().ok().filter(|status| (300..600).contains(status))?;
            Some(Self::Answer(StatusCode::from_u16(status).ok()?))
        };
        Self::named()
            .find(|scenario| scenario.to_string() == name)
            .or_else(answer)
            .ok_or_else(|| UnknownProxyScenario { name: name.into() })
    }
}

/// A name that no scenario of a proxy has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownProxyScenario {
    name: Box<str>,
}

impl fmt::Display for UnknownProxyScenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no scenario of a proxy is named {:?}; the names are tunnel, answer-STATUS (300 to 599), garbage, \
             long-head, cut-POINT-BY and stall-POINT",
            self.name
        )
    }
}

impl Error for UnknownProxyScenario {}
