//! Watches the stock of servers through the layers, over a TLS endpoint that keeps cutting connections.
//!
//! ```text
//! cargo run --example watch
//! cargo run --example watch -- --plan 24sk10 --datacenter gra,rbx --seconds 5
//! cargo run --example watch -- --endpoint ovh-eu --plan 24sk10
//! ```
//!
//! With no `--endpoint` it starts a fake of the API on loopback, behind a TLS server that cuts a good quarter of its
//! connections: no credentials, no network. On a terminal it draws a table in place; elsewhere each change of stock is a line
//! on stdout. At the end every attempt is accounted for: what the client made of it is joined, by client port, with what the
//! server knows it did to that connection, and the two must agree. Over a real endpoint it goes on until Ctrl-C.
//!
//! Where to read on: `stack.rs` has the recommended stack with a layer of this program's own, `watch.rs` the loop that
//! calls them, `join.rs` the comparison with the server's truth. Flags and exit codes: `--help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    watch_example::main()
}
