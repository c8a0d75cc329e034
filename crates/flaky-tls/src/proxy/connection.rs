//! One connection to the proxy, from accept to end.

use std::net::SocketAddr;
use std::sync::Arc;

use http::StatusCode;
use tokio::io::{AsyncWriteExt as _, copy_bidirectional};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::cut_by::{CutBy, Strike};
use crate::playing::Turn;
use crate::proxy::credentials::Credentials;
use crate::proxy::head::{self, Connect};
use crate::proxy::leg::Leg;
use crate::proxy::record::{Entry, SentCredentials};
use crate::proxy::scenario::{ProxyPoint, ProxyScenario};
use crate::truth::End;

const GRANTED: &str = "HTTP/1.1 200 Connection established\r\n\r\n";
/// A server of another protocol, as it would greet.
const GARBAGE: &[u8] = b"220 mail.invalid ESMTP\r\n\r\n";
const LONG: usize = 128 * 1024;

/// What all connections of a proxy share.
pub(crate) struct Side {
    pub(crate) server: SocketAddr,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) tls: Option<TlsAcceptor>,
}

pub(crate) async fn run(tcp: TcpStream, turn: Turn<ProxyScenario>, side: Arc<Side>, entry: Entry) {
    let scenario = turn.scenario();
    entry.update(|record| record.scenario = scenario);
    let end = drive(tcp, scenario, &side, &entry).await;
    entry.ended(end);
}

async fn drive(tcp: TcpStream, scenario: ProxyScenario, side: &Side, entry: &Entry) -> End {
    let _ = tcp.set_nodelay(true);
    if !matches!(tcp.peek(&mut [0]).await, Ok(1..)) {
        return End::ClientLeft;
    }
    if let Some(strike) = scenario.fault_at(ProxyPoint::Accept) {
        return struck(Leg::Plain(tcp), strike, entry).await;
    }
    let mut leg = match &side.tls {
        None => Leg::Plain(tcp),
        Some(acceptor) => match acceptor.accept(tcp).await {
            Ok(tls) => Leg::Tls(Box::new(tls)),
            Err(_) => return End::HandshakeFailed,
        },
    };
    let connect = match head::read(&mut leg).await {
        Ok(Some(Ok(connect))) => connect,
        Ok(Some(Err(status))) => return refuse(leg, status, entry).await,
        Ok(None) | Err(_) => return End::ClientLeft,
    };
    let sent = sent(side.credentials.as_ref(), &connect);
    entry.update(|record| {
        record.target = Some(connect.target.clone().into());
        record.credentials = sent;
    });
    if let Some(strike) = scenario.fault_at(ProxyPoint::Connect) {
        return struck(leg, strike, entry).await;
    }
    match scenario {
        ProxyScenario::Answer(status) => {
            entry.carried_out();
            let status = if status.is_success() { StatusCode::BAD_GATEWAY } else { status };
            return refuse(leg, status, entry).await;
        }
        ProxyScenario::Garbage => {
            entry.carried_out();
            return last_words(leg, GARBAGE).await;
        }
        ProxyScenario::LongHead => {
            entry.carried_out();
            entry.update(|record| record.answered = Some(StatusCode::OK));
            let head = format!("HTTP/1.1 200 OK\r\nx-long: {}\r\n\r\n", "x".repeat(LONG));
            // Fails where the client has had enough.
            let _ = leg.write_all(head.as_bytes()).await;
            leg.strike(Strike::Stall).await;
            return End::ClientLeft;
        }
        _ => {}
    }
    if side.credentials.is_some() && sent != SentCredentials::Right {
        return refuse(leg, StatusCode::PROXY_AUTHENTICATION_REQUIRED, entry).await;
    }
    if let Some(strike) = scenario.fault_at(ProxyPoint::Head) {
        let half = &GRANTED.as_bytes()[..GRANTED.len() / 2];
        return after(leg, half, strike, entry).await;
    }
    if let Some(strike) = scenario.fault_at(ProxyPoint::Tunnel) {
        entry.update(|record| record.answered = Some(StatusCode::OK));
        return after(leg, GRANTED.as_bytes(), strike, entry).await;
    }
    tunnel(leg, connect, side.server, entry).await
}

/// What the client sent for credentials.
fn sent(wanted: Option<&Credentials>, connect: &Connect) -> SentCredentials {
    match (wanted, &connect.authorization) {
        (_, None) => SentCredentials::None,
        (None, Some(_)) => SentCredentials::Unasked,
        (Some(wanted), Some(sent)) if wanted.are_in(sent) => SentCredentials::Right,
        _ => SentCredentials::Wrong,
    }
}

/// Joins the client to the server, until both have closed. An RST of one is passed on to the other.
async fn tunnel(mut leg: Leg, connect: Connect, server: SocketAddr, entry: &Entry) -> End {
    let Ok(mut upstream) = TcpStream::connect(server).await else {
        return refuse(leg, StatusCode::BAD_GATEWAY, entry).await;
    };
    let _ = upstream.set_nodelay(true);
    entry.update(|record| {
        record.upstream = upstream.local_addr().ok();
        record.answered = Some(StatusCode::OK);
    });
    let joined = async {
        leg.write_all(GRANTED.as_bytes()).await?;
        leg.flush().await?;
        upstream.write_all(&connect.rest).await?;
        copy_bidirectional(&mut leg, &mut upstream).await
    };
    if joined.await.is_err() {
        let _ = leg.tcp().set_zero_linger();
        let _ = upstream.set_zero_linger();
    }
    End::ClientLeft
}

/// Answers with this status, and closes.
async fn refuse(leg: Leg, status: StatusCode, entry: &Entry) -> End {
    entry.update(|record| record.answered = Some(status));
    let challenge = match status {
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => "proxy-authenticate: Basic realm=\"flaky-tls\"\r\n",
        _ => "",
    };
    let reason = status.canonical_reason().unwrap_or_default();
    let code = status.as_str();
    let head =
        format!("HTTP/1.1 {code} {reason}\r\n{challenge}content-length: 0\r\nconnection: close\r\n\r\n");
    last_words(leg, head.as_bytes()).await
}

/// Writes this, and closes.
async fn last_words(mut leg: Leg, words: &[u8]) -> End {
    if leg.write_all(words).await.is_err() || leg.flush().await.is_err() {
        return End::ClientLeft;
    }
    leg.strike(Strike::Cut(CutBy::CloseNotify)).await;
    End::Struck
}

/// Writes this, and has the fault strike.
async fn after(mut leg: Leg, words: &[u8], strike: Strike, entry: &Entry) -> End {
    if leg.write_all(words).await.is_err() || leg.flush().await.is_err() {
        return End::ClientLeft;
    }
    struck(leg, strike, entry).await
}

async fn struck(leg: Leg, strike: Strike, entry: &Entry) -> End {
    entry.carried_out();
    match strike {
        Strike::Stall => {
            leg.strike(strike).await;
            End::ClientLeft
        }
        Strike::Cut(_) => {
            // Whatever the client does afterwards.
            entry.ended(End::Struck);
            leg.strike(strike).await;
            End::Struck
        }
    }
}
