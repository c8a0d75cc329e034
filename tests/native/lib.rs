//! The clients of the matrix over native-tls and OpenSSL.

use hyper_util::client::legacy::connect::proxy::Tunnel;
use matrix_tests::client::Client;
use matrix_tests::clients::hyper_util::{builder, over, tcp, uri};
use matrix_tests::clients::reqwest::{finish12, finish13};
use matrix_tests::trust::Trust;
use openssl::ssl::{SslConnector, SslConnectorBuilder, SslMethod};
use tower::Layer;
use wire_fault::{ProxyTunnel, StampLayer, WitnessLayer};

/// Over HTTP/1.1 unless it says otherwise. A body that the end of the connection ends is whole to them, with
/// `close_notify` or without.
pub const ALL: &[Client] = &[
    HYPER_TLS,
    HYPER_TLS_WITNESS,
    HYPER_OPENSSL,
    HYPER_OPENSSL_HTTP2,
    HYPER_OPENSSL_WITNESS,
    HYPER_OPENSSL_WITNESS_HTTP2,
    REQWEST12,
    REQWEST13,
];

const fn over_hyper_util(client: Client) -> Client {
    Client { reuses: true, proxied: true, notes_connections: true, content_with_eof: true, ..client }
}

fn native_tls(trust: &Trust) -> native_tls::TlsConnector {
    let root = native_tls::Certificate::from_pem(trust.pem.as_bytes()).expect("a certificate");
    native_tls::TlsConnector::builder().add_root_certificate(root).build().expect("TLS")
}

pub const HYPER_TLS: Client = over_hyper_util(Client::new("hyper-tls", |_, trust, proxy| {
    let tls = native_tls(trust).into();
    match proxy {
        None => over(&builder(), hyper_tls::HttpsConnector::from((tcp(), tls))),
        Some(proxy) => {
            over(&builder(), hyper_tls::HttpsConnector::from((Tunnel::new(uri(proxy), tcp()), tls)))
        }
    }
}));

pub const HYPER_TLS_WITNESS: Client = Client {
    hears_the_proxy: true,
    ..over_hyper_util(Client::new("hyper-tls, witness", |_, trust, proxy| {
        let tls = native_tls(trust).into();
        let tcp = StampLayer::tcp().layer(tcp());
        let witness = WitnessLayer::new();
        match proxy {
            None => over(&builder(), witness.layer(hyper_tls::HttpsConnector::from((tcp, tls)))),
            Some(proxy) => {
                let tunnel = ProxyTunnel::new(uri(proxy), tcp).expect("a host");
                over(&builder(), witness.layer(hyper_tls::HttpsConnector::from((tunnel, tls))))
            }
        }
    }))
};

fn openssl(client: Client, trust: &Trust) -> SslConnectorBuilder {
    let mut tls = SslConnector::builder(SslMethod::tls()).expect("TLS");
    let root = openssl::x509::X509::from_pem(trust.pem.as_bytes()).expect("a certificate");
    tls.cert_store_mut().add_cert(root).expect("added");
    if client.http2 {
        tls.set_alpn_protos(b"\x02h2").expect("a protocol");
    }
    tls
}

pub const HYPER_OPENSSL: Client = over_hyper_util(Client::new("hyper-openssl", |client, trust, proxy| {
    use hyper_openssl::client::legacy::HttpsConnector;
    let tls = openssl(client, trust);
    match proxy {
        None => over(&builder(), HttpsConnector::with_connector(tcp(), tls).expect("a connector")),
        Some(proxy) => {
            let tunnel = Tunnel::new(uri(proxy), tcp());
            over(&builder(), HttpsConnector::with_connector(tunnel, tls).expect("a connector"))
        }
    }
}));

pub const HYPER_OPENSSL_WITNESS: Client = Client {
    hears_the_proxy: true,
    ..over_hyper_util(Client::new("hyper-openssl, witness", |client, trust, proxy| {
        use hyper_openssl::client::legacy::HttpsConnector;
        let tls = openssl(client, trust);
        let tcp = StampLayer::tcp().layer(tcp());
        let witness = WitnessLayer::new();
        match proxy {
            None => {
                let https = HttpsConnector::with_connector(tcp, tls).expect("a connector");
                over(&builder(), witness.layer(https))
            }
            Some(proxy) => {
                let tunnel = ProxyTunnel::new(uri(proxy), tcp).expect("a host");
                let https = HttpsConnector::with_connector(tunnel, tls).expect("a connector");
                over(&builder(), witness.layer(https))
            }
        }
    }))
};

pub const HYPER_OPENSSL_HTTP2: Client =
    Client { name: "hyper-openssl h2", http2: true, proxied: false, ..HYPER_OPENSSL };

pub const HYPER_OPENSSL_WITNESS_HTTP2: Client =
    Client { name: "hyper-openssl h2, witness", http2: true, proxied: false, ..HYPER_OPENSSL_WITNESS };

pub const REQWEST12: Client = Client {
    notes_connections: false,
    ..over_hyper_util(Client::new("reqwest 0.12, native", |_, trust, proxy| {
        let root = reqwest12::Certificate::from_pem(trust.pem.as_bytes()).expect("a certificate");
        let builder = reqwest12::Client::builder().use_native_tls().add_root_certificate(root).http1_only();
        finish12(builder, proxy)
    }))
};

pub const REQWEST13: Client = Client {
    notes_connections: false,
    ..over_hyper_util(Client::new("reqwest 0.13, native", |_, trust, proxy| {
        let root = reqwest13::Certificate::from_pem(trust.pem.as_bytes()).expect("a certificate");
        let builder = reqwest13::Client::builder().tls_backend_native().tls_certs_merge([root]).http1_only();
        finish13(builder, proxy)
    }))
};
