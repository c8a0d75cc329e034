//! Over TLS, in a program that has two providers of cryptography or none by default.

use std::sync::Arc;

use rate_limit::redis::{Away, Fleet};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::common::{LONG, quota, server};

/// Ends TLS in front of the server.
async fn terminator(port: u16) -> (u16, RootCertStore) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut redis = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut redis).await;
            });
        }
    });
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    (own, roots)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls() {
    let Some(server) = server("over_tls") else { return };
    let (port, roots) = terminator(server.port()).await;
    let url = format!("rediss://localhost:{port}/");
    // The platform's roots don't know the certificate. (Nor need there be any.)
    if let Ok(fleet) = Fleet::new(&url) {
        assert_eq!(fleet.check().await.unwrap_err().why(), Away::Tls);
    }
    let config = || {
        // Both providers are in this program, or may be: ours is named.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        Arc::new(config.unwrap().with_root_certificates(roots.clone()).with_no_client_auth())
    };
    let fleet = Fleet::over_tls(&url, config()).unwrap();
    fleet.check().await.unwrap();
    let limiter = fleet.limiter("a", quota(2, 100));
    for _ in 0..5 {
        timeout(LONG, limiter.acquire()).await.unwrap().unwrap();
    }
    let refused = Fleet::over_tls("redis://localhost", config()).unwrap_err();
    assert!(refused.to_string().contains("not rediss://"));
}
