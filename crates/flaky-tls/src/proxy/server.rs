//! The settings of a proxy, and its start.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time;
use tokio_rustls::TlsAcceptor;

use crate::error::StartError;
use crate::playing::Playing;
use crate::proxy::connection::{self, Side};
use crate::proxy::credentials::{Credentials, InvalidCredentials};
use crate::proxy::record::Records;
use crate::proxy::running::RunningProxy;
use crate::proxy::scenario::ProxyScenario;
use crate::running::Running;
use crate::script::Script;
use crate::stop::stopped;

/// How long to wait after an accept that failed; out of descriptors is the usual reason, and passes.
const PAUSE: Duration = Duration::from_millis(20);

/// A CONNECT proxy on loopback, in front of one server, which fails where its [`Script`] tells it to.
///
/// This value holds the settings; [`serve`](Self::serve) starts the proxy. By default it tunnels, the operating system
/// chooses the port, clients speak plain HTTP to it, and it asks for no credentials. Whatever authority a client asks
/// for, the tunnel leads to the server.
///
/// ```
/// use flaky_tls::{FlakyProxy, FlakyTls, ProxyScenario, RequestBody, Script};
/// use http::{Request, Response, StatusCode};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let echo = tower::service_fn(async |request: Request<RequestBody>| {
///     Ok::<_, std::convert::Infallible>(Response::new(request.into_body()))
/// });
/// let server = FlakyTls::new().serve(echo).await?;
/// let busy = ProxyScenario::Answer(StatusCode::SERVICE_UNAVAILABLE);
/// let proxy = FlakyProxy::new()
///     .with_credentials("user", "secret")?
///     .with_script(Script::list([busy], ProxyScenario::Tunnel))
///     .serve(&server)
///     .await?;
/// // Let a client use `proxy.url()` for `server.url()`. Then:
/// assert!(proxy.shutdown().await.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct FlakyProxy {
    script: Script<ProxyScenario>,
    credentials: Option<Credentials>,
    tls: bool,
    port: u16,
    record_limit: usize,
}

impl FlakyProxy {
    /// The default settings.
    #[must_use]
    pub fn new() -> Self {
        Self { script: Script::default(), credentials: None, tls: false, port: 0, record_limit: 100_000 }
    }

    /// What is done to which connection. Default: each gets its tunnel.
    #[must_use]
    pub fn with_script(self, script: impl Into<Script<ProxyScenario>>) -> Self {
        Self { script: script.into(), ..self }
    }

    /// The Basic credentials without which a client is answered 407 where it would have got a tunnel. Default: none.
    /// They are compared in plain; this is a proxy for tests.
    ///
    /// # Errors
    ///
    /// If there is a colon in the user's name.
    pub fn with_credentials(self, user: &str, password: &str) -> Result<Self, InvalidCredentials> {
        Ok(Self { credentials: Some(Credentials::new(user, password)?), ..self })
    }

    /// Whether clients speak TLS to the proxy, which then has the good certificate of the server. Default: no.
    #[must_use]
    pub fn with_tls(self, tls: bool) -> Self {
        Self { tls, ..self }
    }

    /// The TCP port on 127.0.0.1. Default 0: the operating system chooses a free one.
    #[must_use]
    pub fn with_port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// For how many connections details are kept. Default 100,000; zero keeps the number only.
    #[must_use]
    pub fn with_record_limit(self, records: usize) -> Self {
        Self { record_limit: records, ..self }
    }

    /// Binds the port, and starts the proxy on the current tokio runtime. It does not depend on the server's handle: once
    /// the server is gone, clients are answered 502.
    ///
    /// # Errors
    ///
    /// If the port can't be bound.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O and time enabled, as everything of tokio does.
    pub async fn serve(self, server: &Running) -> Result<RunningProxy, StartError> {
        let binding = StartError::when("binding 127.0.0.1");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await.map_err(binding)?;
        let address = listener.local_addr().map_err(binding)?;
        let playing = Arc::new(Playing::new(self.script));
        let records = Records::new(self.record_limit);
        let side = Arc::new(Side {
            server: server.address(),
            credentials: self.credentials,
            tls: self.tls.then(|| TlsAcceptor::from(server.proxy_config())),
        });
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(accept(listener, side, Arc::clone(&playing), Arc::clone(&records), stopped));
        Ok(RunningProxy { address, tls: self.tls, playing, records, stop, task })
    }
}

impl Default for FlakyProxy {
    fn default() -> Self {
        Self::new()
    }
}

async fn accept(
    listener: TcpListener,
    side: Arc<Side>,
    playing: Arc<Playing<ProxyScenario>>,
    records: Arc<Records>,
    mut stop: watch::Receiver<bool>,
) {
    let mut connections: JoinSet<()> = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((tcp, client)) => {
                    let entry = records.open(client);
                    connections.spawn(connection::run(tcp, playing.next(), Arc::clone(&side), entry));
                }
                Err(_) => time::sleep(PAUSE).await,
            },
        }
    }
    connections.shutdown().await;
}
