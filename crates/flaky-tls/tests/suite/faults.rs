//! Stalls, alerts, certificates.

use std::time::Duration;

use crate::common::{Failure, post, start, until};
use flaky_tls::{
    AlertDescription, BadCertificate, CutPoint, End, FlakyTls, Scenario, Script, TlsVersions, WrongProtocol,
};
use rustls::CertificateError;
use tokio::time::timeout;

#[tokio::test]
async fn stalls_are_silent_until_the_client_leaves() {
    let stalls = CutPoint::ALL.map(Scenario::Stall);
    let script = Script::list(stalls, Scenario::Healthy);
    let (server, calls) =
        start(FlakyTls::new().with_script(script).with_grace(Duration::from_secs(600))).await;
    let server = std::sync::Arc::new(server);
    let mut clients = tokio::task::JoinSet::new();
    for stall in stalls {
        let accepted = server.truth().accepted();
        let client = std::sync::Arc::clone(&server);
        clients.spawn(async move { (stall, post(&client, &stall.to_string()).await) });
        until(&server, |truth| {
            truth.connections().get(accepted as usize).is_some_and(|record| record.carried_out)
        })
        .await;
    }
    assert!(clients.try_join_next().is_none(), "a stalled client got something");
    let record = server.truth().connections()[0].clone();
    assert_eq!((record.end, record.scenario), (None, Scenario::Stall(CutPoint::Accept)));

    clients.abort_all();
    while clients.join_next().await.is_some() {}
    until(&server, |truth| truth.connections().iter().all(|record| record.end.is_some())).await;
    let truth = std::sync::Arc::into_inner(server).unwrap().shutdown().await;
    for (record, stall) in truth.connections().iter().zip(stalls) {
        assert_eq!(record.scenario, stall);
        assert_eq!(record.end, Some(End::ClientLeft), "{stall}");
        let reached = matches!(stall, Scenario::Stall(at) if at >= CutPoint::Request);
        assert_eq!((record.tally.received, record.tally.answered), (u64::from(reached), 0), "{stall}");
    }
    assert_eq!(calls.load(std::sync::atomic::Ordering::SeqCst), 3);
}

#[tokio::test]
async fn shutdown_does_not_wait_for_stalled_clients() {
    for at in CutPoint::ALL {
        let settings = FlakyTls::new().with_script(Scenario::Stall(at)).with_grace(Duration::from_secs(600));
        let (server, _) = start(settings).await;
        let address = server.address();
        let authority = server.authority().clone();
        let client = tokio::spawn(async move {
            let tcp = tokio::net::TcpStream::connect(address).await.unwrap();
            let config = std::sync::Arc::new(authority.client_config().unwrap());
            let name = "localhost".try_into().unwrap();
            let mut tls = tokio_rustls::TlsConnector::from(config).connect(name, tcp).await?;
            tokio::io::AsyncWriteExt::write_all(&mut tls, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await?;
            tokio::io::AsyncReadExt::read_to_end(&mut tls, &mut Vec::new()).await
        });
        until(&server, |truth| truth.connections().first().is_some_and(|record| record.carried_out)).await;
        assert!(!client.is_finished());
        let truth =
            timeout(Duration::from_secs(60), server.shutdown()).await.expect("a stall held the server");
        assert_eq!(truth.connections()[0].end, Some(End::Shutdown), "{at}");
        client.await.unwrap().expect_err("the server did not speak");
    }
}

#[tokio::test]
async fn a_dropped_handle_stops_the_server() {
    let (server, _) = start(FlakyTls::new().with_script(Scenario::Stall(CutPoint::Accept))).await;
    let mut tcp = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut tcp, b"x").await.unwrap();
    until(&server, |truth| truth.connections().first().is_some_and(|record| record.carried_out)).await;
    drop(server);
    let mut scrap = [0; 8];
    let read = timeout(Duration::from_secs(60), tokio::io::AsyncReadExt::read(&mut tcp, &mut scrap)).await;
    assert!(matches!(read.expect("the connection was left open"), Ok(0) | Err(_)));
}

#[tokio::test]
async fn alerts_arrive_as_they_were_sent() {
    for alert in [
        AlertDescription::HandshakeFailure,
        AlertDescription::InternalError,
        AlertDescription::ProtocolVersion,
        AlertDescription::UnrecognisedName,
        AlertDescription::AccessDenied,
        AlertDescription::Unknown(200),
    ] {
        let (server, _) = start(FlakyTls::new().with_script(Scenario::Alert(alert))).await;
        let failure = post(&server, "a").await.result.unwrap_err();
        assert_eq!(failure.rustls(), Some(&rustls::Error::AlertReceived(alert)));
        let truth = server.shutdown().await;
        let record = &truth.connections()[0];
        assert_eq!((record.end, record.carried_out), (Some(End::Struck), true));
        assert_eq!(truth.total().received, 0);
    }
}

#[tokio::test]
async fn bad_certificates_are_refused_for_the_right_reason() {
    for bad in BadCertificate::ALL {
        let (server, _) = start(FlakyTls::new().with_script(Scenario::Certificate(bad))).await;
        let failure = post(&server, "a").await.result.unwrap_err();
        assert!(matches!(failure, Failure::Handshake(_)), "{failure:?}");
        let Some(rustls::Error::InvalidCertificate(error)) = failure.rustls() else {
            panic!("{bad}: {failure:?}")
        };
        let right = match bad {
            BadCertificate::Expired => matches!(error, CertificateError::ExpiredContext { .. }),
            BadCertificate::NotYetValid => matches!(error, CertificateError::NotValidYetContext { .. }),
            BadCertificate::WrongName => matches!(error, CertificateError::NotValidForNameContext { .. }),
            _ => matches!(error, CertificateError::UnknownIssuer),
        };
        assert!(right, "{bad}: {error:?}");
        until(&server, |truth| truth.connections()[0].end.is_some()).await;
        let truth = server.shutdown().await;
        let record = &truth.connections()[0];
        assert_eq!((record.end, record.carried_out), (Some(End::HandshakeFailed), true), "{bad}");
        assert!(record.detail.is_some());
    }
}

#[tokio::test]
async fn other_protocols_are_known_for_what_they_are() {
    for wrong in WrongProtocol::ALL {
        let (server, _) = start(FlakyTls::new().with_script(Scenario::Protocol(wrong))).await;
        let failure = post(&server, "a").await.result.unwrap_err();
        let known = match wrong {
            WrongProtocol::Tls10 => matches!(failure.rustls(), Some(rustls::Error::PeerIncompatible(_))),
            _ => matches!(failure.rustls(), Some(rustls::Error::InvalidMessage(_))),
        };
        assert!(known, "{wrong}: {failure:?}");
        let truth = server.shutdown().await;
        assert_eq!((truth.connections()[0].end, truth.total().received), (Some(End::Struck), 0), "{wrong}");
    }
}

#[tokio::test]
async fn a_certificate_is_demanded_of_the_client() {
    for versions in [TlsVersions::Tls12, TlsVersions::Tls13] {
        let settings = FlakyTls::new().with_versions(versions).with_script(Scenario::ClientCertificate);
        let (server, calls) = start(settings).await;
        let failure = post(&server, "a").await.result.unwrap_err();
        // Under TLS 1.3 the client's handshake is over when it is refused.
        let in_handshake = matches!(failure, Failure::Handshake(_));
        assert_eq!(in_handshake, versions == TlsVersions::Tls12, "{failure:?}");
        let words = format!("{failure:?}");
        assert!(words.contains("AlertReceived(CertificateRequired)"), "{versions:?}: {words}");
        until(&server, |truth| truth.connections()[0].end.is_some()).await;
        let truth = server.shutdown().await;
        let record = &truth.connections()[0];
        assert_eq!((record.end, record.carried_out), (Some(End::HandshakeFailed), true));
        assert_eq!((truth.total().received, calls.load(std::sync::atomic::Ordering::SeqCst)), (0, 0));
    }
}

#[tokio::test]
async fn a_client_that_speaks_no_tls_is_told_so() {
    let (server, _) = start(FlakyTls::new()).await;
    let mut tcp = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut tcp, b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    until(&server, |truth| truth.connections().iter().any(|record| record.end.is_some())).await;
    assert_eq!(server.truth().connections()[0].end, Some(End::HandshakeFailed));
}
