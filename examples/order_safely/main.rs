//! Buys servers over a wire that cuts at random: exactly one order each time, and the caller always knows.
//!
//! ```text
//! cargo run --example order_safely
//! cargo run --example order_safely -- --runs 1000
//! cargo run --example order_safely -- --runs 1 --seed 42
//! ```
//!
//! An API on loopback (`fake-ovh`) stands behind a TLS server (`flaky-tls`) that cuts every connection sooner or later:
//! while it is being made, or at its first to fourth request, before the request was read, after it was carried out, in the
//! answer's head or body; by FIN, RST or `close_notify`. And the API answers 408, 500, 502, 503 or 504 now and then, having
//! carried out the call or not. Each run buys one server: a cart, the plan, an option, the
//! datacenter, assignment, checkout. Every one of these calls is a POST, some are cut before they land and some after, and
//! from the error alone nobody can tell which.
//!
//! What was provably never sent is repeated by `RetryOnTlsEofLayer` alone. For the rest it asks the hook of
//! [`with_reconcile`](retry_on_tls_eof::RetryOnTlsEofLayer::with_reconcile), which looks at the server. A run ends in one
//! of three ways: ordered at once; healed, when a repeat ordered that was proven to be the first to land; found by looking,
//! when the order was there and only its answer was lost. Then the API's own books are opened: the exit code is 0 only if
//! they have exactly one order for each run, of what was asked for, with the very number that the caller was told.
//!
//! Where to read on: `look.rs` has the hook, what it knows its order by and when it may say "not landed"; `stack.rs` the
//! layers; `buy.rs` the calls; `runs.rs` the comparison with the API's books.

use std::process::ExitCode;

fn main() -> ExitCode {
    order_safely_example::main()
}
