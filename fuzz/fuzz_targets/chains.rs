//! `Fault::of` over any chain: it ends, never panics, takes nothing for proof that isn't, and never lets a POST be repeated on the
//! strength of a text alone.

#![no_main]

#[path = "../../crates/wire-fault/tests/common/mod.rs"]
mod common;

use std::io;

use arbitrary::Arbitrary;
use common::link::KNOWN;
use common::make::{Make, build, proves_by_itself, uncategorized};
use common::real::Real;
use libfuzzer_sys::fuzz_target;
use wire_fault::{Delivery, Fault, Verdict, chain};

/// How one link is made.
#[derive(Arbitrary, Debug)]
enum Link {
    /// A text of the fuzzer's own.
    Text(String),
    /// A known text, or what is left of it, with something behind.
    Known(u8, u8, String),
    Io(u8),
    Bare(u8),
    /// An io error with a code of the system's.
    Os(i32),
    Shared,
    Alert(u8),
    Certificate,
    Verdict(u8),
    Stated(u8),
    OfRequest,
    Real(u8),
}

const KINDS: &[io::ErrorKind] = &[
    io::ErrorKind::ConnectionRefused,
    io::ErrorKind::ConnectionReset,
    io::ErrorKind::BrokenPipe,
    io::ErrorKind::AddrNotAvailable,
    io::ErrorKind::HostUnreachable,
    io::ErrorKind::UnexpectedEof,
    io::ErrorKind::TimedOut,
    io::ErrorKind::InvalidData,
    io::ErrorKind::Other,
];

fn pick<T: Clone>(from: &[T], at: u8) -> T {
    from[usize::from(at) % from.len()].clone()
}

impl From<Link> for Make {
    fn from(link: Link) -> Self {
        match link {
            Link::Text(text) => Self::Text(text),
            Link::Known(at, cut, rest) => {
                let known = pick(KNOWN, at);
                let kept = known.len().saturating_sub(usize::from(cut) % 4);
                Self::Text(format!("{}{rest}", &known[..kept]))
            }
            Link::Io(at) if at == u8::MAX => Self::Io(uncategorized()),
            Link::Io(at) => Self::Io(pick(KINDS, at)),
            Link::Bare(at) => Self::Bare(pick(KINDS, at)),
            Link::Os(code) => Self::Os(code),
            Link::Shared => Self::Shared,
            Link::Alert(number) => Self::Rustls(rustls::Error::AlertReceived(number.into())),
            Link::Certificate => {
                Self::Rustls(rustls::Error::InvalidCertificate(rustls::CertificateError::Expired))
            }
            Link::Verdict(at) => Self::Verdict(pick(
                &[Verdict::RefusedLocally, Verdict::OutcomeUnknown, Verdict::Exhausted],
                at,
            )),
            Link::Stated(at) => Self::Stated(pick(
                &[Delivery::NeverSent, Delivery::Refused, Delivery::Perhaps, Delivery::Answered],
                at,
            )),
            Link::OfRequest => Self::OfRequest,
            Link::Real(at) => Self::Real(pick(Real::ALL, at)),
        }
    }
}

fuzz_target!(|input: (Vec<Link>, Link, u8)| {
    let (links, added, at) = input;
    let makes: Vec<Make> = links.into_iter().map(Make::from).collect();
    let Some(error) = build(&makes) else { return };
    let fault = Fault::of(&*error);
    assert!(chain(&*error).count() <= 64);
    assert!(!fault.to_string().is_empty());
    assert!(!fault.may_repeat(false) || fault.may_repeat(true));
    assert_eq!(Fault::of(&*error), fault, "the same error reads the same");
    if makes.iter().all(Make::is_only_text) {
        assert!(!fault.may_repeat(false), "{makes:?}: {fault:?}");
    }
    if matches!(makes.first(), Some(Make::Verdict(_))) {
        assert!(!fault.may_repeat(true), "a call decided on is not repeated: {fault:?}");
    }
    let (added, at) = (Make::from(added), usize::from(at) % (makes.len() + 1));
    assert_eq!(proves_by_itself(&makes, &added, at), None, "{added:?} at {at} of {makes:?}");
});
