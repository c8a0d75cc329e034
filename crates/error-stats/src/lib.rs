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
//! collects it. gRPC is the exception: over [`for_grpc`](RecordLayer::for_grpc) the outcome is the status in the
//! trailers, and [`GrpcCode`] says which are failures.
//!
//! A panic of the service is counted as cancelled and, besides, as [`panicked`](Tally::panicked).
//!
//! # What they have in common
//!
//! [`Snapshot::pattern`] reads the history: healthy, sporadic, more or constant since some time, bound to the rate of
//! requests, to hours of the day, to one host or to one phase. Each finding has its figures, a confidence, and
//! advice. A finding is told only where chance alone would hardly show as much: over a thousand made-up samples
//! without a pattern, at most one in a hundred is given a cause, whether their calls fail each by itself or burst by burst.
//! [`Kind`] says what each can't tell.
//!
//! The history is of the attempts where the handle has made a layer of attempts, else of the calls:
//!
//! - A repeat of what has failed is not timed: it comes right after a failure, and would make failures look like a matter of
//!   the rate.
//! - A call under way is not in it: that it has not failed yet says nothing. (Where others go well, those under way are taken to,
//!   before more is said to fail than before.)
//! - An attempt that was dropped before its call went on to another or failed, by a time limit between the two layers say, is
//!   a failure there, though the counts have it as cancelled; one that a rival of the same call made needless is left out.
//! - A call that fails without an attempt that failed, because a layer between the two refused it or gave it up, is a failure
//!   there too; but not while more calls than attempts have succeeded. Calls that succeed without an attempt are never there,
//!   and beside them such failures would look like all there is. So a client without a layer of attempts goes with a handle of
//!   its own: on one with the attempts of others, it is not in the pattern while a part of its calls succeeds.
//!
//! What is told is told of now: after an hour without calls nothing is constant, and after six there is nothing to tell but the
//! hours of the days. An outage is told from half a minute on, where it is total, and else from two
//! ([`Kind::Constant`]). The alarm is quicker: in the report it is told beside the pattern in any case.
//!
//! # Hooks
//!
//! [`on_alarm`](ErrorStats::on_alarm) hooks run on the threads that tokio keeps for what blocks: no call waits for one.
//! Nor does any code that is not this crate's own (a hook, a wall clock, a metrics recorder) harm a call by a panic: it is
//! caught, and told as an ERROR event. A `tracing` subscriber's panic reaches the caller, after all is counted; where the
//! service has panicked too it is caught.
//!
//! # Cost
//!
//! A success reads the clock twice, which is most of its cost. It allocates nothing, whoever listens to events down to INFO, and
//! while nothing fails it takes one lock a second. The success that ends a streak takes one more; and so do the start of an
//! attempt and the end of its call, while any call of the same sixteenth (by [`CallId`](wire_fault::CallId)) is under way with
//! a failed attempt. The README has figures. Each thread counts in a shard of its own, by plain loads and stores; the 65th
//! thread and those after it share one, by atomic additions. A failure also takes short locks that nobody holds across a hook
//! or an await.
//!
//! What allocates: a thread's first call (its shard); a new host or label; a new call's `CallId`, a request extension,
//! given where the handle has made a layer of attempts or somebody listens to the DEBUG events; an alarm. Where somebody
//! listens at all, the method and the path are kept for the event: the path by counted reference, a method that HTTP does
//! not know by a copy.
//!
//! # Memory
//!
//! A handle takes some 90 KiB, and 16.3 KiB for each thread that has called, of which 65 are paid for at most: less than
//! 1.2 MiB in all, whatever it counts. Alarms that wait for slow hooks, 4,096 and as many that are being told, take up to
//! 2.5 MiB more. Hosts and labels are told apart up to [32 of each](Groups), the first ones, which
//! on a server are whatever its clients wrote into `Host`; a snapshot is plain data of some 60 KiB.
//!
//! # Events
//!
//! All have the target `error_stats`. A failed call is an ERROR, once, and so is one that a panic ended; an alarm is an
//! ERROR when raised and an INFO when cleared, by the call that crossed (of two calls that cross at the same moment the
//! events may come in either order; hooks hear them in order); a hook, a wall clock or a recorder that panics is an
//! ERROR. Attempts and everything else are DEBUG. Events carry the method, the path, the [`CallId`](wire_fault::CallId),
//! the status or the fault, and the server's id of a failed query; never the URI's query, other headers, the body or the
//! error's own text (which may quote the URL).
//!
//! # Metrics
//!
//! With the feature `metrics`, `ErrorStats::with_metrics` tells the `metrics` facade of each request. Names, units and
//! attributes are those of OpenTelemetry's [semantic conventions for HTTP metrics][semconv] where there are any.
//!
//! | name | kind | unit | of |
//! |------|------|------|----|
//! | `http.client.request.duration` | histogram | s | a client's attempts; its calls where it has no layer of attempts |
//! | `http.client.active_requests` | gauge | {request} | the same, under way |
//! | `http.server.request.duration` | histogram | s | a server's requests |
//! | `http.server.active_requests` | gauge | {request} | the same, under way |
//! | `error_stats.call.duration` | histogram | s | calls, with repeats and waits, where attempts are told apart |
//! | `error_stats.active_calls` | gauge | {call} | the same, under way |
//! | `error_stats.wait.duration` | histogram | s | waits told by [`ErrorStats::record_wait`] |
//! | `error_stats.healed_attempts` | counter | {attempt} | failed attempts whose call succeeded |
//! | `error_stats.alarm` | gauge | {call} | failed calls in a row when the alarm was raised, of all handles of the process together; 0 when none is |
//!
//! | attribute | on | value |
//! |-----------|----|-------|
//! | `http.request.method` | durations, active | the method, `_OTHER` for one that HTTP does not know |
//! | `server.address` | durations, active | the host, where there is one; `_OTHER` beyond the first 32 |
//! | `server.port` | durations, active; of a client | the port that the URI has or its scheme implies; the first 32 |
//! | `url.scheme` | durations, active | the URI's scheme, where it has one (over HTTP/1 a server's have none); `_OTHER` but for `http` and `https` |
//! | `error_stats.label` | durations, active | the request's [`Label`], where it has one; `_OTHER` beyond the first 32 |
//! | `http.response.status_code` | durations | the status, where there is one |
//! | `rpc.response.status_code` | durations | the name of a gRPC call's code, where there is one ([RPC conventions][rpc]) |
//! | `error.type` | durations | the status from 400 (server: 500) on, a gRPC code that is no `OK` (server: that is its fault); else `TlsHandshake.Eof` and the like, `cancelled`, `panic` |
//!
//! An upper bound on the series follows: 10 methods × 33 hosts × 33 ports × 4 schemes × 34 labels, or none of them, × the
//! statuses and errors that occur.
//!
//! # Features
//!
//! Both are off by default, and change nothing until they are used.
//!
//! - `metrics`: the above.
//! - `serde`: [`Snapshot`] and what is in it can be serialised: times in seconds (since the Unix epoch), kinds by their
//!   names in the code, the pattern along with the rest (a confidence is from 0 to 1, as it is: what is displayed is 99.9 % at
//!   most; the advice is [`Finding::advice`]'s, in words only).
//!
//! [rpc]: https://opentelemetry.io/docs/specs/semconv/rpc/grpc/
//! [semconv]: https://opentelemetry.io/docs/specs/semconv/http/http-metrics/

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod alarm;
mod bell;
mod count;
mod counters;
mod endings;
mod events;
mod failure;
mod future;
mod grpc;
mod guard;
mod history;
mod joins;
mod label;
mod latency;
mod layer;
mod lease;
mod ledger;
mod line;
#[cfg(feature = "metrics")]
mod metrics;
mod names;
mod outcome;
mod pattern;
mod pending;
mod place;
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
#[cfg(test)]
mod stress;
mod sync;
mod threshold;
mod wall;
mod watch;

pub use crate::alarm::Alarm;
pub use crate::failure::{Failure, Reason};
pub use crate::future::ResponseFuture;
pub use crate::grpc::{GrpcBody, GrpcCode, GrpcRecord, GrpcRecordLayer, GrpcResponseFuture};
pub use crate::label::Label;
pub use crate::latency::Latency;
pub use crate::layer::RecordLayer;
#[cfg(feature = "metrics")]
pub use crate::metrics::Side;
pub use crate::pattern::{Finding, Kind, Pattern, Ratio};
pub use crate::place::Place;
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
