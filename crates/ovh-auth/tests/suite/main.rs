//! The tests, but for those that need a process of their own: one program, so that it is linked once and what waits
//! waits together.

mod clock;
#[path = "../common/mod.rs"]
mod common;
mod config;
mod credential;
mod endpoint;
mod oauth2;
mod sign;
mod wire;
