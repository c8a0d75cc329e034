//! The handle of a running server.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::authority::Authority;
use crate::http_versions::HttpVersions;
use crate::script::Script;
use crate::shared::Shared;
use crate::truth::{Tally, Truth};

/// A running server.
///
/// When it is dropped, the server stops as after [`shutdown`](Self::shutdown), in the background.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    authority: Authority,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn new(
        address: SocketAddr,
        authority: Authority,
        shared: Arc<Shared>,
        stop: watch::Sender<bool>,
        task: JoinHandle<()>,
    ) -> Self {
        Self { address, authority, shared, stop, task }
    }

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

    /// `https://127.0.0.1:PORT`, with no slash at the end. The certificate is good for `localhost` too.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The authority that a client must trust.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// What has happened so far: a copy, which costs time and memory in proportion to what was recorded.
    #[must_use]
    pub fn truth(&self) -> Truth {
        self.shared.ledger.truth()
    }

    /// Changes the script, from the next connection on, which has index 0 in it.
    pub fn set_script(&self, script: impl Into<Script>) {
        self.shared.playing.set(script.into());
    }

    /// Forgets what has been recorded, as if the server had just started; the script goes on. What connections that are
    /// open still do is not recorded any more.
    pub fn reset(&self) {
        self.shared.ledger.reset();
    }

    /// How often the request with this id was received, answered and refused so far, without a copy of the rest.
    #[must_use]
    pub fn tally(&self, id: &str) -> Tally {
        self.shared.ledger.tally(id)
    }

    /// Stops the server and returns the whole truth.
    ///
    /// No more connections are accepted; stalls, handshakes and the aftermath of cuts end at once; requests in hand are
    /// answered, within the grace ([`FlakyTls::with_grace`](crate::FlakyTls::with_grace)).
    ///
    /// # Cancellation
    ///
    /// If this future is dropped, the server stops all the same, in the background.
    pub async fn shutdown(self) -> Truth {
        let _ = self.stop.send(true);
        // Fails only if the runtime is shutting down, which has dropped the task.
        let _ = self.task.await;
        self.shared.ledger.truth()
    }

    /// The TLS of a proxy in front of this server.
    pub(crate) fn proxy_config(&self) -> Arc<ServerConfig> {
        let mut config = ServerConfig::clone(&self.shared.identities.config(None));
        config.alpn_protocols = HttpVersions::Http1.alpn();
        Arc::new(config)
    }
}
