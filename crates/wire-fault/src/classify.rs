//! From a chain of errors to a fault, by asking each reader about each error, outermost first; and to the verdict and the
//! query's id stated in it.

use std::error::Error;
use std::io;

use crate::chain::{Chain, chain};
use crate::fault::{Cause, Delivery, Fault, Healing, Phase};
use crate::mark::{Mark, Verdict};
use crate::query_id::QueryId;
use crate::reading::{Reach, Reading};
use crate::text::Text;
use crate::{h2, hyper, openssl, rustls, texts, tower};

impl Fault {
    /// Reads an error, with all its causes.
    ///
    /// What an error in the chain states of itself (a [`Mark`](crate::Mark)) is believed; otherwise typed evidence
    /// of hyper and hyper-util decides, then TLS errors by type, then known texts. What is not recognised is
    /// [`Delivery::Perhaps`](crate::Delivery::Perhaps): only proof makes [`Delivery::NeverSent`](crate::Delivery::NeverSent).
    ///
    /// Ends on every chain, a circular one too, and never panics.
    #[must_use]
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        walk(chain(error), Reading::default())
    }
}

impl Verdict {
    /// The first verdict in an error's chain of causes, if there is one.
    ///
    /// ```
    /// use wire_fault::{Mark, Verdict};
    ///
    /// let mark = Mark::verdict(Verdict::RefusedLocally);
    /// assert_eq!(Verdict::of(&mark), Some(Verdict::RefusedLocally));
    /// assert_eq!(Verdict::of(&std::fmt::Error), None);
    /// ```
    #[must_use]
    pub fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        chain(error).filter_map(|node| node.downcast_ref::<Mark>()).find_map(Mark::stated_verdict)
    }
}

impl QueryId {
    /// The first query's id stated in an error's chain of causes, if there is one.
    ///
    /// ```
    /// use wire_fault::{Mark, QueryId, Verdict};
    ///
    /// let (inner, outer) = (QueryId::new("EU.ext-1.2"), QueryId::new("EU.ext-1.3"));
    /// let below = Mark::verdict(Verdict::Exhausted).with_query_id(inner);
    /// let silent = Mark::verdict(Verdict::OutcomeUnknown).with_source(below);
    /// assert_eq!(QueryId::of(&silent), inner);
    /// assert_eq!(QueryId::of(&silent.with_query_id(outer)), outer);
    /// assert_eq!(QueryId::of(&std::fmt::Error), None);
    /// ```
    #[must_use]
    pub fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        chain(error).filter_map(|node| node.downcast_ref::<Mark>()).find_map(Mark::stated_query_id)
    }
}

/// Reads the error of a connector: whatever it says, no request had been handed to a connection.
pub(crate) fn classify_connector(error: &(dyn Error + 'static)) -> Fault {
    let mut reading = Reading { reach: Reach::NotHandedOver, ..Reading::default() };
    reading.never_sent();
    walk(chain(error), reading)
}

fn walk(chain: Chain<'_>, mut reading: Reading) -> Fault {
    let mut decided = false;
    let mut links = chain.peekable();
    // The kind of the io::Error that carries this link, if the link before was one.
    let mut carrier = None;
    while let Some(error) = links.next() {
        if let Some(mark) = error.downcast_ref::<Mark>() {
            decided |= mark.stated_verdict().is_some();
            if mark.stated_verdict() == Some(Verdict::RefusedLocally) {
                reading.never_sent();
            }
            // A mark below one of hyper's errors may speak of another call.
            reading.of_request |= mark.is_of_request() && reading.reach == Reach::Untold;
            carrier = None;
            match (mark.stated_fault(), reading.reach) {
                (Some(fault), Reach::Untold) => return settle(fault, decided),
                // Whatever a client within the connector states of its own call, this one was never sent.
                (Some(fault), Reach::NotHandedOver) => {
                    let delivery = reading.delivery.unwrap_or(fault.delivery);
                    return settle(Fault { delivery, ..fault }, decided);
                }
                // Below a request that was handed over, a mark may speak of another call (the body's, say).
                _ => continue,
            }
        }
        read(error, carrier, links.peek().copied(), &mut reading);
        if reading.reach == Reach::Foreign {
            break;
        }
        carrier = error.downcast_ref::<io::Error>().map(io::Error::kind);
        reading.in_transport |= carrier.is_some() && reading.reach == Reach::HandedOver;
    }
    settle(reading.fault(), decided)
}

/// A layer that has decided on the call had its reasons: whoever is above it must not repeat the call in its stead.
fn settle(fault: Fault, decided: bool) -> Fault {
    if decided { Fault { healing: Healing::Permanent, ..fault } } else { fault }
}

/// Typed evidence first; text only of errors that no reader knows by type.
fn read(
    error: &(dyn Error + 'static),
    carrier: Option<io::ErrorKind>,
    below: Option<&(dyn Error + 'static)>,
    reading: &mut Reading,
) {
    if hyper::read(error, reading)
        || h2::read(error, reading)
        || rustls::read(error, reading)
        || tower::read(error, reading)
    {
        return;
    }
    // An io::Error that carries another has nothing of its own to say: its text is the carried error's.
    match error.downcast_ref::<io::Error>() {
        Some(io) if io.get_ref().is_some() => read_kind(io, reading),
        Some(io) => {
            texts::read(error, Text::of(error).as_str(), None, reading);
            read_kind(io, reading);
        }
        None => {
            let text = Text::of(error);
            // A wrapper that only repeats the text of the error below knows less than that error.
            if !below.is_some_and(|below| repeats(&text, below)) {
                let _ = openssl::read(text.as_str(), reading)
                    || texts::read(error, text.as_str(), carrier, reading);
            }
        }
    }
}

fn repeats(text: &Text, below: &(dyn Error + 'static)) -> bool {
    !text.as_str().is_empty() && text.as_str() == Text::of(below).as_str()
}

/// What the kind of an io error tells. One that carries another error leaves place and cause to it where the two could differ:
/// "unexpected end of file" with a text below that says of what.
fn read_kind(error: &io::Error, reading: &mut Reading) {
    use io::ErrorKind as K;
    let bare = error.get_ref().is_none();
    // Of a kind that it has chosen, any program may make one.
    let of_the_system = error.raw_os_error().is_some();
    match error.kind() {
        K::ConnectionRefused | K::HostUnreachable | K::NetworkUnreachable | K::NetworkDown if bare => {
            // The crate's page says why ECONNREFUSED is believed. The others end connections in use as well (ICMP).
            if of_the_system && error.kind() == K::ConnectionRefused {
                reading.never_sent();
            }
            if reading.reach == Reach::NotHandedOver || reading.delivery == Some(Delivery::NeverSent) {
                reading.place(Phase::Tcp);
            }
            reading.cause(Cause::ConnectionRefused);
            reading.healing(Healing::Transient);
        }
        K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe | K::NotConnected => {
            place_below_connect(reading);
            reading.cause(Cause::Reset);
            reading.healing(Healing::Transient);
        }
        K::UnexpectedEof => {
            place_below_connect(reading);
            reading.cause(Cause::Eof);
            reading.healing(Healing::Transient);
        }
        K::TimedOut => {
            if reading.reach == Reach::NotHandedOver {
                reading.place(Phase::Tcp);
            }
            reading.cause(Cause::Timeout);
            reading.healing(Healing::Transient);
        }
        K::AddrNotAvailable if bare => {
            if of_the_system {
                reading.never_sent();
                reading.place(Phase::Tcp);
            } else if reading.reach == Reach::NotHandedOver {
                reading.place(Phase::Tcp);
            }
            reading.cause(Cause::Other);
            reading.healing(Healing::Transient);
        }
        _ => {}
    }
}

/// A connection that broke below a connector, and that was not the TCP connect (its text comes first), broke in the TLS
/// handshake: nothing else is said on it there.
fn place_below_connect(reading: &mut Reading) {
    if reading.reach == Reach::NotHandedOver {
        reading.place(Phase::TlsHandshake);
    }
}
