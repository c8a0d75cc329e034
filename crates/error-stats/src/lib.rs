//! Counts calls and attempts by what failed and where, follows failure streaks, raises one alarm for each.
//!
//! [`ErrorStats`] is the handle. It gives two layers that count into it: [`calls`](ErrorStats::calls) goes
//! outermost and counts what the caller sees; [`attempts`](ErrorStats::attempts) goes below the retry and
//! counts what the wire does.
//!
//! ```
//! use error_stats::ErrorStats;
//! use http::{Request, Response, StatusCode};
//! use std::convert::Infallible;
//! use tower::{Service, ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let stats = ErrorStats::new().with_threshold(2)?.on_alarm(|alarm| println!("{alarm}"));
//! let mut service = ServiceBuilder::new().layer(stats.calls()).service_fn(|request: Request<()>| async move {
//!     let mut response = Response::new(());
//!     if request.uri().path() == "/down" {
//!         *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
//!     }
//!     Ok::<_, Infallible>(response)
//! });
//!
//! for path in ["/up", "/down", "/down"] {
//!     service.ready().await?.call(Request::get(path).body(())?).await?;
//! }
//!
//! let calls = stats.snapshot().calls;
//! assert_eq!((calls.started, calls.succeeded, calls.failed), (3, 1, 2));
//! assert_eq!(calls.responses.server_error, 2);
//! assert!(calls.streak.alarmed);
//! # Ok(())
//! # }
//! ```
//!
//! # What is a failure
//!
//! | how it ended                 | counted as  | streak  |
//! |------------------------------|-------------|---------|
//! | 1xx, 2xx, 3xx                | succeeded   | resets  |
//! | 4xx but 429, 6xx and above   | succeeded   | neither |
//! | 429, 5xx                     | failed      | extends |
//! | error                        | failed      | extends |
//! | dropped, or ended by a panic | cancelled   | neither |
//! | `poll_ready` failed          | `not_ready` | extends |
//!
//! A 404 is an answer: the way there and back works, so it is no failure; but it is no proof that calls
//! succeed either, so it leaves a streak as it is.
//!
//! A call that a layer of this process refused
//! ([`Verdict::RefusedLocally`](wire_fault::Verdict::RefusedLocally)) extends the calls' streak as any error
//! does: the streak tells what callers get, and callers whose calls are all refused get nothing. The alarm
//! carries the verdict, so a hook can tell the two apart. The attempts' streak does not see it where the
//! layers are in their usual order, since nothing was attempted.
//!
//! An error of `poll_ready` is counted apart, because no request was taken and so no call was started. It
//! extends the streak: by the `Service` contract that service is finished, and its caller got an error.
//!
//! The outcome is the response head's. A body that is cut later is not seen here, unless a layer below
//! collects it.
//!
//! # Cost
//!
//! A success costs a few atomic operations. A failure also takes a short lock that nobody holds across a hook
//! or an await. Counting allocates nothing; a new call's `CallId` (a request extension) and an alarm do. Where
//! `tracing` listens, the method and the path are kept for the event by counted reference.
//!
//! # Events
//!
//! All have the target `error_stats`. A failed call is an ERROR, once; an alarm is an ERROR when raised and
//! an INFO when cleared; a hook that panics is an ERROR. Attempts and everything else are DEBUG. Events carry
//! the method, the path, the [`CallId`](wire_fault::CallId), the status or the fault; never the query,
//! headers, body or the error's own text (which may quote the URL).

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod alarm;
mod bell;
mod count;
mod counters;
mod events;
mod failure;
mod future;
mod history;
mod joins;
mod label;
mod latency;
mod layer;
mod lease;
mod ledger;
#[cfg(feature = "metrics")]
mod metrics;
mod names;
mod outcome;
mod pattern;
mod pending;
mod place;
mod query_id;
mod rates;
mod report;
mod role;
mod seat;
mod seconds;
#[cfg(feature = "serde")]
mod serial;
mod service;
mod shard;
mod shared;
mod snapshot;
mod stats;
mod streak;
mod sync;
mod threshold;
mod wall;
mod watch;

pub use crate::alarm::Alarm;
pub use crate::failure::{Failure, Reason};
pub use crate::future::ResponseFuture;
pub use crate::label::Label;
pub use crate::latency::Latency;
pub use crate::layer::RecordLayer;
#[cfg(feature = "metrics")]
pub use crate::metrics::Side;
pub use crate::pattern::{Finding, Kind, Pattern, Ratio};
pub use crate::place::Place;
pub use crate::query_id::QueryId;
pub use crate::service::Record;
pub use crate::snapshot::{
    FaultCount, GroupCount, Groups, Responses, Snapshot, StreakReport, Tally, Verdicts,
};
pub use crate::stats::ErrorStats;
pub use crate::threshold::InvalidThreshold;
pub use crate::wall::Moment;

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;
