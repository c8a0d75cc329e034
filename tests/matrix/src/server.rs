//! Whoever plays a scenario, and what it received.

use std::convert::Infallible;
use std::net::Ipv4Addr;

use bytes::Bytes;
use flaky_tls::{
    FlakyProxy, FlakyTls, HttpVersions, ProxyScenario, RequestBody, Running, RunningProxy, Scenario, Script,
    TlsVersions,
};
use http::{Request, Response};
use http_body_util::Full;
use tokio::net::TcpSocket;
use tower::service_fn;

use crate::case::Play;
use crate::peer::{Peer, ProxyPeer};
use crate::run::{Cell, Times};
use crate::trust::Trust;
use crate::{ANSWER, ATTEMPTS};

/// What was received of one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Complete requests, but for those refused.
    pub received: u64,
    /// Those that the protocol itself declares unprocessed.
    pub refused: u64,
    /// The first attempt that was received, where the attempts had names.
    pub first: Option<u32>,
}

#[derive(Debug)]
pub enum Server {
    Flaky {
        server: Running,
        proxy: Option<RunningProxy>,
    },
    Peer(Peer),
    /// A healthy server behind a proxy.
    Behind {
        server: Running,
        proxy: ProxyPeer,
    },
    /// A port on which nobody listens, and which nobody else is given meanwhile.
    Nobody {
        server: Running,
        socket: TcpSocket,
    },
}

async fn answer(_: Request<RequestBody>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from(vec![b'x'; ANSWER])))
}

fn script<S: Copy>(first: S, then: S, times: Times, healthy: S) -> Script<S> {
    match times {
        Times::Twice => Script::list([first, then], healthy),
        Times::Always => Script::list([first], then),
    }
}

impl Server {
    /// # Panics
    ///
    /// If it can't be started.
    pub async fn start(cell: &Cell) -> Self {
        let Cell { case, client, times, .. } = cell;
        let often = match times {
            Times::Twice => 2,
            Times::Always => usize::MAX,
        };
        let server = FlakyTls::new()
            .with_http(if client.http2 { HttpVersions::Http2 } else { HttpVersions::Http1 })
            .with_versions(if case.tls12 { TlsVersions::Tls12 } else { TlsVersions::Both });
        let healthy =
            |server: FlakyTls| async { server.serve(service_fn(answer)).await.expect("a free port") };
        match case.play {
            Play::Server { first, then } => {
                let script = script(first, then, *times, Scenario::Healthy);
                Self::Flaky { server: healthy(server.with_script(script)).await, proxy: None }
            }
            Play::Proxy(scenario) => {
                let server = healthy(server).await;
                let proxy =
                    FlakyProxy::new().with_script(script(scenario, scenario, *times, ProxyScenario::Tunnel));
                let proxy = Some(proxy.serve(&server).await.expect("a free port"));
                Self::Flaky { server, proxy }
            }
            Play::Peer(play) => {
                Self::Peer(Peer::serve(play, client.http2, usize::from(case.reused), often).await)
            }
            Play::Connect(play) => {
                let server = healthy(server).await;
                let proxy = ProxyPeer::serve(play, often, server.address()).await;
                Self::Behind { server, proxy }
            }
            Play::Nobody => {
                let socket = TcpSocket::new_v4().expect("a socket");
                socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a port");
                Self::Nobody { server: healthy(server).await, socket }
            }
        }
    }

    /// # Panics
    ///
    /// Never: what is bound has an address.
    #[must_use]
    pub fn url(&self) -> String {
        match self {
            Self::Flaky { server, .. } | Self::Behind { server, .. } => server.url(),
            Self::Peer(peer) => peer.url(),
            Self::Nobody { socket, .. } => format!("https://{}", socket.local_addr().expect("bound")),
        }
    }

    #[must_use]
    pub fn proxy(&self) -> Option<String> {
        match self {
            Self::Flaky { proxy, .. } => proxy.as_ref().map(RunningProxy::url),
            Self::Behind { proxy, .. } => Some(proxy.url()),
            Self::Peer(_) | Self::Nobody { .. } => None,
        }
    }

    #[must_use]
    pub fn trust(&self) -> Trust {
        match self {
            Self::Flaky { server, .. } | Self::Behind { server, .. } | Self::Nobody { server, .. } => {
                server.authority().into()
            }
            Self::Peer(peer) => peer.trust(),
        }
    }

    /// How often the fault has struck.
    #[must_use]
    pub fn struck(&self) -> usize {
        match self {
            Self::Flaky { proxy: Some(proxy), .. } => {
                proxy.records().iter().filter(|record| record.carried_out).count()
            }
            Self::Flaky { server, .. } => {
                server.truth().connections().iter().filter(|connection| connection.carried_out).count()
            }
            Self::Behind { proxy, .. } => proxy.struck(),
            Self::Peer(peer) => peer.struck(),
            Self::Nobody { .. } => 0,
        }
    }

    /// How many connections there were.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        match self {
            Self::Flaky { proxy: Some(proxy), .. } => proxy.accepted(),
            Self::Flaky { server, .. } | Self::Behind { server, .. } | Self::Nobody { server, .. } => {
                server.truth().accepted()
            }
            Self::Peer(peer) => peer.accepted(),
        }
    }

    /// Whether a connection has ended.
    #[must_use]
    pub fn has_ended_one(&self) -> bool {
        match self {
            Self::Flaky { server, .. } | Self::Behind { server, .. } | Self::Nobody { server, .. } => {
                server.truth().connections().iter().any(|connection| connection.end.is_some())
            }
            Self::Peer(_) => false,
        }
    }

    /// Ends it. What it received of the request with this id.
    pub async fn end(self, id: &str) -> Tally {
        let (server, proxy) = match self {
            Self::Flaky { server, proxy } => (server, proxy),
            Self::Behind { server, .. } | Self::Nobody { server, .. } => (server, None),
            Self::Peer(peer) => return peer.tally(),
        };
        if let Some(proxy) = proxy {
            proxy.shutdown().await;
        }
        let truth = server.shutdown().await;
        let unnamed = truth.tally(id);
        let mut all = Tally { received: unnamed.received, refused: unnamed.refused, first: None };
        for attempt in 1..=ATTEMPTS {
            let tally = truth.tally(&format!("{id}.{attempt}"));
            all.received += tally.received;
            all.refused += tally.refused;
            if tally.received > 0 {
                all.first.get_or_insert(attempt);
            }
        }
        all
    }
}
