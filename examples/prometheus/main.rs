//! Watches a server's stock, and exports what happens in Prometheus' text format.
//!
//! ```text
//! cargo run -p prometheus-example --example prometheus
//! cargo run -p prometheus-example --example prometheus -- --seconds 600 --port 9100
//!
//! curl http://127.0.0.1:9100/metrics
//! ```
//!
//! An API on loopback (`fake-ovh`) stands behind a TLS server (`flaky-tls`) that cuts a third of the connections, in the
//! handshake or before the answer; some answers are a 502 besides. An `OvhClient` asks it for the stock, ten times a second.
//! Its `ErrorStats` tell the `metrics` facade, whose recorder an exporter renders.
//!
//! At the end the exporter is scraped as Prometheus would do it, and read by a strict reader. The exit code is 0 only if
//! each count is the one that the servers have. Where there is a `promtool`, it has its say too.

use std::process::ExitCode;

fn main() -> ExitCode {
    prometheus_example::main()
}
