//! What is printed, as JSON.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use flaky_tls::{
    ConnectionRecord, End, Protocol, ProxyRecord, ProxyScenario, Scenario, SentCredentials, Truth,
};
use serde_json::{Map, Value, json};

use crate::servers::Servers;

/// Where everything is.
pub(crate) struct Ports<'a> {
    pub(crate) servers: &'a Servers,
    pub(crate) control: SocketAddr,
    pub(crate) ca: &'a Path,
}

pub(crate) fn started(
    ports: &Ports<'_>,
    seed: Option<u64>,
    scenarios: &[Scenario],
    proxy: &[ProxyScenario],
) -> Value {
    let port = ports.servers.server.port();
    json!({
        "port": port,
        "url": format!("https://localhost:{port}"),
        "proxy": ports.servers.proxy.url(),
        "control": format!("http://{}", ports.control),
        "ca": ports.ca.to_string_lossy(),
        "seed": seed,
        "scenarios": names(scenarios),
        "proxy_scenarios": names(if proxy.is_empty() { &[ProxyScenario::Tunnel] } else { proxy }),
    })
}

pub(crate) fn names<S: ToString>(scenarios: &[S]) -> Vec<String> {
    scenarios.iter().map(S::to_string).collect()
}

pub(crate) fn truth(truth: &Truth, proxy: &[ProxyRecord]) -> Value {
    let connections: Vec<_> = truth.connections().iter().map(|record| connection(record, truth)).collect();
    let requests: Map<_, _> = truth
        .tallies()
        .map(|(id, tally)| {
            let counts = json!({
                "received": tally.received,
                "answered": tally.answered,
                "refused": tally.refused,
            });
            (id.into(), counts)
        })
        .collect();
    json!({
        "accepted": truth.accepted(),
        "received": truth.total().received,
        "answered": truth.total().answered,
        "refused": truth.total().refused,
        "busiest_second": truth.busiest(Duration::from_secs(1)),
        "unrecorded": truth.unrecorded(),
        "connections": connections,
        "requests": requests,
        "proxy": proxy.iter().map(proxied).collect::<Vec<_>>(),
    })
}

fn proxied(record: &ProxyRecord) -> Value {
    json!({
        "index": record.index,
        "client_port": record.client.port(),
        "upstream_port": record.upstream.map(|upstream| upstream.port()),
        "scenario": record.scenario.to_string(),
        "carried_out": record.carried_out,
        "target": record.target,
        "credentials": match record.credentials {
            SentCredentials::None => "none",
            SentCredentials::Wrong => "wrong",
            SentCredentials::Right => "right",
            SentCredentials::Unasked => "unasked",
            _ => "other",
        },
        "answered": record.answered.map(|status| status.as_u16()),
        "end": record.end.map(end),
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
        "http": record.protocol.map(|protocol| match protocol {
            Protocol::Http1 => "1",
            Protocol::Http2 => "2",
            _ => "other",
        }),
        "received": record.tally.received,
        "answered": record.tally.answered,
        "refused": record.tally.refused,
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
