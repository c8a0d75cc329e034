//! Each cut point, each means, both versions of TLS: what the client saw, and what the server wrote down.

use std::io::ErrorKind;
use std::sync::atomic::Ordering;

use crate::common::{ANSWER, Failure, post, raw, start};
use flaky_tls::{AlertDescription, CutBy, CutPoint, End, FlakyTls, Scenario, Script, TlsVersions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::test]
async fn every_cut_strikes_where_it_should() {
    for versions in [TlsVersions::Tls12, TlsVersions::Tls13] {
        let cuts: Vec<_> = Scenario::cuts().collect();
        let script = Script::list(cuts.clone(), Scenario::Healthy);
        let (server, calls) = start(FlakyTls::new().with_versions(versions).with_script(script)).await;
        let mut ports = Vec::new();
        for scenario in &cuts {
            let Scenario::Cut { at, by } = *scenario else { unreachable!("cuts() gives cuts") };
            let before = calls.load(Ordering::SeqCst);
            let called = post(&server, &scenario.to_string()).await;
            let failure = called.result.expect_err(&format!("{scenario} under {versions:?}"));
            check_failure(at, by, versions, &failure);

            // A cut after the request means that the service has acted.
            let reached = at >= CutPoint::Request;
            let tally = server.tally(&scenario.to_string());
            assert_eq!(tally.received, u64::from(reached), "{scenario}");
            assert_eq!(tally.answered, 0, "{scenario}");
            assert_eq!(calls.load(Ordering::SeqCst) - before, u64::from(reached), "{scenario}");
            ports.push(called.port);
        }

        let after = post(&server, "after").await;
        assert_eq!(after.result.unwrap(), ANSWER);
        let truth = server.shutdown().await;
        assert_eq!(truth.accepted(), 22);
        assert_eq!(truth.unrecorded(), 0);
        assert_eq!((truth.tally("after").received, truth.tally("after").answered), (1, 1));
        for (index, (scenario, port)) in cuts.iter().zip(ports).enumerate() {
            let record = truth.from_port(port).find(|record| record.scenario == *scenario).unwrap();
            let Scenario::Cut { at, .. } = *scenario else { unreachable!("cuts() gives cuts") };
            assert_eq!(record.index, index as u64);
            assert!(record.carried_out, "{scenario}");
            assert_eq!(record.end, Some(End::Struck), "{scenario}");
            assert_eq!(record.handshaken, at >= CutPoint::Handshake, "{scenario}");
            let ids: Vec<_> = truth.requests_on(record.index).map(|request| request.id.as_deref()).collect();
            let id = scenario.to_string();
            let expected = if at >= CutPoint::Request { vec![Some(&*id)] } else { vec![] };
            assert_eq!(ids, expected);
        }
    }
}

fn check_failure(at: CutPoint, by: CutBy, versions: TlsVersions, failure: &Failure) {
    let context = format!("cut at {at} by {by} under {versions:?}: {failure:?}");
    match (at, failure) {
        (CutPoint::Accept | CutPoint::ClientHello | CutPoint::ServerHello, Failure::Handshake(_))
        | (CutPoint::Request | CutPoint::Head, Failure::Send(_))
        | (CutPoint::Body, Failure::Body(_)) => {}
        (CutPoint::Handshake, Failure::Handshake(_)) => {
            // In TLS 1.2 the server speaks last; an RST can overtake the client's reading of it.
            assert_eq!((by, versions), (CutBy::Rst, TlsVersions::Tls12), "{context}");
            assert_eq!(failure.io_kind(), Some(ErrorKind::ConnectionReset), "{context}");
            return;
        }
        (CutPoint::Handshake, Failure::Send(error)) => {
            // The client may notice before or after it hands the request on; a FIN or RST then shows in several ways.
            let kinds = [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
            let told = error.is_canceled() || error.is_closed() || error.is_incomplete_message();
            assert!(told || kinds.iter().any(|kind| failure.io_kind() == Some(*kind)), "{context}");
            return;
        }
        _ => panic!("{context}"),
    }
    match by {
        CutBy::Fin => assert_eq!(failure.io_kind(), Some(ErrorKind::UnexpectedEof), "{context}"),
        CutBy::Rst => assert_eq!(failure.io_kind(), Some(ErrorKind::ConnectionReset), "{context}"),
        CutBy::CloseNotify => match failure {
            Failure::Handshake(_) if at == CutPoint::ServerHello && versions == TlsVersions::Tls13 => {
                let alert = rustls::Error::AlertReceived(AlertDescription::CloseNotify);
                assert_eq!(failure.rustls(), Some(&alert), "{context}");
            }
            Failure::Handshake(_) => {
                assert_eq!(failure.io_kind(), Some(ErrorKind::UnexpectedEof), "{context}");
            }
            Failure::Send(error) => assert!(error.is_incomplete_message(), "{context}"),
            // hyper says UnexpectedEof for a body that is shorter than its Content-Length, whoever ended it.
            Failure::Body(_) => {
                assert_eq!(failure.io_kind(), Some(ErrorKind::UnexpectedEof), "{context}");
            }
        },
        _ => panic!("{context}"),
    }
}

#[tokio::test]
async fn the_bytes_seen_before_the_cut_are_those_promised() {
    for versions in [TlsVersions::Tls12, TlsVersions::Tls13] {
        for at in [CutPoint::Request, CutPoint::Head, CutPoint::Body] {
            for by in CutBy::ALL {
                let scenario = Scenario::Cut { at, by };
                let (server, _) = start(FlakyTls::new().with_versions(versions).with_script(scenario)).await;
                let (seen, end) = raw(&server, "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
                let seen = String::from_utf8(seen).unwrap();
                match at {
                    CutPoint::Request => assert_eq!(seen, ""),
                    CutPoint::Head => {
                        assert!(seen.starts_with("HTTP/1.1 200"), "{seen:?}");
                        assert!(!seen.contains("\r\n\r\n"), "{seen:?}");
                    }
                    _ => {
                        let (head, body) = seen.split_once("\r\n\r\n").unwrap();
                        assert!(head.contains(&format!("content-length: {}", ANSWER.len())), "{head:?}");
                        assert!(!body.is_empty() && body.len() < ANSWER.len(), "{body:?}");
                        assert!(ANSWER.starts_with(body));
                    }
                }
                match by {
                    CutBy::Fin => assert_eq!(end.unwrap_err().kind(), ErrorKind::UnexpectedEof),
                    CutBy::Rst => assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset),
                    _ => end.unwrap(),
                }
            }
        }
    }
}

#[tokio::test]
async fn no_rst_follows_a_fin_while_the_client_is_there() {
    let cut = Scenario::Cut { at: CutPoint::Accept, by: CutBy::Fin };
    let (server, _) = start(FlakyTls::new().with_script(cut)).await;
    let mut tcp = TcpStream::connect(server.address()).await.unwrap();
    tcp.write_all(&[0; 512]).await.unwrap();
    assert_eq!(tcp.read(&mut [0]).await.unwrap(), 0);
    // Each of these would fail after an RST, which unread data on the server's side would have caused.
    for _ in 0..100 {
        tcp.write_all(&[0; 512]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(server.truth().connections()[0].end, Some(End::Struck));
}
