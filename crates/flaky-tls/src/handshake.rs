//! From the accepted connection to the TLS stream, or to the fault on the way there.

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{Accepted, Acceptor};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::authority::Identities;
use crate::cut_by::{CutBy, Strike};
use crate::http_versions::HttpVersions;
use crate::ledger::Entry;
use crate::scenario::{CutPoint, Scenario};
use crate::strike;
use crate::truth::{End, Protocol};
use crate::wire;

/// How a connection ended, and the error's words.
pub(crate) type Ended = (End, Option<String>);

pub(crate) async fn handshake(
    tcp: TcpStream,
    identities: &Identities,
    versions: HttpVersions,
    scenario: Scenario,
    entry: &Entry,
) -> Result<(TlsStream<TcpStream>, Protocol), Ended> {
    match tcp.peek(&mut [0]).await {
        Ok(1..) => {}
        Ok(0) => return Err((End::ClientLeft, None)),
        Err(error) => return Err((End::ClientLeft, Some(error.to_string()))),
    }
    if let Some(strike) = scenario.fault_at(CutPoint::Accept) {
        return Err((strike::plain(tcp, strike, entry).await, None));
    }

    let mut start = LazyConfigAcceptor::new(Acceptor::default(), tcp).await.map_err(failed)?;
    if let Some(strike) = scenario.fault_at(CutPoint::ClientHello) {
        return Err((strike::plain(start.io, strike, entry).await, None));
    }
    let bad = match scenario {
        Scenario::Alert(what) => return Err((strike::alert(start.io, what, entry).await, None)),
        Scenario::Protocol(wrong) => return Err((strike::protocol(start.io, wrong, entry).await, None)),
        Scenario::Certificate(bad) => Some(bad),
        _ => None,
    };
    let demanding = scenario == Scenario::ClientCertificate;
    let config = if demanding { identities.demanding() } else { identities.config(bad) };
    if let Some(strike) = scenario.fault_at(CutPoint::ServerHello) {
        let flight = first_flight(start.accepted, config).map_err(failed)?;
        let part = match strike {
            Strike::Cut(CutBy::CloseNotify) => server_hello(&flight).unwrap_or_else(|| flight.clone()),
            _ => flight[..flight.len() / 2].to_vec(),
        };
        start.io.write_all(&part).await.map_err(failed)?;
        return Err((strike::plain(start.io, strike, entry).await, None));
    }
    if bad.is_some() || demanding {
        entry.carried_out();
    }

    let tls = match start.into_stream(config).into_fallible().await {
        Ok(tls) => tls,
        Err((error, tcp)) => {
            // The client may be sending already; an RST for that must not overtake the alert.
            let ended = failed(error);
            if demanding {
                entry.ended(ended.0, ended.1.clone());
                wire::fin(tcp).await;
            }
            return Err(ended);
        }
    };
    let protocol = versions.chosen(tls.get_ref().1.alpn_protocol());
    entry.handshaken(protocol);
    if let Some(strike) = scenario.fault_at(CutPoint::Handshake) {
        return Err((strike::tls(tls, &[], strike, entry).await, None));
    }
    Ok((tls, protocol))
}

#[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
fn failed(error: io::Error) -> Ended {
    let end = match error.kind() {
        // What rustls says about the peer comes as InvalidData; anything else is the connection itself.
        io::ErrorKind::InvalidData => End::HandshakeFailed,
        _ => End::ClientLeft,
    };
    (end, Some(error.to_string()))
}

/// Everything that the server sends before it needs to hear from the client again.
fn first_flight(accepted: Accepted, config: Arc<ServerConfig>) -> io::Result<Vec<u8>> {
    let mut connection = accepted
        .into_connection(config)
        .map_err(|(error, _)| io::Error::new(io::ErrorKind::InvalidData, error))?;
    let mut flight = Vec::new();
    while connection.wants_write() {
        connection.write_tls(&mut flight)?;
    }
    Ok(flight)
}

/// The first handshake message of a flight, in a record of its own: TLS 1.2 packs several into one record, and an alert
/// must not come between the parts of a message (RFC 8446, section 5.1). `None` if the flight does not begin with a
/// record that holds a whole message.
fn server_hello(flight: &[u8]) -> Option<Vec<u8>> {
    let &[kind, major, minor, _, _, _, high, middle, low, ..] = flight else { return None };
    let length = 4 + u32::from_be_bytes([0, high, middle, low]);
    let mut record = vec![kind, major, minor];
    record.extend(u16::try_from(length).ok()?.to_be_bytes());
    record.extend(flight.get(5..5 + usize::try_from(length).ok()?)?);
    Some(record)
}
