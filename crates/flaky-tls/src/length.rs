//! The length of a response's body on the wire.

use http::{Method, StatusCode};
use http_body::Body;

/// How many bytes of body follow the head on the wire, where that is known (RFC 9110, section 6.4.1).
pub(crate) fn wire_length<B: Body>(method: &Method, response: &http::Response<B>) -> Option<u64> {
    let status = response.status();
    let bodiless = *method == Method::HEAD
        || status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if bodiless {
        return Some(0);
    }
    let header = response.headers().get(http::header::CONTENT_LENGTH);
    let declared = header.and_then(|value| value.to_str().ok()?.parse().ok());
    declared.or_else(|| response.body().size_hint().exact())
}
