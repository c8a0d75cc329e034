//! A part of a response, as bytes: what is written before a cut in the head or in the body.

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderValue, Response, Version, header, response};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;

use crate::serve::BoxError;

/// The most body bytes written before a cut: one TLS record holds them, and any receive window.
const MOST: usize = 8 * 1024;

/// The first half of the head.
pub(crate) fn of_head(parts: &response::Parts, length: Option<u64>) -> Bytes {
    let mut head = head(parts, length);
    head.truncate(head.len() / 2);
    head.freeze()
}

/// The head and a part of the body; or the response again, if its body can't be cut. `length` is that of the body on
/// the wire, where it is known.
pub(crate) async fn of_body(
    response: Response<UnsyncBoxBody<Bytes, BoxError>>,
    version: Version,
    length: Option<u64>,
) -> Result<Result<Bytes, Response<UnsyncBoxBody<Bytes, BoxError>>>, BoxError> {
    let chunked = length.is_none();
    if length.is_some_and(|length| length < 2) || (chunked && version < Version::HTTP_11) {
        return Ok(Err(response));
    }
    let (parts, mut body) = response.into_parts();
    let first = loop {
        match body.frame().await.transpose()?.map(http_body::Frame::into_data) {
            Some(Ok(data)) if !data.is_empty() => break data,
            Some(_) => {}
            None => return Ok(Err(Response::from_parts(parts, body))),
        }
    };
    let mut bytes = head(&parts, length);
    // At least one byte: of a chunk that is one byte long the end is missing.
    let whole = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(first.len());
    let part = (whole / 2).clamp(1, MOST).min(first.len());
    if chunked {
        bytes.put_slice(format!("{:x}\r\n", first.len()).as_bytes());
    }
    bytes.put_slice(&first[..part]);
    Ok(Ok(bytes.freeze()))
}

/// The whole head, with the framing header that hyper would add.
fn head(parts: &response::Parts, length: Option<u64>) -> BytesMut {
    let mut head = BytesMut::new();
    let reason = parts.status.canonical_reason().unwrap_or_default();
    head.put_slice(format!("HTTP/1.1 {} {reason}\r\n", parts.status.as_str()).as_bytes());
    let mut line = |name: &header::HeaderName, value: &HeaderValue| {
        head.put_slice(name.as_str().as_bytes());
        head.put_slice(b": ");
        head.put_slice(value.as_bytes());
        head.put_slice(b"\r\n");
    };
    for (name, value) in &parts.headers {
        line(name, value);
    }
    match length {
        Some(length) if !parts.headers.contains_key(header::CONTENT_LENGTH) => {
            line(&header::CONTENT_LENGTH, &HeaderValue::from(length));
        }
        None if !parts.headers.contains_key(header::TRANSFER_ENCODING) => {
            line(&header::TRANSFER_ENCODING, &HeaderValue::from_static("chunked"));
        }
        _ => {}
    }
    head.put_slice(b"\r\n");
    head
}
