//! The tests, but for those that need a process of their own: one program, so that it is linked once and what waits
//! waits together.

mod bodies;
mod budget;
mod delays;
mod limits;
mod policy;
mod rate_limit_reset;
mod replay;
mod retry_after;
mod service;
mod statistics;
