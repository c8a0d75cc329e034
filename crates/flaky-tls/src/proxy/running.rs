//! The handle of a running proxy.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::playing::Playing;
use crate::proxy::record::{ProxyRecord, Records};
use crate::proxy::scenario::ProxyScenario;
use crate::script::Script;

/// A running proxy.
///
/// When it is dropped, the proxy stops as after [`shutdown`](Self::shutdown), in the background.
#[derive(Debug)]
pub struct RunningProxy {
    pub(crate) address: SocketAddr,
    pub(crate) tls: bool,
    pub(crate) playing: Arc<Playing<ProxyScenario>>,
    pub(crate) records: Arc<Records>,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) task: JoinHandle<()>,
}

impl RunningProxy {
    /// Where it listens: an address of loopback.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// `http://127.0.0.1:PORT`, or `https://` if clients speak TLS to it, with no slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http{}://{}", if self.tls { "s" } else { "" }, self.address)
    }

    /// Changes the script, from the next connection on, which has index 0 in it.
    pub fn set_script(&self, script: impl Into<Script<ProxyScenario>>) {
        self.playing.set(script.into());
    }

    /// Forgets what has been recorded; the script goes on. What connections that are open still do is not recorded any
    /// more.
    pub fn reset(&self) {
        self.records.reset();
    }

    /// What has been done so far, in order of accept: a copy.
    #[must_use]
    pub fn records(&self) -> Vec<ProxyRecord> {
        self.records.all()
    }

    /// How many connections were accepted.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.records.accepted()
    }

    /// Stops the proxy, ends the tunnels at once, and returns what was done.
    ///
    /// # Cancellation
    ///
    /// If this future is dropped, the proxy stops all the same, in the background.
    pub async fn shutdown(self) -> Vec<ProxyRecord> {
        let _ = self.stop.send(true);
        // Fails only if the runtime is shutting down, which has dropped the task.
        let _ = self.task.await;
        self.records.all()
    }
}
