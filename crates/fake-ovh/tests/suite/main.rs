//! The tests, but for those that need a process of their own: one program, so that it is linked once and what waits
//! waits together.

mod behind_tls;
#[path = "../common/mod.rs"]
mod common;
mod credentials;
mod faults;
mod ordering;
mod reading;
mod signing;
