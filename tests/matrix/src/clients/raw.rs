//! hyper itself over tokio-rustls: a connection for each request.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
use wire_fault::{Mark, StampLayer};

use crate::client::{Client, Transport, erase};
use crate::trust::Trust;

type Connection = TokioIo<TlsStream<TcpStream>>;
type Answer = Result<Response<Incoming>, BoxError>;

/// That a connect which failed has sent nothing is stated where it is made.
pub const RAW: Client = Client::new("hyper", |client, trust, _| over(client, trust, http1));

/// Its connection's error is dropped; that the other is the request's is stated where it is had.
pub const RAW_HTTP2: Client =
    Client { http2: true, ..Client::new("hyper h2", |client, trust, _| over(client, trust, http2)) };

/// The connection is driven beside the request, and its error is the call's. Nothing is stated of it.
pub const RAW_HTTP2_SELECTED: Client = Client {
    http2: true,
    shows_connections: true,
    ..Client::new("hyper h2, selected", |client, trust, _| over(client, trust, http2_selected))
};

fn over<F, R>(client: Client, trust: &Trust, send: F) -> Transport
where
    F: Fn(Connection, Request<Full<Bytes>>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Answer> + Send + 'static,
{
    let connect = connector(client, trust);
    erase(service_fn(move |request: Request<Full<Bytes>>| {
        let (connect, send) = (connect.clone(), send.clone());
        async move { send(connect.oneshot(request.uri().clone()).await?, request).await }
    }))
}

fn connector(
    client: Client,
    trust: &Trust,
) -> impl Service<Uri, Response = Connection, Error = BoxError, Future: Send> + Clone + Send + 'static {
    let tls = TlsConnector::from(Arc::new(trust.config(Some(client.protocol()))));
    StampLayer::connector().layer(service_fn(move |uri: Uri| {
        let tls = tls.clone();
        async move {
            let host = uri.host().unwrap_or_default();
            let tcp = TcpStream::connect((host, uri.port_u16().unwrap_or(443))).await?;
            tcp.set_nodelay(true)?;
            let name = host.to_owned().try_into().map_err(io::Error::other)?;
            Ok::<_, io::Error>(TokioIo::new(tls.connect(name, tcp).await?))
        }
    }))
}

async fn http1(io: Connection, mut request: Request<Full<Bytes>>) -> Answer {
    let host = request.uri().authority().map_or("", |authority| authority.as_str());
    let host = HeaderValue::from_str(host)?;
    request.headers_mut().insert(header::HOST, host);
    *request.uri_mut() = Uri::from_static("/");
    let (mut sender, connection) = http1::handshake(io).await?;
    // Its error is the request's as well.
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}

async fn http2(io: Connection, request: Request<Full<Bytes>>) -> Answer {
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
    tokio::spawn(connection);
    Ok(sender.send_request(request).await.map_err(Mark::of_request)?)
}

async fn http2_selected(io: Connection, request: Request<Full<Bytes>>) -> Answer {
    let (mut sender, mut connection) = http2::handshake(TokioExecutor::new(), io).await?;
    let mut sending = pin!(sender.send_request(request));
    let response = tokio::select! {
        biased;
        ended = &mut connection => {
            ended?;
            return Ok(sending.await?);
        }
        response = &mut sending => response?,
    };
    tokio::spawn(connection);
    Ok(response)
}
