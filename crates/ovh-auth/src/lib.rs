//! OVHcloud API authentication for tower: endpoints, configuration, signing with the server's clock, OAuth2.
//!
//! - [`Config::load`] finds endpoint and credentials where all of OVHcloud's clients look for them.
//! - [`SignLayer`] signs each attempt with an application's keys, at the time of the [`ServerClock`].
//! - [`BearerLayer`] puts an access token on each attempt, from the [`Tokens`] of an OAuth2 client, or one that is
//!   given.
//! - [`CredentialRequest`] asks for a consumer key.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use ovh_auth::{ApplicationKeys, Endpoint, ServerClock, SignLayer};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! // In place of a transport.
//! let transport = service_fn(|request: Request<Full<Bytes>>| async move {
//!     Ok::<_, std::io::Error>(Response::new(Full::<Bytes>::from(match request.uri().path() {
//!         "/1.0/auth/time" => "1457018875",
//!         _ => request.headers()["x-ovh-timestamp"].to_str().unwrap(),
//!     }.to_owned())))
//! });
//!
//! let endpoint: Endpoint = "ovh-eu".parse()?;
//! let keys = ApplicationKeys::new("7kbG7Bk7S9Nt7ZSV", "9ufkBmLaTQ9nz5yMUlg79taH0GNnzDjk")?
//!     .with_consumer_key("5mBuy6SUQcRw2ZUxg0cG68BoDKpED4KY")?;
//! let clock = ServerClock::new(&endpoint, transport.clone());
//! let service = SignLayer::new(endpoint.clone(), keys, clock).layer(transport);
//!
//! let response = service.oneshot(Request::get(endpoint.url("/me")?).body(Full::default())?).await?;
//! assert_eq!(response.into_body().collect().await?.to_bytes(), "1457018875");
//! # Ok(())
//! # }
//! ```
//!
//! # Where the layers go
//!
//! Right above the transport, below retry and rate limit: then each attempt is signed afresh, and no timestamp grows
//! old in a queue. The services through which the time or a token is fetched are the caller's, so a limiter,
//! statistics, a timeout and a retry can stand over the same transport there.
//!
//! A call that waits there for the time or a token has been released already. A layer above the limit that waits for it first
//! puts it into the request: [`Basis`]. Which calls need it, and which will be refused, it learns by [`SignLayer::check`] and
//! [`BearerLayer::check`].
//!
//! # What layers above are told
//!
//! Through [`wire_fault`], so that they need not know this crate:
//!
//! - A call that could not be sent because the time or a token could not be fetched fails with a fault that says *never
//!   sent*, with the phase, cause and healing of the fetch: a retry may repeat even a POST.
//! - A response 400 `QUERY_TIME_OUT` carries [`wire_fault::Unprocessed`]; the next attempt is signed by a time fetched
//!   anew.
//! - What was refused here (another host, a streaming body, no consumer key) carries
//!   [`Verdict::RefusedLocally`](wire_fault::Verdict::RefusedLocally).
//!
//! # Secrets
//!
//! Keys, secrets, tokens and signatures are in no error, `Debug` output or event of this crate; a test looks for them
//! in all of these. Header values are marked sensitive, so a transport that prints headers does not show them. Of what
//! a server answers, only known error codes, the status and the query id are repeated. Two things are out of its hands:
//! the body of the token request has the client's secret in it, and the error of a transport is handed on as it is.
//!
//! # Events
//!
//! All have the target `ovh_auth` and are DEBUG: the time or a token was fetched, or was found stale.
//!
//! # Unverified
//!
//! Nothing here was checked against the live API: the facts are the official clients' and their issue trackers'. How
//! far off a timestamp may be is not known; 8 minutes is too far.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod anchor;
mod authenticate;
mod basis;
mod clock;
mod config;
mod credential_request;
mod credentials;
mod endpoint;
mod error;
mod exchange;
mod failure;
mod invalid_endpoint;
mod kept;
mod known;
mod oauth2;
mod secret;
mod sending;
mod sign;
mod signature;
mod unsigned;

pub use crate::basis::Basis;
pub use crate::clock::{ServerClock, Timestamp};
pub use crate::config::{Config, ConfigError, ConfigErrorKind, Origin, Setting, Sources};
pub use crate::credential_request::{CredentialRequest, InvalidRule, PendingCredential};
pub use crate::credentials::{ApplicationKeys, Credentials, OAuth2Client};
pub use crate::endpoint::Endpoint;
pub use crate::error::{AuthError, AuthErrorKind};
pub use crate::invalid_endpoint::{InvalidEndpoint, InvalidPath};
pub use crate::oauth2::{Bearer, BearerFuture, BearerLayer, NoTokenUrl, Tokens};
pub use crate::secret::{InvalidSecret, Secret};
pub use crate::sign::{ResponseBody, ResponseFuture, Sign, SignLayer, SignableBody};
pub use crate::signature::signature;
pub use crate::unsigned::Unsigned;

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;
