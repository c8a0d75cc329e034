//! An exact, first-come-first-served, cancel-safe rate limit, as a tower layer and without tower.
//!
//! - [`Quota`]: how many calls in which time. "10 per second" means that no sliding second ever holds more
//!   than 10. [`Quotas`]: several at once.
//! - [`Limiter`]: the limit itself; [`acquire`](Limiter::acquire) waits for a permit, in order of arrival.
//! - [`RateLimitLayer`], [`RateLimit`]: the same for services. One quota for every service one layer makes,
//!   and all clones.
//! - [`RateLimitLayer::http`], [`Pauses`]: layers that listen to servers which answer 429 or 503.
//! - [`KeyedLimiter`]: a limiter per key, in bounded memory.
//! - `server` (feature `server`): for servers, which answer 429 instead of waiting.
//! - `redis` (feature `redis`): one quota for several processes, over Redis or Valkey.
//! - [`RateLimited`]: what a call is answered that would wait too long, or in vain.
//!
//! # Features
//!
//! - `server` (off): the server's side.
//! - `redis` (off): fleets.
//! - `redis-tls` (off): fleets over TLS, by rustls with ring.
//!
//! # Events
//!
//! A hook that panics is an ERROR, a fleet's Redis that goes away a WARN; refusals, pauses and changes of quotas are DEBUG.
//! Targets begin with `rate_limit`.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//!
//! use rate_limit::{BoxError, Quota, RateLimitLayer};
//! use tokio::time::Instant;
//! use tower::{Service, ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), BoxError> {
//! let mut service = ServiceBuilder::new()
//!     .layer(RateLimitLayer::new(Quota::per_second(2)?))
//!     .service_fn(|name: &'static str| async move { Ok::<_, BoxError>(format!("hello {name}")) });
//!
//! let begun = Instant::now();
//! for _ in 0..3 {
//!     assert_eq!(service.ready().await?.call("world").await?, "hello world");
//! }
//! assert_eq!(begun.elapsed(), Duration::from_secs(1));
//! # Ok(())
//! # }
//! ```

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod admission;
mod alarm;
mod allowance;
mod assign;
mod bounds;
#[cfg(feature = "redis")]
mod demand;
mod door;
mod doors;
mod error;
mod forecast;
mod future;
mod gate;
mod keyed;
mod lane;
mod layer;
mod limiter;
mod line;
mod listen;
mod offers;
mod pause;
mod pauses;
mod permit;
mod queue;
mod quota;
mod quotas;
#[cfg(feature = "redis")]
pub mod redis;
mod refusal;
mod rooms;
#[cfg(feature = "server")]
pub mod server;
mod service;
mod shared;
mod snapshot;
mod stamp;
mod sync;
mod told;
mod waiter;
mod waiting;
mod wakes;

pub use crate::allowance::QuotasTooLarge;
pub use crate::assign::{Assign, Assigned, ByCost};
pub use crate::error::{BoxError, RateLimited};
pub use crate::future::ResponseFuture;
pub use crate::keyed::{ByKey, Digest, InvalidKeys, KeyedLimiter, header, host};
pub use crate::layer::RateLimitLayer;
pub use crate::limiter::Limiter;
pub use crate::listen::{Deaf, Listen};
pub use crate::pauses::Pauses;
pub use crate::permit::{Acquire, Permit};
pub use crate::quota::{InvalidQuota, Quota};
pub use crate::quotas::Quotas;
pub use crate::service::RateLimit;
pub use crate::snapshot::Snapshot;

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;
