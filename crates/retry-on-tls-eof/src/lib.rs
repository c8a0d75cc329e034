//! Repeats calls whose TLS connection was cut where that is safe, and says so where nobody can know.
//!
//! A TLS endpoint that keeps cutting connections (`SSL: UNEXPECTED_EOF_WHILE_READING` in Python) is usually patched with
//! a loop around the call. The loop sends a POST again although the server had it, and a server is ordered twice.
//! [`RetryOnTlsEofLayer`] decides from evidence instead: what was provably never sent is repeated, POST included; what is
//! idempotent is repeated after every failure that can heal; and a call that may have landed ends as [`OutcomeUnknown`].
//!
//! - [`RetrySafety`]: what a request says of itself; by default its method does.
//! - [`Attempt`], [`EarlierFault`]: what a response says of the attempts before it.
//! - [`with_reconcile`](RetryOnTlsEofLayer::with_reconcile): a hook that looks at the server where nobody can know.
//! - [`AttemptTimeoutLayer`]: a time limit for each attempt that knows whether the request can have been sent.
//! - [`Deadline`]: the whole call's, and how it cuts an attempt without losing that knowledge.
//! - [`CollectBodyLayer`]: makes a cut in a response's body visible to the retry.
//!
//! `M` in the types says how the error of the service below is read ([`wire_fault::AsFault`]); the compiler infers it.
//!
//! # Where it goes
//!
//! Above a rate limit, so that repeats are paced; above signing, so that no repeat carries a stale timestamp; below what
//! counts calls. Below the limiter first the attempt's time limit, so that the queue is not a timeout, and then the layer
//! that collects bodies, so that the time limit covers these:
//!
//! ```
//! use std::time::Duration;
//!
//! use http::{Request, Response};
//! use jittered_backoff::{Backoff, Limits, RetryBudget};
//! use retry_on_tls_eof::{AttemptTimeoutLayer, CollectBodyLayer, RetryOnTlsEofLayer};
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), BoxError> {
//! let retry = RetryOnTlsEofLayer::new(Backoff::default())
//!     .with_limits(Limits::new().with_attempts(4)?.with_deadline(Duration::from_secs(60)))
//!     .with_budget(RetryBudget::new(1, 10)?)
//!     .with_never(|_, uri| uri.path().ends_with("/checkout"))
//!     .on_retry(|failure, wait, attempt| eprintln!("attempt {attempt}: {failure}; again in {wait:?}"))
//!     .over_attempt_timeout();
//! # let transport = service_fn(async |_: Request<String>| Ok::<_, BoxError>(Response::new(String::from("[]"))));
//! let service = ServiceBuilder::new()
//!     .layer(retry)
//!     // A rate limit goes here.
//!     .layer(AttemptTimeoutLayer::new(Duration::from_secs(30))?.over_hyper_util())
//!     .layer(CollectBodyLayer::new(16 * 1024 * 1024)?)
//!     .service(transport);
//!
//! let response = service.oneshot(Request::get("/1.0/me/order").body(String::new())?).await?;
//! assert_eq!(response.into_body().as_whole().map(|bytes| &bytes[..]), Some(&b"[]"[..]));
//! # Ok(()) }
//! ```
//!
//! # Calls that never end
//!
//! Give every attempt a time limit. hyper 1.12 can leave a request in the queue of a connection that ends in that very
//! moment, with nobody left to answer it ([hyper#4122]): of some 10,000 calls on a busy runtime that were cut right after
//! the handshake, about one in 1,500 hung so. [`AttemptTimeoutLayer`] ends it, and over a
//! [`WitnessLayer`](wire_fault::WitnessLayer) knows that the request was never sent.
//!
//! [hyper#4122]: https://github.com/hyperium/hyper/issues/4122
//!
//! # Repeats below this layer
//!
//! hyper-util repeats requests on its own that a reused connection handed back unwritten
//! (`Builder::retry_canceled_requests`, on by default): harmless, but nobody counts them. reqwest repeats protocol
//! refusals, twice, without a wait.
//!
//! # Events
//!
//! Each repeat is a WARN, with the call's id, the method, the path, the attempt, the wait, and the fault or the status. So is a
//! call that ends as [`Exhausted`], with its attempts, the time it took, the last fault, and the `limit` that ended it:
//! `attempts`, `deadline`, `budget`, or `wait` if the server asked for more than a day. Each call is a span of level INFO, `call`,
//! with the fields of its repeats. A reconcile hook that fails or is late is a WARN, a hook that panics an ERROR, and a repeat
//! that the budget does not pay for is DEBUG. The URI's query, headers and bodies are in none of them. Targets begin with
//! `retry_on_tls_eof`.

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
mod limit;
mod outcome;
mod pace;
mod reconcile;
mod safety;
mod service;
mod settings;
mod summary;
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
