//! One connection, from accept to end.

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::handshake::{Ended, handshake};
use crate::http1;
use crate::ledger::Entry;
use crate::serve::Serve;
use crate::shared::Shared;
use crate::stop::stopped;
use crate::truth::End;

pub(crate) async fn run<S: Serve>(
    tcp: TcpStream,
    entry: Entry,
    service: S,
    shared: Arc<Shared>,
    mut stop: watch::Receiver<bool>,
) {
    let entry = Arc::new(entry);
    let (end, detail) = drive(tcp, &entry, service, &shared, &mut stop).await;
    entry.ended(end, detail);
}

async fn drive<S: Serve>(
    tcp: TcpStream,
    entry: &Arc<Entry>,
    service: S,
    shared: &Shared,
    stop: &mut watch::Receiver<bool>,
) -> Ended {
    let scenario = shared.script.scenario(entry.index());
    entry.planned(scenario);
    // Each write goes out at once: a cut must not meet bytes that wait for an acknowledgement.
    let _ = tcp.set_nodelay(true);
    let tls = tokio::select! {
        biased;
        done = handshake(tcp, &shared.identities, scenario, entry) => done,
        () = stopped(stop) => Err((End::Shutdown, None)),
    };
    match tls {
        Ok(tls) => http1::serve(tls, scenario, service, shared, entry, stop).await,
        Err(ended) => ended,
    }
}
