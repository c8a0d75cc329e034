//! Repeats calls whose TLS connection was cut where that is safe, and says so where nobody can know.
//!
//! A TLS endpoint that keeps cutting connections (`SSL: UNEXPECTED_EOF_WHILE_READING` in Python) is usually patched with
//! a loop around the call. The loop sends a POST again although the server had it, and a server is ordered twice.
//! [`RetryOnTlsEofLayer`] decides from evidence instead: what was provably never sent is repeated, POST included; what is
//! idempotent is repeated after every failure that can heal; and a call that may have landed ends as [`OutcomeUnknown`].
//!
//! - [`RetrySafety`]: what a request says of itself; by default its method does.
//! - [`Attempt`], [`EarlierFault`]: what a response says of the attempts before it.
//! - [`AttemptTimeoutLayer`]: a time limit for each attempt that knows whether the request can have been sent.
//!
//! `M` in the types says how the error of the service below is read ([`wire_fault::AsFault`]); the compiler infers it.
//!
//! # Where it goes
//!
//! Above a rate limit, so that repeats are paced; above signing, so that no repeat carries a stale timestamp; below what
//! counts calls.
//!
//! # Repeats below this layer
//!
//! hyper-util repeats requests on its own that a reused connection handed back unwritten
//! (`Builder::retry_canceled_requests`, on by default): harmless, but nobody counts them. reqwest repeats protocol
//! refusals, twice, without a wait.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod attempt;
mod call;
pub mod collect;
mod deadline;
mod exhausted;
mod future;
mod head;
mod history;
mod layer;
mod outcome;
mod pace;
mod reconcile;
mod safety;
mod service;
mod settings;
pub mod timeout;

pub use crate::attempt::{Attempt, EarlierFault};
pub use crate::collect::{BodyCut, CollectBody, CollectBodyLayer, CollectedBody, InvalidBodyLimit};
pub use crate::deadline::{Deadline, DeadlinePassed};
pub use crate::exhausted::Exhausted;
pub use crate::future::ResponseFuture;
pub use crate::head::ResponseHead;
pub use crate::history::{Failure, PastAttempt};
pub use crate::layer::RetryOnTlsEofLayer;
pub use crate::outcome::OutcomeUnknown;
pub use crate::reconcile::{Look, MayHaveLanded, NoReconcile, Reconcile, Reconciled};
pub use crate::safety::RetrySafety;
pub use crate::service::RetryOnTlsEof;
pub use crate::settings::NoRefusal;
pub use crate::timeout::{AttemptTimedOut, AttemptTimeout, AttemptTimeoutLayer, InvalidTimeout};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
