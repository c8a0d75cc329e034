//! How the links of a synthetic chain are made, and which of them are on the crate's list of proofs: for the property tests and
//! the fuzzer.

use std::error::Error;
use std::io;
use std::sync::Arc;

use wire_fault::{Cause, Delivery, Fault, Healing, Mark, Phase, Verdict};

use super::link::{BoxError, Link};
use super::real::Real;

#[derive(Clone, Debug)]
pub enum Make {
    Text(String),
    /// An io error that carries the rest of the chain.
    Io(io::ErrorKind),
    /// An io error with nothing in it: the chain ends there.
    Bare(io::ErrorKind),
    /// The same, with a code of the system's.
    Os(i32),
    /// An `Arc` of the rest of the chain.
    Shared,
    Rustls(rustls::Error),
    Real(Real),
    /// A mark that states a verdict, above the rest of the chain.
    Verdict(Verdict),
    /// One that states a fault, and ends the chain.
    Stated(Delivery),
    /// One that states whose error the rest of the chain is.
    OfRequest,
}

impl Make {
    /// Whether it can prove that a request was never sent or refused: a documented proof, or what makes one of what is below.
    pub fn is_proof(&self) -> bool {
        let kind = |kind| matches!(kind, io::ErrorKind::ConnectionRefused | io::ErrorKind::AddrNotAvailable);
        match self {
            Self::Text(text) => is_proof_text(text),
            Self::Bare(of) => kind(*of),
            Self::Os(code) => kind(io::Error::from_raw_os_error(*code).kind()),
            Self::Io(_) | Self::Shared => false,
            Self::Rustls(error) => {
                matches!(
                    error,
                    rustls::Error::InvalidCertificate(_)
                        | rustls::Error::NoCertificatesPresented
                        | rustls::Error::NoApplicationProtocol
                ) || is_proof_text(&error.to_string())
            }
            Self::Real(real) => real.is_proof(),
            Self::Verdict(verdict) => *verdict == Verdict::RefusedLocally,
            Self::Stated(delivery) => matches!(delivery, Delivery::NeverSent | Delivery::Refused),
            Self::OfRequest => true,
        }
    }

    /// Whether it holds no more than a text that anybody may have said.
    pub fn is_only_text(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Shared)
    }

    /// Whether nothing can be below it.
    fn ends(&self) -> bool {
        match self {
            Self::Bare(_) | Self::Os(_) | Self::Rustls(_) | Self::Stated(_) => true,
            Self::Real(real) => real.ends(),
            _ => false,
        }
    }

    pub fn onto(&self, below: Option<BoxError>) -> BoxError {
        match self {
            Self::Text(text) => Box::new(Link { text: text.clone(), source: below }),
            Self::Io(kind) => match below {
                Some(below) => io::Error::new(*kind, below).into(),
                None => io::Error::new(*kind, "nothing").into(),
            },
            Self::Bare(kind) => io::Error::from(*kind).into(),
            Self::Os(code) => io::Error::from_raw_os_error(*code).into(),
            Self::Shared => {
                let below: Arc<dyn Error + Send + Sync> = below.unwrap_or_else(|| "nothing".into()).into();
                Box::new(below)
            }
            Self::Rustls(error) => error.clone().into(),
            Self::Real(real) => real.over(below),
            Self::Verdict(verdict) => match below {
                Some(below) => Mark::verdict(*verdict).with_source(below).into(),
                None => Mark::verdict(*verdict).into(),
            },
            Self::Stated(delivery) => {
                Mark::fault(Fault::new(Phase::Tcp, *delivery, Cause::Timeout, Healing::Transient)).into()
            }
            Self::OfRequest => Mark::of_request(below.unwrap_or_else(|| "nothing".into())).into(),
        }
    }
}

/// The error of a whole chain, outermost first, unless it is empty.
pub fn build(makes: &[Make]) -> Option<BoxError> {
    let end = makes.iter().position(Make::ends).map_or(makes.len(), |at| at + 1);
    makes[..end].iter().rev().fold(None, |below, make| Some(make.onto(below)))
}

/// The property: a link that proves nothing, put anywhere into a chain that proves nothing, proves nothing.
///
/// Answers the two readings where that is not so.
pub fn proves_by_itself(makes: &[Make], added: &Make, at: usize) -> Option<(Fault, Fault)> {
    let before = Fault::of(&*build(makes)?);
    // What proves only where an io error carries it.
    let carried = makes[at..].iter().find(|make| !matches!(make, Make::Shared));
    let above = makes[..at].iter().rev().find(|make| !matches!(make, Make::Shared));
    let makes_one = match added {
        Make::Io(_) => carried.is_some_and(is_carried_proof),
        Make::Text(_) => is_carried_proof(added) && matches!(above, Some(Make::Io(_) | Make::Real(_))),
        // Somebody has said that what comes is a request's own error.
        Make::Real(real) if real.is_go_away() => {
            makes[..at].iter().any(|make| matches!(make, Make::OfRequest))
        }
        // It gives what is below an io error of its own.
        Make::Real(_) => carried.is_some_and(is_carried_proof),
        _ => false,
    };
    if before.delivery != Delivery::Perhaps || added.is_proof() || makes_one {
        return None;
    }
    let mut more = makes.to_vec();
    more.insert(at, added.clone());
    let after = Fault::of(&*build(&more)?);
    matches!(after.delivery, Delivery::NeverSent | Delivery::Refused).then_some((before, after))
}

/// Texts that prove by themselves; nothing is repeated on the strength of one.
fn is_proof_text(text: &str) -> bool {
    const PROOFS: &[&str] = &[
        "tunnel error: ",
        "invalid peer certificate: ",
        "peer sent no certificates",
        "peer is incompatible: ",
        "peer doesn't support any known protocol",
        "received fatal alert: ",
        "error:0A",
        "builder error",
    ];
    PROOFS.iter().any(|proof| text.contains(proof))
}

/// Texts that prove where an io error carries them.
fn is_carried_proof(make: &Make) -> bool {
    matches!(make, Make::Text(text)
        if text == "tls handshake eof" || text.starts_with("failed to lookup address information"))
}
