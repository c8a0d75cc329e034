//! hyper itself over tokio-rustls: a connection for each request.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Uri, header};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tower::{BoxError, Layer, ServiceExt, service_fn};
use wire_fault::StampLayer;

use crate::client::{Client, Transport, erase};
use crate::trust::Trust;

/// That a connect which failed has sent nothing is stated where it is made.
pub const RAW: Client = Client::new("hyper", build);

fn build(client: Client, trust: &Trust, _: Option<&str>) -> Transport {
    let tls = TlsConnector::from(Arc::new(trust.config(Some(client.protocol()))));
    let connect = StampLayer::connector().layer(service_fn(move |uri: Uri| {
        let tls = tls.clone();
        async move {
            let host = uri.host().unwrap_or_default();
            let tcp = TcpStream::connect((host, uri.port_u16().unwrap_or(443))).await?;
            tcp.set_nodelay(true)?;
            let name = host.to_owned().try_into().map_err(io::Error::other)?;
            tls.connect(name, tcp).await
        }
    }));
    erase(service_fn(move |mut request: Request<Full<Bytes>>| {
        let connect = connect.clone();
        async move {
            let uri = request.uri().clone();
            let host = uri.authority().map_or("", |authority| authority.as_str());
            request.headers_mut().insert(header::HOST, HeaderValue::from_str(host)?);
            *request.uri_mut() = Uri::from_static("/");
            let tls = connect.oneshot(uri).await?;
            let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tls)).await?;
            // Its error is the request's as well.
            tokio::spawn(connection);
            Ok::<_, BoxError>(sender.send_request(request).await?)
        }
    }))
}
