//! The tests, but for those that need a process of their own: one program, so that it is linked once and what waits
//! waits together.

mod behind_a_fetch;
mod client;
#[path = "../common/mod.rs"]
mod common;
mod connector;
mod knobs;
mod pacing;
mod proxy;
mod signing_http2;
mod spawned;
mod stack;
mod transports;
