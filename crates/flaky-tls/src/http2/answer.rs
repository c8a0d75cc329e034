//! Sends the answer of one stream.

use std::future::poll_fn;

use bytes::Bytes;
use h2::SendStream;
use h2::server::SendResponse;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt as _;

use crate::serve::BoxError;
use crate::served::Erased;

/// The headers that HTTP/2 does not have (RFC 9113, section 8.2.2).
const OF_HTTP1: [HeaderName; 5] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Why an answer was not sent.
pub(crate) enum Unsent {
    /// Its body failed.
    Service(BoxError),
    /// The stream is gone.
    Stream,
}

impl From<h2::Error> for Unsent {
    fn from(_: h2::Error) -> Self {
        Self::Stream
    }
}

/// Sends the whole answer.
pub(crate) async fn answer(
    mut respond: SendResponse<Bytes>,
    response: Erased,
    length: Option<u64>,
) -> Result<(), Unsent> {
    let (mut parts, mut body) = fit(response).into_parts();
    if let Some(length) = length.filter(|length| *length > 0) {
        parts.headers.entry(header::CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
    let end = length == Some(0) || body.is_end_stream();
    let mut stream = respond.send_response(Response::from_parts(parts, ()), end)?;
    if end {
        return Ok(());
    }
    while let Some(frame) = body.frame().await {
        match frame.map_err(Unsent::Service)?.into_data() {
            Ok(data) => {
                let end = body.is_end_stream();
                send(&mut stream, data, end).await?;
                if end {
                    return Ok(());
                }
            }
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    return Ok(stream.send_trailers(trailers)?);
                }
            }
        }
    }
    Ok(stream.send_data(Bytes::new(), true)?)
}

/// Hands data to h2 as the client makes room for it.
async fn send(stream: &mut SendStream<Bytes>, mut data: Bytes, end: bool) -> Result<(), Unsent> {
    loop {
        let mut room = 0;
        if !data.is_empty() {
            stream.reserve_capacity(data.len());
            room = poll_fn(|cx| stream.poll_capacity(cx)).await.ok_or(Unsent::Stream)??;
        }
        let part = data.split_to(room.min(data.len()));
        let last = data.is_empty();
        stream.send_data(part, end && last)?;
        if last {
            return Ok(());
        }
    }
}

/// Without the headers that HTTP/2 does not have.
pub(crate) fn fit(mut response: Erased) -> Erased {
    for name in OF_HTTP1 {
        response.headers_mut().remove(name);
    }
    response
}

/// The answer to a request whose body is longer than the limit: it was not read in full, and does not count.
pub(crate) fn too_large(respond: &mut SendResponse<Bytes>) {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    // Fails only where the stream is gone. When it is dropped, h2 asks the client to stop, by NO_ERROR.
    let _ = respond.send_response(response, true);
}
