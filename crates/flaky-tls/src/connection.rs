//! One connection, from accept to end.

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::desk::Desk;
use crate::handshake::{Ended, handshake};
use crate::http1;
use crate::http2;
use crate::ledger::Entry;
use crate::playing::Turn;
use crate::scenario::Scenario;
use crate::served::Served;
use crate::shared::Shared;
use crate::stop::stopped;
use crate::truth::{End, Protocol};

pub(crate) async fn run(
    tcp: TcpStream,
    entry: Entry,
    turn: Turn<Scenario>,
    service: Served,
    shared: Arc<Shared>,
    mut stop: watch::Receiver<bool>,
) {
    let entry = Arc::new(entry);
    let (end, detail) = drive(tcp, &entry, &turn, service, &shared, &mut stop).await;
    entry.ended(end, detail);
}

async fn drive(
    tcp: TcpStream,
    entry: &Arc<Entry>,
    turn: &Turn<Scenario>,
    service: Served,
    shared: &Shared,
    stop: &mut watch::Receiver<bool>,
) -> Ended {
    let scenario = turn.scenario();
    entry.planned(scenario);
    // Each write goes out at once: a cut must not meet bytes that wait for an acknowledgement.
    let _ = tcp.set_nodelay(true);
    let done = tokio::select! {
        biased;
        done = handshake(tcp, &shared.identities, shared.http, scenario, entry) => done,
        () = stopped(stop) => Err((End::Shutdown, None)),
    };
    let (tls, protocol) = match done {
        Ok(done) => done,
        Err(ended) => return ended,
    };
    let desk = Desk::new(service, shared, entry);
    match protocol {
        Protocol::Http1 => http1::serve(tls, desk, scenario.plan(), stop).await,
        Protocol::Http2 => http2::serve(tls, desk, scenario, stop).await,
    }
}
