//! What is printed, as JSON.

use std::path::Path;
use std::time::Duration;

use flaky_tls::{ConnectionRecord, End, Running, Scenario, Truth};
use serde_json::{Map, Value, json};

pub(crate) fn started(server: &Running, ca: &Path, seed: Option<u64>, scenarios: &[Scenario]) -> Value {
    let names: Vec<_> = scenarios.iter().map(Scenario::to_string).collect();
    json!({
        "port": server.port(),
        "url": format!("https://localhost:{}", server.port()),
        "ca": ca.to_string_lossy(),
        "seed": seed,
        "scenarios": names,
    })
}

pub(crate) fn truth(truth: &Truth) -> Value {
    let connections: Vec<_> = truth.connections().iter().map(|record| connection(record, truth)).collect();
    let requests: Map<_, _> = truth
        .tallies()
        .map(|(id, tally)| (id.into(), json!({ "received": tally.received, "answered": tally.answered })))
        .collect();
    json!({
        "accepted": truth.accepted(),
        "received": truth.total().received,
        "answered": truth.total().answered,
        "busiest_second": truth.busiest(Duration::from_secs(1)),
        "unrecorded": truth.unrecorded(),
        "connections": connections,
        "requests": requests,
    })
}

fn connection(record: &ConnectionRecord, truth: &Truth) -> Value {
    json!({
        "index": record.index,
        "client_port": record.client.port(),
        "accepted_after_ms": record.accepted_at.duration_since(truth.started()).as_millis() as u64,
        "scenario": record.scenario.to_string(),
        "carried_out": record.carried_out,
        "handshaken": record.handshaken,
        "received": record.tally.received,
        "answered": record.tally.answered,
        "end": record.end.map(end),
        "detail": record.detail,
    })
}

fn end(end: End) -> &'static str {
    match end {
        End::Struck => "struck",
        End::ClientLeft => "client-left",
        End::HandshakeFailed => "handshake-failed",
        End::ServiceFailed => "service-failed",
        End::Panicked => "panicked",
        End::Shutdown => "shutdown",
        _ => "other",
    }
}
