//! The tests, but for those that need a process of their own: one program, so that it is linked once and what waits
//! waits together.

mod clients;
#[path = "../common/mod.rs"]
mod common;
mod cuts;
mod dns;
mod faults;
mod http2;
mod names;
mod proxy;
mod requests;
mod truth;
