//! What failed on the wire, in which phase, whether the server can have acted, and whether a repeat can heal it.
//!
//! [`Fault::of`] reads any error of a call over hyper, hyper-util, rustls, OpenSSL or native-tls (and of clients built
//! on them) and answers four questions: [`Phase`], [`Delivery`], [`Cause`] and [`Healing`]. [`Fault::may_repeat`]
//! turns them into the one decision that matters.
//!
//! # What counts as proof that a request was never sent
//!
//! Only this list does; everything else is [`Delivery::Perhaps`]. The counts are complete requests that a loopback
//! server had received in about 150 scenarios of cut connections.
//!
//! | proof | seen | received |
//! |---|---|---|
//! | `hyper_util` legacy error of the connector | 8,398 | 0 |
//! | `hyper_util` legacy error without `connect_info` | 1,229 | 0 |
//! | `hyper::Error::is_canceled`, `is_closed`: the request was handed back unwritten | 884 | 0 |
//! | a certificate that the client refused; no TLS version, cipher or ALPN in common | | 0 |
//! | a fatal alert that only ends handshakes (RFC 8446, 6.2: `handshake_failure`, `certificate_required`, …) | | 0 |
//! | `connect(2)` refused, no local address, a name that did not resolve, `tls handshake eof` of tokio-rustls | | 0 |
//! | what a layer states first hand with a [`Mark`], or refused itself ([`Verdict::RefusedLocally`]) | | |
//!
//! The rows without `connect_info` of their own hold only while nothing outside them says that the request had been
//! handed to a connection: a failing upload body, say, may itself be an error of another call.
//!
//! # Features
//!
//! - `rustls` (default): reads rustls' errors by type. Without it their text is read, with the same verdicts.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod alert;
mod as_fault;
mod call_id;
mod chain;
mod classify;
mod fault;
mod h2;
mod hyper;
mod mark;
mod openssl;
mod reading;
mod rustls;
mod sentence;
mod texts;
mod witness;

pub use crate::as_fault::{AsFault, Boxed, Plain};
pub use crate::call_id::CallId;
pub use crate::chain::{Chain, chain};
pub use crate::fault::{Cause, Delivery, Fault, Healing, Phase};
pub use crate::mark::{Mark, Unprocessed, Verdict};
pub use crate::witness::{
    Connecting, InvalidProxy, ProxyRefused, ProxyTunnel, StampLayer, Stamped, Tunneled, Tunneling, Witness,
    WitnessLayer, Witnessed, WitnessedIo,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
