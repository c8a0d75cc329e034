//! Calls to the OVHcloud API, safe, paced and observable.
//!
//! - [`OvhClient`]: paths in, types out; [`Call`], [`CallError`], [`ApiError`], [`AnswerError`].
//! - [`OvhStack`]: the recommended stack of layers, for any transport.
//! - [`Connector`]: connections for hyper-util's client; [`Roots`], [`Proxy`].
//! - `ReqwestTransport` (feature `reqwest`): a `reqwest::Client` as a transport.
//!
//! What the layers do is told by their own crates: `retry-on-tls-eof`, `jittered-backoff`, `rate-limit-layer`, `error-stats`,
//! `ovh-auth`.
//!
//! ```
//! use http_body_util::Full;
//! use tower::Layer;
//! use tower_ovh::{Connector, OvhStack, Proxy, Roots};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // `Connector::new` trusts whom the platform trusts; this one trusts nobody yet.
//! let connector = Connector::trusting(Roots::none())?.with_proxy(Proxy::new("http://proxy.example:3128")?);
//! let stack = OvhStack::buyer();
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let ovh = stack.layer().over_hyper_util().layer(connector.client::<Full<bytes::Bytes>>());
//! # drop(ovh);
//! # });
//! assert_eq!(stack.stats().snapshot().calls.started, 0);
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! Both are off by default, and change nothing until they are used.
//!
//! - `http2`: `Connector::with_http2`.
//! - `reqwest`: `ReqwestTransport`. Which TLS it speaks is for the caller's own features of reqwest to say.
//!
//! # Events
//!
//! Those of the layers, under their crates' names. Of this crate's own, a hook that panics is an ERROR, and what is read of the
//! platform's certificates is DEBUG. Targets begin with `tower_ovh`.
//!
//! # Unverified
//!
//! Nothing of this was run against OVHcloud's own servers; the tests run against a fake of them.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod client;
mod connector;
#[cfg(feature = "reqwest")]
mod reqwest;
mod setup_error;
mod stack;

pub use crate::client::{AnswerError, ApiError, Call, CallError, CallFuture, OvhClient};
pub use crate::connector::{
    ConnectTimedOut, Connecting, Connector, HyperClient, InvalidConnectTimeout, InvalidProxy, InvalidRoots,
    PlainHttp, Proxy, ProxyError, Roots, Stream,
};
#[cfg(feature = "reqwest")]
pub use crate::reqwest::{ReqwestFuture, ReqwestTransport, UrlChanged};
pub use crate::setup_error::{SetupError, UnknownCredentials};
pub use crate::stack::{BodyTooLong, Ovh, OvhAttempt, OvhAttemptFuture, OvhLayer, OvhStack, ResponseFuture};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
