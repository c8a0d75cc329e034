//! `Fault::of` over any chain: it ends, never panics, and never lets a POST be repeated on the strength of a text alone.

#![no_main]

#[path = "../../crates/wire-fault/tests/common/link.rs"]
mod link;

use std::error::Error;
use std::io;
use std::sync::Arc;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use link::{BoxError, KNOWN, Link};
use wire_fault::{Cause, Delivery, Fault, Healing, Mark, Phase, Verdict, chain};

/// How one link is made. The rest of the chain is below it, where its kind has a place for it.
#[derive(Arbitrary, Debug)]
enum Make {
    /// A text of the fuzzer's own.
    Text(String),
    /// A known text, or what is left of it, with something behind.
    Known(u8, u8, String),
    /// An io error that carries what is below.
    Io(u8),
    /// An io error with a code of the system's; the chain ends there.
    Os(i32),
    Shared,
    Alert(u8),
    Certificate,
    Verdict(u8),
    Stated(u8),
}

const KINDS: &[io::ErrorKind] = &[
    io::ErrorKind::ConnectionRefused,
    io::ErrorKind::ConnectionReset,
    io::ErrorKind::BrokenPipe,
    io::ErrorKind::AddrNotAvailable,
    io::ErrorKind::UnexpectedEof,
    io::ErrorKind::TimedOut,
    io::ErrorKind::InvalidData,
    io::ErrorKind::Other,
];

fn pick<T>(from: &[T], at: u8) -> &T {
    &from[usize::from(at) % from.len()]
}

impl Make {
    fn is_only_text(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Known(..) | Self::Shared)
    }

    fn onto(&self, below: Option<BoxError>) -> BoxError {
        let link = |text: String, source| -> BoxError { Box::new(Link { text, source }) };
        match self {
            Self::Text(text) => link(text.clone(), below),
            Self::Known(at, cut, rest) => {
                let known = pick(KNOWN, *at);
                let kept = known.len().saturating_sub(usize::from(*cut) % 4);
                link(format!("{}{rest}", &known[..kept]), below)
            }
            Self::Io(at) => match below {
                Some(below) => io::Error::new(*pick(KINDS, *at), below).into(),
                None => io::Error::from(*pick(KINDS, *at)).into(),
            },
            Self::Os(code) => io::Error::from_raw_os_error(*code).into(),
            Self::Shared => {
                let below: Arc<dyn Error + Send + Sync> = below.unwrap_or_else(|| "nothing".into()).into();
                Box::new(below)
            }
            Self::Alert(number) => rustls::Error::AlertReceived((*number).into()).into(),
            Self::Certificate => rustls::Error::InvalidCertificate(rustls::CertificateError::Expired).into(),
            Self::Verdict(at) => {
                let all = [Verdict::RefusedLocally, Verdict::OutcomeUnknown, Verdict::Exhausted];
                let mark = Mark::verdict(*pick(&all, *at));
                match below {
                    Some(below) => mark.with_source(below).into(),
                    None => mark.into(),
                }
            }
            Self::Stated(at) => {
                let all = [Delivery::NeverSent, Delivery::Refused, Delivery::Perhaps, Delivery::Answered];
                let fault = Fault::new(Phase::Tcp, *pick(&all, *at), Cause::Timeout, Healing::Transient);
                Mark::fault(fault).into()
            }
        }
    }
}

fuzz_target!(|makes: Vec<Make>| {
    let Some(error) = makes.iter().rev().fold(None, |below, make| Some(make.onto(below))) else { return };
    let fault = Fault::of(&*error);
    assert!(chain(&*error).count() <= 64);
    assert!(!fault.to_string().is_empty());
    assert!(!fault.may_repeat(false) || fault.may_repeat(true));
    assert_eq!(Fault::of(&*error), fault, "the same error reads the same");
    if makes.iter().all(Make::is_only_text) {
        assert_ne!(
            (fault.delivery, fault.may_repeat(false)),
            (Delivery::NeverSent, true),
            "{makes:?}: {fault:?}"
        );
    }
    if Verdict::of(&*error).is_some() && !matches!(makes.first(), Some(Make::Stated(_))) {
        let stated = makes.iter().take_while(|make| !matches!(make, Make::Verdict(_)));
        if stated.clone().all(Make::is_only_text) && stated.count() == 0 {
            assert!(!fault.may_repeat(true), "a call decided on is not repeated: {fault:?}");
        }
    }
});
