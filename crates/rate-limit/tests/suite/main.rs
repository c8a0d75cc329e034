//! The tests, but for those that need a process of their own: one program, so that it is linked once and what waits
//! waits together.

mod changes;
#[path = "../common/mod.rs"]
mod common;
mod costs;
mod extremes;
mod free;
mod keyed;
mod layers;
mod limiter;
mod promises;
mod quota;
mod runtimes;
mod schedules;
#[cfg(feature = "server")]
mod server;
mod service;
mod waits;
mod wakers;
