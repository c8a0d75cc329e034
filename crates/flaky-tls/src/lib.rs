//! A loopback TLS server that cuts connections where it is told to, and counts what it received.
//!
//! [`FlakyTls`] holds the settings and starts the server; [`Running`] is its handle. A [`Script`] gives each connection a
//! [`Scenario`], in order of accept. The [`Truth`] tells afterwards, or at any time, what was really done and received:
//! by the client's port, by request id, and in order of arrival. [`FlakyProxy`] puts a CONNECT proxy in front, which fails
//! in its own ways.
//!
//! ```
//! use std::time::Duration;
//!
//! use flaky_tls::{FlakyTls, Mix, RequestBody, Scenario, Script};
//! use http::{Request, Response};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let echo = tower::service_fn(async |request: Request<RequestBody>| {
//!     Ok::<_, std::convert::Infallible>(Response::new(request.into_body()))
//! });
//! // One cut of every kind for each 21 healthy connections; the same ones with each run.
//! let mix = Mix::new(Scenario::cuts().map(|cut| (cut, 1)).chain([(Scenario::Healthy, 21)]))?;
//! let server = FlakyTls::new().with_script(Script::seeded(7, mix)).serve(echo).await?;
//!
//! // Point a client at `server.url()`, and let it trust `server.authority()`. Then:
//! let truth = server.shutdown().await;
//! assert_eq!(truth.accepted(), 0);
//! assert_eq!(truth.busiest(Duration::from_secs(1)), 0);
//! # Ok(())
//! # }
//! ```
//!
//! # What is exact
//!
//! - A fault strikes at a position of the protocol, not after a time (a close of an idle connection excepted), and on the
//!   first request of its connection or on any later one ([`Scenario::After`]).
//! - A request counts as received once its last byte has been read, before the service is called. After a fault that
//!   needs a complete request, the service *has* been called; its answer is thrown away. The exception is a request that
//!   HTTP/2 declares unprocessed: it counts as refused, and the service has not been called.
//! - Sessions are never resumed and no tickets are sent, so that every connection does a full handshake.
//! - Bytes and orders are exact on loopback; how a client reports a cut right after the handshake depends on which of the
//!   two is quicker.
//!
//! Nothing grows without bound: bodies and records have limits ([`FlakyTls::with_body_limit`],
//! [`FlakyTls::with_record_limit`]), and connections are bounded by the process's file descriptors.
//!
//! # Features
//!
//! - `cli` (default): the `flaky-tls` binary. The library needs none of it.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod accept;
mod authority;
mod connection;
mod cut_by;
mod desk;
mod erased;
mod error;
mod handshake;
mod http1;
mod http2;
mod http2_error;
mod http_versions;
mod hyper_service;
mod ledger;
mod length;
mod mix;
mod names;
mod piece;
mod playing;
mod progress;
mod proxy;
mod receive;
mod request_fault;
mod request_names;
mod running;
mod scenario;
mod script;
mod serve;
mod served;
mod server;
mod shared;
mod stop;
mod strike;
mod truth;
mod wire;

pub use authority::Authority;
pub use cut_by::CutBy;
pub use error::StartError;
pub use http_versions::HttpVersions;
pub use http2_error::Http2Error;
pub use hyper_service::HyperService;
pub use mix::{InvalidMix, Mix};
pub use names::UnknownScenario;
pub use proxy::{
    FlakyProxy, InvalidCredentials, ProxyPoint, ProxyRecord, ProxyScenario, RunningProxy, SentCredentials,
    UnknownProxyScenario,
};
pub use request_fault::{RequestFault, RequestPoint};
pub use running::Running;
pub use rustls::AlertDescription;
pub use scenario::{BadCertificate, CutPoint, Http2Point, Scenario, WrongProtocol};
pub use script::Script;
pub use serve::{BoxError, RequestBody, Serve};
pub use server::{FlakyTls, TlsVersions};
pub use truth::{ConnectionRecord, End, Protocol, RequestRecord, Tally, Truth};

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;
