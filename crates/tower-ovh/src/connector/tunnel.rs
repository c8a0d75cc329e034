//! A tunnel through a proxy, by `CONNECT` ([RFC 9110, 9.3.6](https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6)).
//!
//! hyper-util has one, too, but throws the proxy's status away: 403 and 503 are one error there, and only one of the two
//! heals.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use http::header::{HOST, PROXY_AUTHORIZATION};
use http::{HeaderValue, Method, Request, Uri};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use hyper_util::client::proxy::matcher::Intercept;

use super::proxy_error::ProxyError;

/// The most that a proxy's answer may hold, head and all: hyper's smallest is 8 KiB.
const LONGEST_HEAD: usize = 16 * 1024;

/// Asks the proxy at the other end of `io` for a tunnel to the destination. Answers with `io`, which then is the tunnel.
pub(super) async fn open<T>(io: T, proxy: &Intercept, destination: &Uri) -> Result<T, ProxyError>
where
    T: Read + Write + Unpin + Send + 'static,
{
    let broken = |error| ProxyError::broken(proxy.uri(), destination, error);
    let (mut sender, mut connection) =
        http1::Builder::new().max_buf_size(LONGEST_HEAD).handshake(io).await.map_err(broken)?;
    let mut answer = pin!(sender.send_request(request(proxy, destination)));

    // Both at once: the request moves only while the connection is polled.
    let mut done = false;
    let response = poll_fn(|cx| {
        let driven = if done { Poll::Pending } else { connection.poll_without_shutdown(cx) };
        if let Poll::Ready(response) = answer.as_mut().poll(cx) {
            return Poll::Ready(response);
        }
        match driven {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) => {
                done = true;
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    })
    .await
    .map_err(broken)?;

    if !response.status().is_success() {
        return Err(ProxyError::answered(proxy.uri(), destination, response.status()));
    }
    let parts = connection.into_parts();
    if parts.read_buf.is_empty() {
        Ok(parts.io)
    } else {
        Err(ProxyError::spoke_first(proxy.uri(), destination))
    }
}

fn request(proxy: &Intercept, destination: &Uri) -> Request<Empty<Bytes>> {
    let host = destination.host().unwrap_or_default();
    let port = destination.port_u16().unwrap_or(443);
    let target = format!("{host}:{port}");
    let mut request = Request::new(Empty::new());
    *request.method_mut() = Method::CONNECT;
    // Both were parts of a URL, and so are an authority.
    if let Ok(uri) = target.parse() {
        *request.uri_mut() = uri;
    }
    if let Ok(host) = HeaderValue::from_str(&target) {
        request.headers_mut().insert(HOST, host);
    }
    if let Some(credentials) = proxy.basic_auth() {
        let mut credentials = credentials.clone();
        credentials.set_sensitive(true);
        request.headers_mut().insert(PROXY_AUTHORIZATION, credentials);
    }
    request
}
