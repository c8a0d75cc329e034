//! The server's side: calls that find no permit are answered 429 at once.
//!
//! ```
//! use std::net::SocketAddr;
//!
//! use axum::extract::ConnectInfo;
//! use axum::{Router, routing::get};
//! use rate_limit::{KeyedLimiter, Quota, RateLimitLayer, server};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Ten per second for each client, of which there may be 100,000 at a time.
//! let limiter = KeyedLimiter::new(Quota::per_second(10)?, 100_000)?;
//! // Its address, of which axum knows; or what our own proxies say of it.
//! let proxies = server::Proxies::x_forwarded_for(["10.0.0.0/8"])?;
//! let client = server::client(proxies, |ConnectInfo(peer): &ConnectInfo<SocketAddr>| peer.ip());
//!
//! let app: Router = Router::new()
//!     .route("/", get(|| async { "hello" }))
//!     .layer(RateLimitLayer::keyed(limiter, client).rejecting());
//! // axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>())
//! # drop(app);
//! # Ok(())
//! # }
//! ```
//!
//! The fields are those of [draft-ietf-httpapi-ratelimit-headers-10] (27 September 2025, the newest when this was
//! written; a draft may change).
//!
//! [draft-ietf-httpapi-ratelimit-headers-10]: https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-10

mod body;
mod client;
mod fields;
mod forwarded;
mod future;
mod layer;
mod proxies;
mod service;
mod waiting;

pub use self::body::RejectBody;
pub use self::client::{Client, client, peer};
pub use self::future::ResponseFuture;
pub use self::layer::{InvalidName, RejectLayer};
pub use self::proxies::{InvalidProxy, Proxies};
pub use self::service::Reject;
