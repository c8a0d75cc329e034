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
//! | the alert `certificate_required`, by which TLS 1.3 ends a handshake that the client took for complete | | 0 |
//! | another fatal alert that only ends handshakes (RFC 8446, 6.2: `handshake_failure`, `access_denied`, …) | | 0 |
//! | `connect(2)` refused or no local address, with the system's number; a name that did not resolve; `tls handshake eof` of tokio-rustls | | 0 |
//! | a request that the client could not even build (reqwest's `builder error`, unless it names a URL: a redirect's may be it) | | |
//! | no write was ever attempted on its connection ([`Witness`]) | | 0 |
//! | tower's `LoadShed` or broken `Buffer` had not passed the call on (feature `tower`) | | |
//! | what a layer states first hand with a [`Mark`], or refused itself ([`Verdict::RefusedLocally`]) | | |
//!
//! The rows without `connect_info` of their own hold only while nothing outside them says that the request had been
//! handed to a connection: a failing upload body, say, may itself be an error of another call, and a `handshake_failure` may
//! end a second handshake, which TLS 1.2 allows a server to ask for when it has read the request.
//!
//! A text by itself proves nothing. An API's error may repeat what a server said of *its* call to somebody else, word for word.
//! So a text counts only where it is seen to be its crate's own:
//!
//! - `tls handshake eof` and a resolver's words within an `io::Error` of the kind that tokio-rustls and std give it
//!   (`UnexpectedEof`; `Uncategorized`, which programs can't name), and not within `io::Error::other`;
//! - the errors of rustls, reqwest's builder and hyper-util's tunnel if their `Debug` is the crate's, too (`AlertReceived(…`): of a
//!   text that a server sent, a derived `Debug` shows the text;
//! - OpenSSL's below a connector's error, or below one of hyper's of the connection in use;
//! - "refused" below an error of hyper's.
//!
//! Everywhere else such a text leaves the delivery at "perhaps". It may still tell that a repeat can't heal.
//!
//! Within an `io::Error` of the connection that had the request, errors of hyper and h2 are the story of that connection (a
//! tunnel through HTTP/2, say), and prove nothing of the request; nor does anything below them.
//!
//! # What counts as a refusal
//!
//! | the protocol says "not processed" | believed |
//! |---|---|
//! | `RST_STREAM` with `REFUSED_STREAM` | below hyper's errors; of h2 itself with the feature |
//! | a `GOAWAY` whose last stream is an earlier one | below hyper-util's error, or below [`Mark::of_request`] |
//!
//! A `GOAWAY` needs more than its own error: the future of a connection (hyper's `Connection`, spawned or selected beside the
//! request, and h2's) ends with an error of the very same type and text, also where the server has received and processed every
//! request on it. Whoever drives such a connection and shows its error gets [`Delivery::Perhaps`]; whoever can tell the
//! request's error from the connection's says so with [`Mark::of_request`].
//!
//! **One gap is left, in hyper (1.12).** It asks for the connection's state once more after it has opened a stream. A `GOAWAY`
//! that arrives in between, on another thread, fails the request with the refusal's error although the stream is covered and its
//! head is still written. With a body to come, the request stays incomplete and is reset. Without one it is complete: aimed at
//! by a peer in the same process, 6 of 30,000 bodyless requests were received so over hyper and 3 of 30,000 over hyper-util's
//! client, and none of 30,000 with a body. It takes a runtime of several threads and a `GOAWAY` within some hundred nanoseconds;
//! to close it, repeat no refused request that has neither a body nor an idempotent method, or send an empty body that does not
//! say so (`is_end_stream` is false until it was asked for a frame): its request, too, is complete only with a frame after the head.
//!
//! Where the last stream of that `GOAWAY` is an earlier one, the repeat is right all the same: whatever had been received, the
//! server has declared that it does not process it (RFC 9113, 6.8). It is wrong only after the warning of an orderly shutdown, a
//! `GOAWAY` whose last stream is 2^31-1: a server that has not seen a stream yet covers it by no other. h2 gives both the same
//! error (`tests/suite/http2.rs`).
//!
//! # Which system errors are believed
//!
//! A bare `io::Error` of `ECONNREFUSED` or `EADDRNOTAVAIL` with the system's number (`raw_os_error`), outside every error of
//! hyper's, is taken for one of `connect(2)`: clients that connect by hand show it so, and no other call of theirs ends with it
//! soon. One of the kind alone, which any program can make, is no proof. Linux can end an established
//! connection with `ECONNREFUSED` too: when retransmissions have run out (15 minutes, or `TCP_USER_TIMEOUT`) and a firewall had
//! meanwhile answered them with "port unreachable" (`tcp_write_err` of its sources; not measured). Over hyper's clients that stands
//! below their own error, and proves nothing; a client of another make that waits so long marks its connect errors itself
//! ([`StampLayer`], [`Mark`]) and hides those of connections in use. `ENETUNREACH`, `EHOSTUNREACH`, `ENETDOWN` and `ETIMEDOUT` end
//! connections in use at any time: outside a connector they are [`Delivery::Perhaps`].
//!
//! # What no error tells
//!
//! - **Redirects.** A client that follows them (reqwest does by default) ends with the error of the last request it sent.
//!   "Never sent" is true of that one, while the POST before it had been answered. Follow no redirects of requests that
//!   change something below a retry (`reqwest::redirect::Policy::none()`). Above it, each request is a call of its own, whose
//!   error is its own. The same holds for every layer that sends more than one request for a call: another retry, a hedge.
//!   No [`Witness`] can tell: a connection that was had before the failed one looks the same where a pooled one had gone
//!   stale and nothing was sent.
//! - **A wrapper that hides types**: one that passes on text and source of the error within it (`#[error(transparent)]`) takes
//!   the typed proofs away, and what is left is mostly "perhaps". Use `#[source]` or `#[from]` with a text of its own. `Arc` and
//!   `Box` of the usual errors are seen through. anyhow's `Error` turned into a boxed error (`.into()`, `into_boxed_dyn_error`) is
//!   such a wrapper of the outermost error. Read it before, as `Fault::of(&**error)` or `Fault::of(error.as_ref())`; or give it a
//!   `.context(…)`, below which the types are seen; or box it by `reallocate_into_boxed_dyn_error_without_backtrace`.
//!
//! # The witness
//!
//! [`WitnessLayer`] goes around the whole connector of hyper-util's client, [`StampLayer`]s go around its parts:
//!
//! ```text
//! WitnessLayer                  counts the request's own writes; states "never sent" of every failed connect
//!   └ TLS connector             hyper-rustls, hyper-tls, hyper-openssl
//!       └ ProxyTunnel           through a proxy only: keeps the status with which it refuses
//!           └ StampLayer::tcp   states that what fails below is not yet TLS
//!               └ HttpConnector
//! ```
//!
//! The counter must see the request's bytes and not the handshake's, so it goes above TLS. A stamp knows that what comes out of
//! it happened no later than its phase, so each goes around the part it names; the innermost speaks.
//!
//! ```
//! # fn build(config: rustls::ClientConfig) {
//! use hyper_util::client::legacy::{Client, connect::HttpConnector};
//! use hyper_util::rt::TokioExecutor;
//! use tower_layer::Layer;
//! use wire_fault::{StampLayer, WitnessLayer};
//!
//! let mut tcp = HttpConnector::new();
//! tcp.enforce_http(false);
//! let tls = hyper_rustls::HttpsConnectorBuilder::new()
//!     .with_tls_config(config)
//!     .https_or_http()
//!     .enable_http1()
//!     .wrap_connector(StampLayer::tcp().layer(tcp));
//! let connector = WitnessLayer::new().layer(tls);
//! let client: Client<_, http_body_util::Empty<bytes::Bytes>> =
//!     Client::builder(TokioExecutor::new()).build(connector);
//! # }
//! ```
//!
//! What the counter decides: with hyper 1.12 a request that was queued and not begun is handed back as cancelled, which is proof
//! by itself; of 1,500 connections cut right after the handshake, the counter was the only proof for none. It holds where
//! hyper's word does not reach: a time limit that asks [`Witness::seal`], a body that failed before its head was written,
//! other versions and other clients.
//!
//! Over hyper-util's client the stamps sharpen place and cause; that a failed connect sent nothing shows in the client's own
//! error.
//!
//! Over tonic, which connects by itself and whose `Channel` shows no error of hyper-util's, a stamp is the only proof. tonic's
//! default connector has none. Give it one: `endpoint.connect_with_connector(StampLayer::connector().layer(connector))`, or its
//! `_lazy` sibling, and read the error of a call as ever. A [`WitnessLayer`] there tells the same, and counts writes.
//!
//! reqwest's `connector_layer` takes [`StampLayer::connector`] and no [`WitnessLayer`]: the connection that goes through it is
//! of a type of reqwest's own and must come out as it went in. So no writes can be counted there; the layer stands above
//! everything reqwest does to connect, and tells TCP from TLS no better than the texts do; and reqwest's total timeout ends
//! a call outside of it, with no word on how far it had come: that stays "perhaps".
//!
//! # Features
//!
//! - `rustls` (default): reads rustls' errors by type. Without it their text and `Debug` are read, with the same verdicts.
//! - `h2`: reads h2's errors by type. Below hyper's errors the text is read with the same verdicts; the feature adds clients that
//!   use h2 without hyper.
//! - `tower`: reads `Overloaded` of tower's `LoadShed` and `ServiceError` of its `Buffer` by type, since their texts prove nothing.
//!   Without it they are "perhaps".
//!
//! There are no features for native-tls, OpenSSL and reqwest, since none would decide anything: `native_tls::Error` is opaque,
//! the number in OpenSSL's text is all that its types hold (and its crate needs OpenSSL's headers to build), and reqwest's
//! predicates are the words at the start of its texts, the same in 0.12 and 0.13.

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
mod query_id;
mod reading;
mod rustls;
mod sentence;
mod text;
mod texts;
mod tower;
mod witness;

pub use crate::as_fault::{AsFault, Boxed, Plain};
pub use crate::call_id::CallId;
pub use crate::chain::{Chain, chain, find};
pub use crate::fault::{Cause, Delivery, Fault, Healing, Phase};
pub use crate::mark::{Mark, Unprocessed, Verdict};
pub use crate::query_id::QueryId;
pub use crate::witness::{
    Connecting, InvalidProxy, ProxyRefused, ProxyTunnel, StampLayer, Stamped, Tunneled, Tunneling, Witness,
    WitnessLayer, Witnessed, WitnessedIo,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
