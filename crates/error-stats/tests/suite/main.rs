//! The tests, but for those that need a process of their own: one program, so that it is linked once and what waits
//! waits together.

mod alarm;
mod alone;
mod counting;
mod depth;
mod dropped;
mod grpc;
mod inference;
mod pattern;
mod server;
mod snapshot;
mod truth;
