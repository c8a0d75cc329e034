//! `Fault::of` over chains that nobody planned: it ends, never panics, and takes nothing for proof that isn't.

mod common;

use std::error::Error;
use std::fmt;
use std::io;

use proptest::prelude::*;
use wire_fault::{Cause, Delivery, Fault, Healing, Mark, Phase, Verdict, chain};

use common::link::{BoxError, KNOWN};
use common::make::{Make, build, proves_by_itself, uncategorized};
use common::real::Real;

fn kind() -> impl Strategy<Value = io::ErrorKind> {
    use io::ErrorKind as K;
    prop::sample::select(vec![
        K::ConnectionRefused,
        K::ConnectionReset,
        K::ConnectionAborted,
        K::NotConnected,
        K::AddrNotAvailable,
        K::BrokenPipe,
        K::TimedOut,
        K::UnexpectedEof,
        K::InvalidData,
        K::HostUnreachable,
        K::Other,
        uncategorized(),
    ])
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(KNOWN).prop_map(str::to_owned),
        1 => ".{0,40}",
        // Longer than what is looked into, and with characters of several bytes at the edge.
        1 => "[é漢x]{500,600}",
    ]
}

fn make() -> impl Strategy<Value = Make> {
    use rustls::{AlertDescription, CertificateError, Error};
    prop_oneof![
        4 => text().prop_map(Make::Text),
        3 => kind().prop_map(Make::Io),
        1 => kind().prop_map(Make::Bare),
        1 => prop::sample::select(vec![
            Error::InvalidCertificate(CertificateError::Expired),
            Error::AlertReceived(AlertDescription::CertificateRequired),
            Error::AlertReceived(AlertDescription::InternalError),
            Error::DecryptError,
            Error::NoApplicationProtocol,
            Error::General("x".into()),
        ]).prop_map(Make::Rustls),
        1 => prop::sample::select(Real::ALL).prop_map(Make::Real),
        1 => prop::sample::select(vec![
            Make::Shared,
            Make::OfRequest,
            Make::Verdict(Verdict::Exhausted),
            Make::Stated(Delivery::Perhaps),
            Make::Os(99),
            Make::Os(111),
            Make::Os(113),
        ]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ends_and_never_panics(makes in prop::collection::vec(make(), 1..70)) {
        let error = build(&makes).expect("at least one link");
        let fault = Fault::of(&*error);
        prop_assert!(chain(&*error).count() <= 64);
        prop_assert!(!fault.to_string().is_empty());
        prop_assert!(!fault.may_repeat(false) || fault.may_repeat(true));
    }

    /// Only a documented proof makes "never sent" or "refused" of "perhaps", wherever in the chain it is put.
    #[test]
    fn a_link_that_proves_nothing_changes_no_delivery(
        makes in prop::collection::vec(make(), 1..12),
        added in prop_oneof![make(), prop::sample::select(Real::ALL).prop_map(Make::Real)],
        at in any::<prop::sample::Index>(),
    ) {
        prop_assert_eq!(proves_by_itself(&makes, &added, at.index(makes.len() + 1)), None);
    }

    /// A text may be no more than what a server said: none makes a POST be sent again.
    #[test]
    fn no_text_alone_repeats_a_post(texts in prop::collection::vec(text(), 1..6)) {
        let makes: Vec<_> = texts.into_iter().map(Make::Text).collect();
        let fault = Fault::of(&*build(&makes).expect("at least one link"));
        prop_assert!(!fault.may_repeat(false), "{fault:?}");
    }

    /// Wrappers of no known type don't hide what a layer states.
    #[test]
    fn a_stated_fault_is_believed_under_any_wrapper(outer in prop::collection::vec(".{0,20}", 0..6)) {
        let known = Fault::new(Phase::Tcp, Delivery::NeverSent, Cause::Timeout, Healing::Transient);
        let wraps: Vec<_> = outer.into_iter().map(Make::Text).collect();
        let error = wraps.iter().rev().fold(Box::new(Mark::fault(known)) as BoxError, |source, make| make.onto(Some(source)));
        prop_assert_eq!(Fault::of(&*error), known);
    }
}

/// What an outer error seems to prove is nothing to one of hyper's below it: that one knows that the request had been handed over.
#[test]
fn what_was_handed_over_may_have_been_sent_whatever_stands_above() {
    let eof = [Make::Io(io::ErrorKind::UnexpectedEof), Make::Text("tls handshake eof".into())];
    let said = [Make::Shared, Make::Text("tunnel error: proxy authorization required".into())];
    let refused = [Make::Verdict(Verdict::RefusedLocally)];
    for above in [&eof[..], &said, &refused] {
        for real in [&[Real::Pooled][..], &[Real::InFlight], &[Real::Upload], &[Real::InFlight, Real::Pooled]]
        {
            let below = real.iter().copied().map(Make::Real);
            let makes: Vec<_> = above.iter().cloned().chain(below).collect();
            let fault = Fault::of(&*build(&makes).expect("at least one link"));
            assert_eq!(fault.delivery, Delivery::Perhaps, "{makes:?}: {fault:?}");
        }
    }
}

/// What an alert proves even of a request that was handed over, it proves of no call but its own: a tunnel's body may be one.
#[test]
fn an_alert_of_a_call_within_the_connection_proves_nothing() {
    let required =
        || Make::Rustls(rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRequired));
    for real in [Real::Pooled, Real::InFlight] {
        let fault = Fault::of(&*build(&[Make::Real(real), required()]).expect("two links"));
        assert_eq!(fault.delivery, Delivery::NeverSent, "{real:?}: of its own connection");
        for other in [Real::Upload, Real::InFlight, Real::Pooled] {
            let makes = [Make::Real(real), Make::Real(other), required()];
            let fault = Fault::of(&*build(&makes).expect("three links"));
            assert_eq!(fault.delivery, Delivery::Perhaps, "{makes:?}: {fault:?}");
        }
    }
}

/// Its own source, for ever.
#[derive(Debug)]
struct Circle;

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("round and round")
    }
}

impl Error for Circle {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self)
    }
}

#[test]
fn a_circular_chain_ends() {
    assert_eq!(chain(&Circle).count(), 64);
    assert_eq!(Fault::of(&Circle), Fault::UNKNOWN);
    assert_eq!(Verdict::of(&Circle), None);
}

#[test]
fn a_call_already_decided_on_is_not_repeated_by_another_layer() {
    let below = io::Error::new(io::ErrorKind::UnexpectedEof, "tls handshake eof");
    assert!(Fault::of(&below).may_repeat(false));
    let decided = Mark::verdict(Verdict::Exhausted).with_source(below);
    let fault = Fault::of(&decided);
    assert_eq!(
        (fault.phase, fault.delivery, fault.cause),
        (Phase::TlsHandshake, Delivery::NeverSent, Cause::Eof)
    );
    assert!(!fault.may_repeat(true));
}

#[test]
fn what_was_refused_on_this_side_was_never_sent() {
    let fault = Fault::of(&Mark::verdict(Verdict::RefusedLocally));
    assert_eq!((fault.delivery, fault.healing), (Delivery::NeverSent, Healing::Permanent));
    let undecided = Fault::of(&Mark::verdict(Verdict::Exhausted));
    assert_eq!(undecided.delivery, Delivery::Perhaps);
}

#[test]
fn the_sentence_names_place_cause_and_delivery() {
    let eof = io::Error::other(io::Error::new(io::ErrorKind::UnexpectedEof, "tls handshake eof"));
    assert_eq!(Fault::of(&eof).to_string(), "TLS handshake cut by the peer; the request was never sent");
    assert!(Fault::of(&eof).is_tls_eof());
    assert_eq!(Fault::UNKNOWN.to_string(), "call failed; the server may have received the request");
}
