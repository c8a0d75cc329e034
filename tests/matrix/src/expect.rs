//! What is right, by the scenario and by what the client can know at all; not by what the library reads.

use flaky_tls::{
    AlertDescription, CutBy, CutPoint, Http2Error, ProxyPoint, ProxyScenario, RequestFault, RequestPoint,
    Scenario,
};
use http::StatusCode;

use crate::case::{Case, Play};
use crate::client::Client;

/// How a scenario must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// In an answer, and at once.
    Answer,
    /// In an answer, where the error of the connection that ends does not overtake it.
    Overtaken,
    /// In an answer with this status, once.
    Says(u16),
    /// In an answer with this status before the request was read, or with nobody knowing, as the race goes.
    Early(StatusCode),
    /// In half an answer: this client can't see that the other half is missing.
    Truncated,
    /// The same call fails in the same way: it is made once.
    Permanent,
    /// The same, of a connection that fails before a request is read: one may have been on its way, as the race goes.
    Hopeless,
    /// It passes.
    Transient(Reach),
    /// The server has it, and nothing tells whether it passes.
    Lost,
    /// The connection's end may hide the answer, or the reason, as the race goes: a POST is made once.
    Hidden,
    /// It was not sent, and nothing tells this client whether it passes: repeats do no harm.
    Unclear,
}

/// How far a request came that met a fault which passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It was not sent, and the client can know.
    Unsent,
    /// The protocol says that it was not processed.
    Refused,
    /// So it says by a `GOAWAY`, which tells nothing of the request where it may be the connection's error.
    GoneAway,
    /// A part of it may have been sent, as the race goes, or the client can't tell.
    Perhaps,
    /// The server has all of it.
    Received,
}

#[must_use]
pub fn expected(case: &Case, client: Client) -> Expect {
    let expect = match case.play {
        Play::Server { then, .. } => of_server(then, case.reused, client),
        Play::Proxy(scenario) => of_proxy(scenario, client),
        Play::Peer(play) => play.expect,
        Play::Connect(play) => play.expect,
        Play::Nobody => Expect::Transient(Reach::Unsent),
    };
    match expect {
        Expect::Transient(Reach::GoneAway) if client.shows_connections => Expect::Transient(Reach::Perhaps),
        Expect::Transient(Reach::GoneAway) => Expect::Transient(Reach::Refused),
        Expect::Truncated | Expect::Overtaken if client.shows_connections => Expect::Hidden,
        Expect::Overtaken => Expect::Answer,
        expect => expect,
    }
}

/// Of a time limit that ends the connect: over hyper-util's client it knows.
fn stalled_connect(client: Client) -> Expect {
    Expect::Transient(if client.notes_connections { Reach::Unsent } else { Reach::Perhaps })
}

fn of_server(scenario: Scenario, reused: bool, client: Client) -> Expect {
    use CutPoint::Handshake;
    use Expect::{Answer, Permanent, Transient};
    match scenario {
        Scenario::Healthy => Answer,
        Scenario::Cut { at, .. } if at < Handshake => Transient(Reach::Unsent),
        Scenario::Stall(at) if at < Handshake => stalled_connect(client),
        Scenario::Cut { at: Handshake, .. } | Scenario::Stall(Handshake) | Scenario::Http2Cut { .. } => {
            Transient(Reach::Perhaps)
        }
        Scenario::Cut { .. } | Scenario::Stall(_) => Transient(Reach::Received),
        Scenario::Alert(
            AlertDescription::CloseNotify | AlertDescription::InternalError | AlertDescription::UserCanceled,
        ) => Transient(Reach::Unsent),
        Scenario::Alert(_)
        | Scenario::Certificate(_)
        | Scenario::ClientCertificate
        | Scenario::Protocol(_) => Permanent,
        Scenario::After { then, .. } => of_request(then, reused, client),
        other => panic!("no expectation for {other}"),
    }
}

fn of_request(fault: RequestFault, reused: bool, client: Client) -> Expect {
    use Expect::{Answer, Early, Hidden, Permanent, Transient, Truncated};
    match fault {
        RequestFault::Cut { at: RequestPoint::Start, .. }
        | RequestFault::Stall(RequestPoint::Start)
        | RequestFault::Upload { .. } => Transient(Reach::Perhaps),
        RequestFault::Cut { at: RequestPoint::Unframed, by } if !client.http2 => match by {
            CutBy::CloseNotify => Truncated,
            CutBy::Fin if client.content_with_eof => Truncated,
            _ => Transient(Reach::Received),
        },
        RequestFault::Cut { .. } | RequestFault::Stall(_) => Transient(Reach::Received),
        RequestFault::Early { status, .. } => Early(status),
        RequestFault::Idle { .. } if reused => Transient(Reach::Perhaps),
        RequestFault::Idle { .. } => Answer,
        RequestFault::Reset(
            Http2Error::Http11Required | Http2Error::InadequateSecurity | Http2Error::ProtocolError,
        ) => Permanent,
        RequestFault::GoAway {
            covers: false,
            reason: Http2Error::Http11Required | Http2Error::InadequateSecurity | Http2Error::ProtocolError,
            ..
        } if client.shows_connections => Hidden,
        RequestFault::GoAway {
            covers: false,
            reason: Http2Error::Http11Required | Http2Error::InadequateSecurity | Http2Error::ProtocolError,
            ..
        } => Permanent,
        RequestFault::Reset(Http2Error::RefusedStream) => Transient(Reach::Refused),
        // A reset may keep the client from reading what came before it.
        RequestFault::GoAway { covers: false, by: CutBy::Rst, .. } => Transient(Reach::Perhaps),
        RequestFault::GoAway { covers: false, .. } => Transient(Reach::GoneAway),
        RequestFault::Reset(_) | RequestFault::GoAway { covers: true, .. } => Transient(Reach::Received),
        other => panic!("no expectation for {other:?}"),
    }
}

fn of_proxy(scenario: ProxyScenario, client: Client) -> Expect {
    use Expect::{Answer, Permanent, Transient, Unclear};
    match scenario {
        ProxyScenario::Tunnel => Answer,
        ProxyScenario::Answer(StatusCode::PROXY_AUTHENTICATION_REQUIRED) => Permanent,
        ProxyScenario::Answer(_) if !client.hears_the_proxy => Unclear,
        ProxyScenario::Answer(StatusCode::FORBIDDEN) => Permanent,
        ProxyScenario::Answer(_) => Transient(Reach::Unsent),
        ProxyScenario::Garbage | ProxyScenario::LongHead => Unclear,
        ProxyScenario::Cut { .. } => Transient(Reach::Unsent),
        ProxyScenario::Stall(
            ProxyPoint::Accept | ProxyPoint::Connect | ProxyPoint::Head | ProxyPoint::Tunnel,
        ) => stalled_connect(client),
        other => panic!("no expectation for {other}"),
    }
}
