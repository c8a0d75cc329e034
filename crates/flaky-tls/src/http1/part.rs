//! A part of a response, as bytes: what is written before a cut in the head or in the body.

use crate::desk;
use crate::piece::piece;
use crate::serve::BoxError;
use crate::served::Erased;
use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderValue, Response, StatusCode, Version, header, response};

/// The first half of the head.
pub(crate) fn of_head(parts: &response::Parts, length: Option<u64>) -> Bytes {
    let mut head = head(parts, length);
    head.truncate(head.len() / 2);
    head.freeze()
}

/// The head and a part of the body; or the response again, if its body can't be cut. `length` is that of the body on
/// the wire, where it is known.
pub(crate) async fn of_body(
    response: Erased,
    version: Version,
    length: Option<u64>,
    framed: bool,
) -> Result<Result<Bytes, Erased>, BoxError> {
    let chunked = framed && length.is_none();
    if chunked && version < Version::HTTP_11 {
        return Ok(Err(response));
    }
    let (parts, mut body) = response.into_parts();
    let Some((first, part)) = piece(&mut body, length).await? else {
        return Ok(Err(Response::from_parts(parts, body)));
    };
    let mut bytes = if framed { head(&parts, length) } else { unframed_head(parts) };
    if chunked {
        bytes.put_slice(format!("{:x}\r\n", first.len()).as_bytes());
    }
    bytes.put_slice(&first[..part]);
    Ok(Ok(bytes.freeze()))
}

/// A whole answer, given before the request was read.
pub(crate) fn early(status: StatusCode) -> Bytes {
    let (mut parts, body) = desk::early(status);
    parts.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    let mut bytes = head(&parts, Some(body.len() as u64));
    bytes.put_slice(&body);
    bytes.freeze()
}

/// The whole head of a body that the end of the connection ends.
fn unframed_head(mut parts: response::Parts) -> BytesMut {
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.remove(header::TRANSFER_ENCODING);
    parts.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    lines(&parts)
}

/// The whole head, with the framing header that hyper would add.
fn head(parts: &response::Parts, length: Option<u64>) -> BytesMut {
    let mut head = lines(parts);
    head.truncate(head.len() - 2);
    match length {
        Some(length) if !parts.headers.contains_key(header::CONTENT_LENGTH) => {
            line(&mut head, &header::CONTENT_LENGTH, &HeaderValue::from(length));
        }
        None if !parts.headers.contains_key(header::TRANSFER_ENCODING) => {
            line(&mut head, &header::TRANSFER_ENCODING, &HeaderValue::from_static("chunked"));
        }
        _ => {}
    }
    head.put_slice(b"\r\n");
    head
}

/// The head as it is, with the empty line at its end.
fn lines(parts: &response::Parts) -> BytesMut {
    let mut head = BytesMut::new();
    let reason = parts.status.canonical_reason().unwrap_or_default();
    head.put_slice(format!("HTTP/1.1 {} {reason}\r\n", parts.status.as_str()).as_bytes());
    for (name, value) in &parts.headers {
        line(&mut head, name, value);
    }
    head.put_slice(b"\r\n");
    head
}

fn line(head: &mut BytesMut, name: &header::HeaderName, value: &HeaderValue) {
    head.put_slice(name.as_str().as_bytes());
    head.put_slice(b": ");
    head.put_slice(value.as_bytes());
    head.put_slice(b"\r\n");
}
