//! The matrix: every way in which a connection dies, over every client, by `GET` and by `POST`, and what the layers make of
//! it. What is right is judged by what the server received, and not by what the library read.
//!
//! [`case::all`] are the scenarios, [`clients::ALL`] the clients; [`suite::run_all`] makes a call for each cell of the matrix, as a
//! [`caller`](run::Caller) makes it, and [`judge`] says what was wrong.

#![allow(missing_docs, reason = "a part of a test")]

pub mod case;
pub mod client;
pub mod clients;
mod clock;
pub mod expect;
pub mod judge;
pub mod load;
pub mod ours;
pub mod peer;
pub mod run;
pub mod score;
pub mod server;
pub mod suite;
pub mod trust;

/// How long an answer is: long enough to be cut.
pub const ANSWER: usize = 4_096;
/// The header by which the servers tell requests apart.
pub const ID: &str = "x-request-id";
/// How often a call is made at most.
pub const ATTEMPTS: u32 = 3;
