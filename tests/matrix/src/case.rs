//! The scenarios.

use flaky_tls::{CutBy, CutPoint, Http2Error, ProxyScenario, RequestFault, RequestPoint, Scenario};

use crate::client::Client;
use crate::peer::{At, CONNECT, ConnectPlay, HELLO, HTTP1, HTTP2, Play as PeerPlay, Then};

/// One scenario.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    pub play: Play,
    /// TLS 1.2 only.
    pub tls12: bool,
    /// The connection has carried a request before, where the client reuses connections.
    pub reused: bool,
}

/// Who plays what.
#[derive(Clone, Copy, Debug)]
pub enum Play {
    /// The server plays one scenario on the first connection, and the other on those after it.
    Server {
        first: Scenario,
        then: Scenario,
    },
    Proxy(ProxyScenario),
    /// A server that breaks the protocol.
    Peer(&'static PeerPlay),
    /// A proxy that does.
    Connect(&'static ConnectPlay),
    /// Nobody listens on the port.
    Nobody,
}

impl Case {
    fn server(scenario: Scenario) -> Self {
        let play = Play::Server { first: scenario, then: scenario };
        Self { name: scenario.to_string(), play, tls12: false, reused: false }
    }

    fn tls12(scenario: Scenario) -> Self {
        Self { name: format!("tls12-{scenario}"), tls12: true, ..Self::server(scenario) }
    }

    fn reused(fault: RequestFault) -> Self {
        let then = Scenario::from(fault);
        // What ends an idle connection does so after the first request, and meets the second.
        let first = match fault {
            RequestFault::Idle { .. } => then,
            _ => Scenario::After { requests: 1, then: fault },
        };
        let play = Play::Server { first, then };
        Self { name: format!("reused-{then}"), play, tls12: false, reused: true }
    }

    fn proxy(scenario: ProxyScenario) -> Self {
        Self { name: format!("proxy-{scenario}"), play: Play::Proxy(scenario), tls12: false, reused: false }
    }

    fn peer(play: &'static PeerPlay) -> Self {
        Self { name: play.name.to_owned(), play: Play::Peer(play), tls12: play.tls12, reused: false }
    }

    fn peer_reused(play: &'static PeerPlay) -> Self {
        Self { name: format!("reused-{}", play.name), reused: true, ..Self::peer(play) }
    }

    fn connect(play: &'static ConnectPlay) -> Self {
        let name = format!("proxy-{}", play.name);
        Self { name, play: Play::Connect(play), tls12: false, reused: false }
    }

    /// Whether it can be played to this client.
    #[must_use]
    pub fn applies(&self, client: Client) -> bool {
        let http2_only = match self.play {
            Play::Server { then: Scenario::Http2Cut { .. }, .. } => true,
            Play::Server { then: Scenario::After { then, .. }, .. } => {
                matches!(then, RequestFault::Reset(_) | RequestFault::GoAway { .. })
            }
            Play::Peer(play) => is_among(HTTP2, play),
            _ => false,
        };
        let http1_only = matches!(self.play, Play::Peer(play) if is_among(HTTP1, play));
        let proxied = matches!(self.play, Play::Proxy(_) | Play::Connect(_));
        // What breaks the protocol does so over a used connection as well: one client of each kind tells.
        let tells = !(self.reused && matches!(self.play, Play::Peer(_))) || client.is_plain_hyper_util();
        (!http2_only || client.http2)
            && (!http1_only || !client.http2)
            && (!self.reused || client.reuses)
            && (!proxied || client.proxied)
            && tells
    }

    /// Whether the client's patience ends it.
    #[must_use]
    pub fn stalls(&self) -> bool {
        match self.play {
            Play::Server { then, .. } => {
                matches!(then, Scenario::Stall(_) | Scenario::After { then: RequestFault::Stall(_), .. })
            }
            Play::Proxy(scenario) => matches!(scenario, ProxyScenario::Stall(_)),
            Play::Peer(play) => play.then == Then::Silence,
            Play::Connect(_) | Play::Nobody => false,
        }
    }

    /// Whether the connection's end is to be waited for before it is used again.
    #[must_use]
    pub fn waits_until_idle(&self) -> bool {
        let Play::Server { then: Scenario::After { then, .. }, .. } = self.play else { return false };
        self.reused && matches!(then, RequestFault::Idle { wait, .. } if !wait.is_zero())
    }

    /// Whether the next attempt is answered although the script goes on.
    #[must_use]
    pub fn heals_by_itself(&self, client: Client) -> bool {
        let Play::Server { then: Scenario::After { then, .. }, .. } = self.play else { return false };
        match then {
            RequestFault::Idle { .. } => true,
            // The connection lives on, and is struck once.
            RequestFault::Reset(_) => client.reuses,
            _ => false,
        }
    }

    /// Whether it is one how often the fault strikes.
    #[must_use]
    pub fn ends_at_once(&self) -> bool {
        matches!(self.play, Play::Peer(play) if play.ends_at_once())
    }

    /// Whether the upload must be a large one for the fault to strike.
    #[must_use]
    pub fn needs_large_body(&self) -> bool {
        match self.play {
            Play::Server { then: Scenario::After { then, .. }, .. } => {
                matches!(then, RequestFault::Upload { .. })
            }
            Play::Peer(play) => play.at == At::Upload,
            _ => false,
        }
    }
}

fn is_among(plays: &'static [PeerPlay], play: &PeerPlay) -> bool {
    plays.iter().any(|one| std::ptr::eq(one, play))
}

/// All of them.
#[must_use]
pub fn all() -> Vec<Case> {
    let named = || {
        // By the first request, a connection has not been idle.
        Scenario::named()
            .filter(|scenario| !matches!(scenario, Scenario::After { then: RequestFault::Idle { .. }, .. }))
    };
    let listed: Vec<_> = named().collect();
    let more = more_of_http2().map(Scenario::from).filter(|scenario| !listed.contains(scenario));
    let tls12 = named().filter(|scenario| {
        matches!(scenario, Scenario::Cut { at, .. } | Scenario::Stall(at) if *at <= CutPoint::Handshake)
            || *scenario == Scenario::ClientCertificate
    });
    let later = Scenario::named().filter_map(|scenario| match scenario {
        Scenario::After { then, .. } => Some(then),
        _ => None,
    });
    let answers = [RequestPoint::Request, RequestPoint::Head, RequestPoint::Body];
    let cuts =
        answers.into_iter().flat_map(|at| CutBy::ALL.into_iter().map(move |by| RequestFault::Cut { at, by }));
    let stalls = answers.into_iter().map(RequestFault::Stall);
    named()
        .map(Case::server)
        .chain(more.map(Case::server))
        .chain(tls12.map(Case::tls12))
        .chain(cuts.chain(stalls).chain(later).map(Case::reused))
        .chain(ProxyScenario::named().map(Case::proxy))
        .chain(HELLO.iter().chain(HTTP1).chain(HTTP2).map(Case::peer))
        .chain(HTTP1.iter().chain(HTTP2).filter(|play| play.at != At::Handshake).map(Case::peer_reused))
        .chain(CONNECT.iter().map(Case::connect))
        .chain([Case { name: "nobody".to_owned(), play: Play::Nobody, tls12: false, reused: false }])
        .collect()
}

/// Every reason of HTTP/2, not only those that are listed by name.
fn more_of_http2() -> impl Iterator<Item = RequestFault> {
    let resets = Http2Error::ALL.into_iter().map(RequestFault::Reset);
    let away = [Http2Error::InternalError, Http2Error::ProtocolError].into_iter().flat_map(|reason| {
        [false, true].into_iter().map(move |covers| RequestFault::GoAway { covers, reason, by: CutBy::Fin })
    });
    resets.chain(away)
}
