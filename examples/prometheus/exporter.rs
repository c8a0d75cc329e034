//! What is exported, and where: the `metrics` facade's recorder, rendered on a loopback port.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tower::BoxError;

/// What OpenTelemetry's conventions advise for durations of HTTP requests, in seconds.
const BUCKETS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// Answers `GET /metrics` until it is dropped.
pub(crate) struct Exporter {
    address: SocketAddr,
    _tasks: JoinSet<io::Result<()>>,
}

impl Exporter {
    /// Records all metrics of this process from now on. Port 0 is any that is free.
    pub(crate) async fn start(port: u16) -> Result<Self, BoxError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let recorder = PrometheusBuilder::new()
            // The unit in the name, and `_total` after counters, as Prometheus has them.
            .with_recommended_naming(true)
            .set_buckets_for_metric(Matcher::Suffix("duration".to_owned()), &BUCKETS)?
            .build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder)?;

        let mut tasks = JoinSet::new();
        tasks.spawn(upkeep(handle.clone()));
        // The content type is the format's own.
        let format = [("content-type", "text/plain; version=0.0.4; charset=utf-8")];
        let metrics = get(async move || (format, handle.render()));
        tasks.spawn(async { axum::serve(listener, Router::new().route("/metrics", metrics)).await });
        Ok(Self { address, _tasks: tasks })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/metrics", self.address)
    }
}

/// A histogram's records wait in a list until somebody sorts them into buckets: this, or a scrape.
async fn upkeep(handle: PrometheusHandle) -> io::Result<()> {
    loop {
        tokio::time::sleep(Duration::from_secs(5)).await;
        handle.run_upkeep();
    }
}
