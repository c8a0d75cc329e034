//! Evidence gathered where the connection is made: what failed there, and whether anything was ever written to it.
//!
//! # Where they go
//!
//! ```text
//! WitnessLayer                  counts the request's own bytes; states "never sent" of every failed connect
//!   └ TLS connector             hyper-rustls, hyper-tls, hyper-openssl
//!       └ ProxyTunnel           through a proxy only: keeps the status with which it refuses
//!           └ StampLayer::tcp   states that what fails below is not yet TLS
//!               └ HttpConnector
//! ```
//!
//! The counter must see the request's bytes, so it goes above TLS: below, the handshake's own bytes are writes too. A stamp
//! knows only that what comes out of it happened no later than its phase, so each goes around the part it names.
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
//! # Over reqwest
//!
//! reqwest's `connector_layer` takes a [`StampLayer`], and no [`WitnessLayer`]: the connection that goes through it is a type
//! of reqwest's own, which must come out as it went in, so nothing can be wrapped around it. Writes can't be counted there.
//! The layer stands above all that reqwest does to connect (proxy and TLS included), so it can state "never sent" of every
//! failure, which reqwest's error shows by itself, but not tell TCP from TLS better than the texts do. reqwest's total
//! timeout ends a call outside the connector, with no word on how far it had come: that stays "perhaps".

mod connector;
mod evidence;
mod future;
mod io;
mod layer;
mod listen;
mod stamp;
mod stamped;
mod tunnel;

pub use self::connector::Witnessed;
pub use self::evidence::Witness;
pub use self::future::Connecting;
pub use self::io::WitnessedIo;
pub use self::layer::WitnessLayer;
pub use self::listen::Tunneled;
pub use self::stamp::StampLayer;
pub use self::stamped::Stamped;
pub use self::tunnel::{InvalidProxy, ProxyRefused, ProxyTunnel, Tunneling};
