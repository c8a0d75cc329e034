//! The id that OVHcloud's support asks for.

use http::HeaderMap;
use wire_fault::QueryId;

/// The `X-Ovh-Queryid` of a response, which every answer of the API carries: keep it in errors and logs.
///
/// ```
/// let mut headers = http::HeaderMap::new();
/// assert_eq!(ovh_auth::query_id(&headers), None);
/// headers.insert("X-Ovh-Queryid", "EU.ext-3.5d5e6b3d.1234.abcd".parse().unwrap());
/// assert_eq!(ovh_auth::query_id(&headers), Some("EU.ext-3.5d5e6b3d.1234.abcd"));
/// ```
#[must_use]
pub fn query_id(headers: &HeaderMap) -> Option<&str> {
    headers.get(QueryId::HEADER)?.to_str().ok()
}
