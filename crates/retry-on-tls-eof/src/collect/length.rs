//! How long a response says its body is.

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Method, StatusCode, response};
use http_body::Body;

/// Whether a request can be answered with a body at all (RFC 9112, section 6.3).
pub(super) fn can_have_body(method: &Method) -> bool {
    method != Method::HEAD && method != Method::CONNECT
}

/// The least number of bytes that the body must have, as far as it is told.
///
/// The body's own word comes first: a layer below that decodes it gives it another length, and knows. The header is asked
/// only where the body says nothing, and where nothing shows that it speaks of another form of it.
pub(super) fn announced<B: Body>(head: &response::Parts, body: &B) -> u64 {
    if head.status.is_informational()
        || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
    {
        return 0;
    }
    let hint = body.size_hint();
    let silent = hint.lower() == 0 && hint.upper().is_none();
    if silent { content_length(&head.headers).unwrap_or(0) } else { hint.lower() }
}

/// `None` if there is none, or if what there is can't be relied on.
fn content_length(headers: &HeaderMap) -> Option<u64> {
    if headers.contains_key(TRANSFER_ENCODING) || headers.contains_key(CONTENT_ENCODING) {
        return None;
    }
    let mut values = headers.get_all(CONTENT_LENGTH).iter();
    let first = values.next()?;
    let length = first.to_str().ok()?.parse().ok()?;
    values.all(|value| value == first).then_some(length)
}
