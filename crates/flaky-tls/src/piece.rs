//! The part of a response's body that is written before a cut in it.

use bytes::Bytes;
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;

use crate::serve::BoxError;

/// The most body bytes written before a cut: one TLS record holds them, and any receive window.
const MOST: usize = 8 * 1024;

/// The first data of a body, and how many bytes of it are to be written: at least one, and not the whole body. `None`
/// if the body can't be cut. `length` is that of the body on the wire, where it is known.
pub(crate) async fn piece(
    body: &mut UnsyncBoxBody<Bytes, BoxError>,
    length: Option<u64>,
) -> Result<Option<(Bytes, usize)>, BoxError> {
    if length.is_some_and(|length| length < 2) {
        return Ok(None);
    }
    let first = loop {
        match body.frame().await.transpose()?.map(http_body::Frame::into_data) {
            Some(Ok(data)) if !data.is_empty() => break data,
            Some(_) => {}
            None => return Ok(None),
        }
    };
    // At least one byte: of a chunk that is one byte long the end is missing.
    let whole = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(first.len());
    let part = (whole / 2).clamp(1, MOST).min(first.len());
    Ok(Some((first, part)))
}
