//! The tests, but for those that need a process of their own: one program, so that it is linked once and what waits
//! waits together.

#[path = "../common/mod.rs"]
mod common;
mod http2;
mod proxy;
mod reqwest;
mod texts;
mod tower;
mod verdicts;
mod witness;
mod wrappers;
