//! The connector against servers on loopback.

use crate::common;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::{get, ok, post, trusting};
use flaky_tls::{BadCertificate, CutBy, CutPoint, FlakyTls, Scenario, Script, TlsVersions};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::Instant;
use tower::service_fn;
use tower_ovh::{Connector, Roots};
use wire_fault::{Cause, Delivery, Fault, Healing, Phase, Verdict, Witness};

async fn server() -> flaky_tls::Running {
    FlakyTls::new().serve(service_fn(ok)).await.unwrap()
}

/// With this crate's development features rustls refuses to choose a provider, as it does where ring and aws-lc-rs are
/// both in the graph. Everything here works all the same, for the connector names its own.
#[tokio::test]
async fn a_second_provider_does_no_harm() {
    let chosen = std::panic::catch_unwind(rustls::ClientConfig::builder);
    assert!(chosen.is_err(), "rustls chose a provider by itself, so this proves nothing");
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
    let server = server().await;
    assert_eq!(trusting(&server).client().request(get(server.url())).await.unwrap().status(), 200);
}

#[tokio::test]
async fn tls_1_2_and_1_3_and_nothing_below() {
    for versions in [TlsVersions::Tls12, TlsVersions::Tls13] {
        let server = FlakyTls::new().with_versions(versions).serve(service_fn(ok)).await.unwrap();
        assert_eq!(trusting(&server).client().request(get(server.url())).await.unwrap().status(), 200);
    }

    // A ServerHello of TLS 1.1: version, 32 bytes of randomness, no session, a cipher suite, no compression.
    let mut hello = vec![22, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0xc0, 0x13, 0]);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_u8().await.unwrap();
        stream.write_all(&hello).await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let connector = Connector::trusting(Roots::none()).unwrap();
    let error = connector.client().request(post(url)).await.unwrap_err();
    let expected = Fault::new(Phase::TlsHandshake, Delivery::NeverSent, Cause::Protocol, Healing::Permanent);
    assert_eq!(Fault::of(&error), expected, "{error:?}");
    assert!(
        format!("{error:?}").contains("ServerDoesNotSupportTls12Or13")
            || format!("{error:?}").contains("SupportedVersions"),
        "{error:?}"
    );
}

#[tokio::test]
async fn certificates_are_checked() {
    for kind in BadCertificate::ALL {
        let script = Script::always(Scenario::Certificate(kind));
        let server = FlakyTls::new().with_script(script).serve(service_fn(ok)).await.unwrap();
        let error = trusting(&server).client().request(post(server.url())).await.unwrap_err();
        assert_eq!(Fault::of(&error).cause, Cause::Certificate, "{kind:?}: {error:?}");
        assert_eq!(server.shutdown().await.total().received, 0);
    }
}

#[test]
fn roots_that_can_not_be_are_refused_by_name() {
    let file = |name: &str, contents: &[u8]| {
        let path = std::env::temp_dir().join(format!("tower-ovh-{}-{name}", std::process::id()));
        std::fs::write(&path, contents).unwrap();
        let refused = Roots::none().with_pem_file(&path).unwrap_err();
        std::fs::remove_file(&path).unwrap();
        let text = refused.to_string();
        assert!(text.contains(path.to_str().unwrap()), "{text}");
        text
    };
    assert!(file("empty", b"").contains("holds no certificate"));
    assert!(file("binary", &[0xff, 0, 0x30]).contains("holds no certificate"));
    let key = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert!(file("key", key).contains("holds no certificate"));
    let (pem, _) = common::authority();
    let broken = format!("{pem}-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n");
    assert!(file("broken", broken.as_bytes()).contains("certificate 2 in "));
    assert!(file("cut", &pem.as_bytes()[..pem.len() - 30]).contains("certificate 1 in "));
    let missing = Roots::none().with_pem_file("/no/such/roots.pem").unwrap_err();
    assert!(missing.to_string().starts_with("/no/such/roots.pem can't be read: "));
    assert!(std::error::Error::source(&missing).is_some());
    assert_eq!(Roots::none().with_pem(pem.repeat(2)).unwrap().len(), 2);
}

/// IPv6 that refuses at once, and IPv6 that swallows packets: IPv4 is used, and the second does not cost a whole timeout.
#[tokio::test]
async fn ipv6_dead_and_ipv4_alive() {
    let server = server().await;
    let (v6, v4) = (IpAddr::from(Ipv6Addr::LOCALHOST), IpAddr::from(Ipv4Addr::LOCALHOST));
    if TcpListener::bind((v6, 0)).await.is_err() {
        return eprintln!("this machine has no IPv6, not even on loopback: there is nothing to test");
    }
    let url = format!("https://localhost:{}/", server.port());

    // The server has no IPv6, so its port refuses there.
    let connector = trusting(&server).with_addresses("localhost", [v6, v4]);
    assert_eq!(connector.client().request(get(&url)).await.unwrap().status(), 200);

    // And where both families are dead, nothing was sent.
    let connector = trusting(&server).with_addresses("localhost", [v6, [127, 0, 0, 2].into()]);
    let fault = Fault::of(&connector.client().request(post(&url)).await.unwrap_err());
    assert_eq!(
        (fault.phase, fault.delivery, fault.cause),
        (Phase::Tcp, Delivery::NeverSent, Cause::ConnectionRefused)
    );

    // A listener whose queue is full swallows what comes then, on Linux.
    if !cfg!(target_os = "linux") {
        return;
    }
    let socket = TcpSocket::new_v6().unwrap();
    socket.bind((v6, server.port()).into()).unwrap();
    let _swallowing = socket.listen(1).unwrap();
    let mut queue = Vec::new();
    while queue.len() < 64 {
        let connect = TcpStream::connect((v6, server.port()));
        let Ok(stream) = tokio::time::timeout(Duration::from_millis(100), connect).await else { break };
        queue.push(stream.unwrap());
    }
    assert!(queue.len() < 64, "this system's queues are never full");
    let connector = trusting(&server).with_addresses("localhost", [v6, v4]);
    let connector = connector.with_connect_timeout(Duration::from_secs(600)).unwrap();
    let begun = Instant::now();
    assert_eq!(connector.client().request(get(&url)).await.unwrap().status(), 200);
    assert!(begun.elapsed() >= Duration::from_millis(300), "IPv6 was not tried first");
    assert!(begun.elapsed() < Duration::from_secs(60), "IPv6 was waited for: {:?}", begun.elapsed());
}

/// The clock is paused, so it jumps to the limit once nobody has anything left to do.
#[tokio::test(start_paused = true)]
async fn a_handshake_that_stalls_has_the_time_of_a_connection() {
    let script = Script::always(Scenario::Stall(CutPoint::ClientHello));
    let server = FlakyTls::new().with_script(script).serve(service_fn(ok)).await.unwrap();
    let connector = trusting(&server).with_connect_timeout(Duration::from_secs(5)).unwrap();
    let begun = Instant::now();
    let error = connector.client().request(post(server.url())).await.unwrap_err();
    let fault = Fault::of(&error);
    assert_eq!(
        (fault.delivery, fault.cause, fault.healing),
        (Delivery::NeverSent, Cause::Timeout, Healing::Transient)
    );
    assert!(begun.elapsed() <= Duration::from_millis(5_002), "{:?}", begun.elapsed());
}

#[test]
fn times_out_of_range_are_refused() {
    for time in [Duration::ZERO, Duration::from_micros(999), Duration::from_secs(3601), Duration::MAX] {
        let connector = Connector::trusting(Roots::none()).unwrap();
        let refused = connector.with_connect_timeout(time).unwrap_err().to_string();
        assert!(refused.contains(&format!("{time:?}")) && refused.contains("1ms to 3600s"), "{refused}");
    }
}

/// What proves that a request was never written, where a time limit asks for it.
#[tokio::test]
async fn its_connections_have_a_witness() {
    let server = server().await;
    let response = trusting(&server).client().request(get(server.url())).await.unwrap();
    assert!(response.extensions().get().is_some_and(|witness: &Witness| witness.writes() > 0));
}

/// Told of each connection, whatever becomes of it; a panic is the hook's own affair.
#[tokio::test]
async fn tcp_connections_are_told_of_before_tls() {
    let cut = Scenario::Cut { at: CutPoint::ClientHello, by: CutBy::Fin };
    let script = Script::list([cut], Scenario::Healthy);
    let server = FlakyTls::new().with_script(script).serve(service_fn(ok)).await.unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let connector = trusting(&server)
        .on_tcp(move |stream| {
            tell.lock().unwrap().push((stream.local_addr().unwrap(), stream.peer_addr().unwrap()));
            panic!("not the call's");
        })
        // What is set later leaves the hook in its place.
        .with_connect_timeout(Duration::from_secs(60))
        .unwrap()
        .with_addresses("localhost", [Ipv4Addr::LOCALHOST.into()])
        .with_idle_per_host(0);
    let client = connector.client();
    assert!(client.request(post(server.url())).await.is_err());
    assert_eq!(client.request(post(server.url())).await.unwrap().status(), 200);
    let peer = (Ipv4Addr::LOCALHOST, server.port()).into();
    let truth = server.shutdown().await;
    let accepted: Vec<_> = truth.connections().iter().map(|connection| (connection.client, peer)).collect();
    assert_eq!((*told.lock().unwrap()).clone(), accepted);
    assert_eq!(accepted.len(), 2);
}

/// hyper-util's pool goes by tokio's clock. It is paused while a connection is idle and jumps only once no task has anything
/// left to do, so the connection is back in the pool before its time begins to pass.
#[tokio::test]
async fn an_idle_connection_is_used_again_until_its_time_is_up() {
    const S: Duration = Duration::from_secs(1);
    // Both sides of the 30 s that a connector has at first.
    for timeout in [10 * S, 90 * S] {
        let server = server().await;
        let client = trusting(&server).with_idle_timeout(timeout).client();
        let mut accepted = Vec::new();
        for idle in [Duration::ZERO, timeout - S, timeout + S] {
            tokio::time::pause();
            tokio::time::sleep(idle).await;
            tokio::time::resume();
            let response = client.request(get(server.url())).await.unwrap();
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
            accepted.push(server.truth().accepted());
        }
        assert_eq!(accepted, [1, 1, 2], "idle for up to {timeout:?}");
        assert_eq!(server.shutdown().await.total().received, 3);
    }
}

#[tokio::test]
async fn plain_http_only_where_it_was_asked_for() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_u8().await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let connector = Connector::trusting(Roots::none()).unwrap();
    let error = connector.client().request(get(&url)).await.unwrap_err();
    let fault = Fault::of(&error);
    assert_eq!((fault.delivery, fault.healing), (Delivery::NeverSent, Healing::Permanent), "{error:?}");
    assert_eq!(Verdict::of(&error), Some(Verdict::RefusedLocally));
    assert_eq!(connector.with_plain_http().client().request(get(&url)).await.unwrap().status(), 200);
}

#[tokio::test]
async fn http_2_where_both_want_it() {
    let (pem, config) = common::authority();
    let mut config = Arc::unwrap_or_clone(config);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let tls = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let stream = tls.accept(stream).await.unwrap();
            let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let service = hyper::service::service_fn(async |request: Request<hyper::body::Incoming>| {
                Ok::<_, Infallible>(Response::new(common::Body::from(format!("{:?}", request.version()))))
            });
            let stream = hyper_util::rt::TokioIo::new(stream);
            if h2 {
                let executor = hyper_util::rt::TokioExecutor::new();
                tokio::spawn(
                    hyper::server::conn::http2::Builder::new(executor).serve_connection(stream, service),
                );
            } else {
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(stream, service));
            }
        }
    });
    let connector = Connector::trusting(Roots::none().with_pem(pem).unwrap()).unwrap();
    for (connector, version) in [(connector.clone(), "HTTP/1.1"), (connector.with_http2(), "HTTP/2.0")] {
        let response = connector.client().request(get(&url)).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), version);
    }
}

/// Run by the test below, with the environment that it is about.
#[test]
#[ignore = "a part of `the_platforms_roots_are_those_the_environment_names`"]
fn environment() {
    match Roots::platform() {
        Ok(roots) => println!("roots: {}", roots.len()),
        Err(error) => println!("refused: {error}"),
    }
}

#[test]
fn the_platforms_roots_are_those_the_environment_names() {
    let run = |file: &Path| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--ignored", "--exact", "connector::environment", "--nocapture"])
            .env("SSL_CERT_FILE", file);
        String::from_utf8(command.env_remove("SSL_CERT_DIR").output().unwrap().stdout).unwrap()
    };
    let file = std::env::temp_dir().join(format!("tower-ovh-{}-platform.pem", std::process::id()));
    let (pem, _) = common::authority();
    // What rustls can't use is left out: stores hold such certificates.
    std::fs::write(&file, format!("{pem}-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"))
        .unwrap();
    let one = run(&file);
    std::fs::remove_file(&file).unwrap();
    assert!(one.contains("roots: 1"), "{one}");
    let none = run(&file);
    assert!(none.contains("refused: the platform has no root certificates: install"), "{none}");
    assert!(none.contains(file.to_str().unwrap()), "{none}");
}
