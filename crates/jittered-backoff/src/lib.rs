//! How long to wait before a repeat, whether there is still time for one, and a [`tower`] retry policy made of both.
//!
//! Three parts, each usable without the next:
//!
//! - **Arithmetic**, with no clock and no I/O: [`Backoff`] describes the waits, [`Delays`] is one session's stream of
//!   them, [`Jitter`] says how they are spread, [`Limits`] says when to stop, [`RetryBudget`] how many repeats all calls
//!   have together, [`retry_after()`] and [`rate_limit_reset()`] read what a server asked for.
//! - **Traits**: [`Replay`] says how a request is sent again, [`Decide`] which results deserve it. [`Untouched`],
//!   [`ReplayBox`] and [`Once`] are bodies for it.
//! - **Middleware**: [`BackoffPolicy`] is a [`tower::retry::Policy`], [`BackoffLayer`] applies it.
//!
//! ```
//! use std::time::Duration;
//!
//! use jittered_backoff::{Backoff, Jitter};
//!
//! let backoff = Backoff::exponential(Duration::from_millis(50)..=Duration::from_millis(500))?;
//! let exact: Vec<_> = backoff.with_jitter(Jitter::None).delays(0).take(5).collect();
//! assert_eq!(exact, [50, 100, 200, 400, 500].map(Duration::from_millis));
//!
//! // Decorrelated by default: spread, never below the base, never above the cap; one seed, one stream.
//! let spread: Vec<_> = backoff.delays(7).take(100).collect();
//! assert!(spread.iter().all(|wait| (50..=500).contains(&wait.as_millis())));
//! assert_eq!(spread, backoff.delays(7).take(100).collect::<Vec<_>>());
//! # Ok::<(), jittered_backoff::InvalidBackoff>(())
//! ```
//!
//! Which failures of a TLS endpoint may be repeated at all, and what to do about a request that may have landed, is not
//! decided here: that takes knowledge of the wire.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod backoff;
mod boxed;
mod budget;
mod decide;
mod delays;
mod error;
mod jitter;
mod layer;
mod limits;
mod once;
mod policy;
mod rate_limit_reset;
mod replay;
mod retry_after;
mod seeds;
mod untouched;
mod wait;

pub use crate::backoff::Backoff;
pub use crate::boxed::ReplayBox;
pub use crate::budget::{RetryBudget, RetryPermit};
pub use crate::decide::{Decide, Decision};
pub use crate::delays::Delays;
pub use crate::error::{InvalidBackoff, InvalidBudget, InvalidLimits};
pub use crate::jitter::Jitter;
pub use crate::layer::BackoffLayer;
pub use crate::limits::Limits;
pub use crate::once::Once;
pub use crate::policy::BackoffPolicy;
pub use crate::rate_limit_reset::rate_limit_reset;
pub use crate::replay::Replay;
pub use crate::retry_after::retry_after;
pub use crate::seeds::Seeds;
pub use crate::untouched::{BodyTaken, Untouched};
pub use crate::wait::Wait;

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;
