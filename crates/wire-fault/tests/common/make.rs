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
        use io::ErrorKind as K;
        match self {
            Self::Text(_) | Self::Bare(_) | Self::Io(_) | Self::Shared => false,
            Self::Os(code) => {
                matches!(
                    io::Error::from_raw_os_error(*code).kind(),
                    K::ConnectionRefused | K::AddrNotAvailable
                )
            }
            Self::Rustls(error) => matches!(
                error,
                rustls::Error::InvalidCertificate(_)
                    | rustls::Error::NoCertificatesPresented
                    | rustls::Error::NoApplicationProtocol
                    | rustls::Error::AlertReceived(_)
            ),
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
    // What proves only where an io error of its crate's kind carries it.
    let carried = makes[at..].iter().find(|make| !matches!(make, Make::Shared));
    let above = makes[..at].iter().rev().find(|make| !matches!(make, Make::Shared));
    let makes_one = match added {
        Make::Io(kind) => carried.is_some_and(|make| is_proof_within(make, *kind)),
        Make::Text(_) => {
            matches!(above, Some(Make::Io(kind)) if is_proof_within(added, *kind))
                || is_proof_of_tls(added) && makes[..at].iter().any(|make| matches!(make, Make::Real(_)))
        }
        // Somebody has said that what comes is a request's own error.
        Make::Real(real) if real.is_go_away() => {
            makes[..at].iter().any(|make| matches!(make, Make::OfRequest))
        }
        // It makes of what is below the error of a connection.
        Make::Real(_) => makes[at..].iter().any(is_proof_of_tls),
        _ => false,
    };
    if before.delivery != Delivery::Perhaps || added.is_proof() || makes_one {
        return None;
    }
    // Where the chain ends with it, what says "perhaps" below is gone; what stands above may prove by itself.
    let above = build(&makes[..at]).map_or(Delivery::Perhaps, |error| Fault::of(&*error).delivery);
    if added.ends() && above != Delivery::Perhaps {
        return None;
    }
    let mut more = makes.to_vec();
    more.insert(at, added.clone());
    let after = Fault::of(&*build(&more)?);
    matches!(after.delivery, Delivery::NeverSent | Delivery::Refused).then_some((before, after))
}

/// Whether it proves where an io error of this kind carries it.
fn is_proof_within(make: &Make, kind: io::ErrorKind) -> bool {
    let Make::Text(text) = make else { return false };
    text == "tls handshake eof" && kind == io::ErrorKind::UnexpectedEof
        || text.starts_with("failed to lookup address information") && kind == uncategorized()
}

/// Whether it can prove something as the error of a connection that had the request: TLS 1.3's `certificate_required`.
fn is_proof_of_tls(make: &Make) -> bool {
    matches!(make, Make::Text(text) if text.starts_with("received fatal alert: ") || text.starts_with("error:"))
}

/// The kind of std's errors of the resolver, which has no name in code: of a number that no system has an error for.
pub fn uncategorized() -> io::ErrorKind {
    io::Error::from_raw_os_error(i32::MAX).kind()
}
