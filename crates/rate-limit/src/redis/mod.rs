//! A quota that several processes share, over Redis or Valkey.
//!
//! A limiter of a [`Fleet`] is a [`Limiter`](crate::Limiter) like any other: its callers queue in this process, in order
//! of arrival, with the same bounds, costs, pauses and cancellation, and it goes into a
//! [`RateLimitLayer`](crate::RateLimitLayer). Only its permits come from the server. It is tested with Redis 7.0; its tests
//! have been run with Valkey 9.1, too.
//!
//! # What is promised
//!
//! **While the server is there, no sliding window of its clock holds more releases than the quota, over all processes.** A
//! task of the limiter (one in each Tokio runtime that has callers) reserves *slots* in one script: a slot is a time
//! from which one permit may be used, by the server's own clock, until a [lateness](Fleet::with_lateness) after it; and
//! the record in the server holds the latest instant at which each permit can have been used. (A slot that is free at
//! once lasts from when the answer may be there.) A new slot comes at least a window after the one `n` before it in
//! that order. When a permit has been used, the record learns when, with the next question. The clocks need not agree:
//! each answer bounds their difference, and a permit is used only within what the slot is by both bounds.
//!
//! Releases are what is exact; what arrives at a third party is jittered by the network:
//! [`Quota::with_guard`](crate::Quota::with_guard). A [spaced](crate::Quota::spaced) quota spaces the slots; two releases
//! can be closer by the lateness.
//!
//! **As many slots are reserved as callers wait**, if they are free at once; of those to come, one (or a
//! [lease](Fleet::with_lease)) at a time. A caller that leaves passes its slot to the next; slots that go by are given
//! back. A process that crashes takes one lease with it: no more slots than the quota has, and but for the first no further
//! ahead than a window, for which each counts. One that ends in good order takes none, if it
//! [flushes](crate::Limiter::flush) its limiters.
//!
//! **No call waits for an answer for longer than the [notice](Fleet::with_notice)**, 250 ms unless said otherwise. Then the
//! [`Fallback`] holds. (A call that comes while a question is under way may need the next one: if that is as slow, twice as
//! long.) That depends on no other runtime: one whose thread has left `block_on`, or is busy, keeps nobody in another waiting.
//! The server is tried again after 20 ms to 500 ms, jittered; if nobody is there to try, for the only runtimes stand still
//! but for single calls, the first call 100 ms later waits for the answer, as the very first one did. When it is back, each process
//! reports what it has released within the last window, before it asks, and gives back what it held. So it does, too, over
//! every connection that was made anew, seen or unseen, and if the record is not the one it knows. So nothing is forgotten,
//! even if the server has lost its data (flushed, or restarted without a disk), comes back with older ones (from a snapshot),
//! or is a replica that was behind: until all processes have reported, which each does with its next question, a window can
//! hold up to as many releases more as have not been reported; after that, and when the slots reserved before it have gone by,
//! none. What was reserved and not used counts for one window at most.
//!
//! # What else to know
//!
//! - [`Limiter::snapshot`](crate::Limiter::snapshot) tells the [`FleetState`]. The log (`tracing`) tells once at WARN that a
//!   server is away and once at INFO that it is back, with the fields `server`, `prefix` and `name`, those of the limiter that
//!   noticed; the others of the same fleet do so at DEBUG.
//! - Waits can't be known here, since others take slots too: `max_wait` refuses if the server has told that there is nothing
//!   for longer, and whoever has waited for as long as it would fails.
//! - Who would not wait at all (a `max_wait` or `max_queue` of 0, [`try_acquire`](crate::Limiter::try_acquire)) gets what is at
//!   hand: what was leased, or asked for and not used. If that is nothing, it is refused, and a lease of what is free is asked
//!   for: who comes next may find it, within the lateness. With a lease of 1, every other call may be refused.
//! - Services that [push back](crate::RateLimitLayer::with_backpressure) have the server asked while they sleep: when there
//!   should be a permit, and before that every 250 ms to 2 s, for others may have given theirs back.
//! - A layer that [rejects](crate::RateLimitLayer) (`rejecting`) asks first: a call may wait for as long as the notice.
//! - A longer window ([`set_quotas`](crate::Limiter::set_quotas)) counts what a shorter one held no longer, of all processes,
//!   as if all had been released when the last of it was. Shorter windows of processes that have not changed yet hold as before.
//!   So it is, too, if a limiter asks less often than once in its own window while others of its name have shorter ones: it
//!   holds its quota, but may wait for longer than it would have to.
//! - A call that costs `c` takes `c` entries in the record, each some 2 us of the server's time, in which it does nothing else.
//!   So one question reserves 2048 permits at most, and a call that costs more is [refused](crate::RateLimited::is_never) at
//!   once, even if the quota has as many.
//! - While a [`Fallback::Local`] holds, a call that costs more than its quotas have is refused at once, as one that is
//!   [refused because the server is away](crate::RateLimited::away), and so are those that wait.
//! - If the server's clock is set back, slots wait up to nine windows; if it is further, the record begins anew. If it is
//!   set forward, or a replica with a clock ahead takes over, windows are cut short once.
//! - A server that evicts keys may take one of the two of a limiter. What was in the record then counts as released at the
//!   latest time it could be, so all may wait for up to a window after the last slot. If it takes both, its data is lost.
//! - A proxy that changes its server while the connections of its clients stand hides what is lost thereby.
//! - The two keys of a limiter have one hash tag, so a cluster keeps them together; the connection is to one node.

mod ask;
mod away;
mod clock;
mod driver;
mod fallback;
mod feed;
mod fleet;
mod flush;
mod invalid;
mod lane;
mod leased;
mod link;
mod news;
mod recent;
mod settings;
mod stream;

pub use self::away::{Away, FleetState};
pub use self::fallback::Fallback;
pub use self::fleet::Fleet;
pub use self::invalid::{FleetError, InvalidFleet};
