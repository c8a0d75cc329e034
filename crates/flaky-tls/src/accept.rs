//! Accepts connections, and waits for them at the end.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time;

use crate::connection;
use crate::served::Served;
use crate::shared::Shared;
use crate::stop::stopped;

/// How long to wait after an accept that failed; out of descriptors is the usual reason, and passes.
const PAUSE: Duration = Duration::from_millis(20);

/// Runs the server until it is stopped, then gives open connections `grace` to finish.
pub(crate) async fn accept(
    listener: TcpListener,
    service: Served,
    shared: Arc<Shared>,
    grace: Duration,
    mut stop: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            Some(_) = connections.join_next() => {} // A panic is already in the connection's record.
            accepted = listener.accept() => match accepted {
                Ok((tcp, client)) => {
                    let entry = shared.ledger.accepted(client);
                    let (service, shared) = (service.clone(), Arc::clone(&shared));
                    let turn = shared.playing.next();
                    connections.spawn(connection::run(tcp, entry, turn, service, shared, stop.clone()));
                }
                Err(_) => time::sleep(PAUSE).await,
            },
        }
    }
    drop(listener);
    let finished = time::timeout(grace, async { while connections.join_next().await.is_some() {} }).await;
    if finished.is_err() {
        connections.shutdown().await;
    }
}
