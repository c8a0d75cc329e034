//! What every call passes, whatever its endpoint: counted, throttled, failed, identified; and the answer's last touch.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use tokio::time::Instant;

use crate::answer::{JSON, Refusal};
use crate::draw::uuid;
use crate::fake::{FakeOvh, SEED_OF_FAILURES, SEED_OF_QUERY_IDS};
use crate::identify::{CONSUMER, Caller, Signed, claims, text};
use crate::ledger::Call;

/// The longest request body that is read.
const BODY_LIMIT: usize = 1024 * 1024;

/// Stands for the number of a call that has none.
const TOO_LARGE: u64 = u64::MAX;

/// The API and the scheme under which it is reached.
#[derive(Clone, Debug)]
pub(crate) struct Front {
    pub(crate) api: FakeOvh,
    pub(crate) scheme: &'static str,
}

pub(crate) async fn gate(State(front): State<Front>, request: Request, next: Next) -> Response {
    let Front { api, scheme } = front;
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        // Too long, or the client left: in neither case was a call received.
        return api.finish(Refusal::too_large().into_response(), api.query_id(TOO_LARGE));
    };

    // From here to the answer nothing waits, so no call is received and not answered because its client left.
    let now = Instant::now();
    let below = below(&parts.uri).to_owned();
    let (index, ticket, query_id) = {
        let mut ledger = api.shared.ledger.lock();
        let index = ledger.tally.calls;
        let query_id = api.query_id(index);
        let call = Call {
            at: now,
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().map(str::to_owned),
            authenticated: claims(&parts.headers),
            failure: None,
            status: None,
            query_id: query_id.clone(),
        };
        (index, ledger.received(call, &below), query_id)
    };

    let admitted = api
        .shared
        .windows
        .lock()
        .admit(text(&parts.headers, CONSUMER), now)
        .map_err(|(throttle, wait)| throttle.response(wait, api.shared.clock.unix()));
    let mut failure = None;
    let response = match admitted {
        Err(response) => {
            api.shared.ledger.lock().tally.throttled += 1;
            response
        }
        Ok(()) => {
            let seed = api.shared.settings.read().seed ^ SEED_OF_FAILURES;
            failure = api.shared.failures.lock().pick(&below, seed, index);
            match failure {
                Some(failure) if !failure.is_after() => failure.response(),
                Some(failure) => {
                    api.carry_out(parts, body, &below, scheme, next).await;
                    failure.response()
                }
                None => api.carry_out(parts, body, &below, scheme, next).await,
            }
        }
    };
    let response = api.finish(response, query_id);
    let mut ledger = api.shared.ledger.lock();
    ledger.tally.failures += u64::from(failure.is_some());
    ledger.answered(ticket, response.status(), failure);
    drop(ledger);
    response
}

impl FakeOvh {
    async fn carry_out(
        &self,
        mut parts: Parts,
        body: Bytes,
        below: &str,
        scheme: &'static str,
        next: Next,
    ) -> Response {
        let caller = if is_unsigned(&parts.method, below) {
            Ok(Caller::Nobody)
        } else {
            let url = self.url(&parts.uri, &parts.headers, scheme);
            let (method, headers) = (&parts.method, &parts.headers);
            self.identify(&Signed { method, url: &url, below, headers, body: &body })
        };
        let response = match caller {
            Ok(caller) => {
                parts.extensions.insert(caller);
                next.run(Request::from_parts(parts, Body::from(body))).await
            }
            Err(refusal) => refusal.into_response(),
        };
        if let Some(refusal) = response.extensions().get::<Refusal>() {
            let tally = &mut self.shared.ledger.lock().tally;
            match refusal.code() {
                "INVALID_SIGNATURE" => tally.bad_signatures += 1,
                "QUERY_TIME_OUT" => tally.out_of_time += 1,
                "INVALID_KEY" | "NOT_CREDENTIAL" | "INVALID_CREDENTIAL" | "NOT_GRANTED_CALL"
                | "NOT_AUTHENTICATED" => tally.refused += 1,
                _ => {}
            }
        }
        response
    }

    /// The URL as the client sent it: what was signed.
    fn url(&self, uri: &Uri, headers: &HeaderMap, scheme: &str) -> String {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        if let Some(origin) = &self.shared.settings.read().origin {
            return format!("{origin}{path}");
        }
        match (uri.scheme_str(), uri.authority()) {
            (Some(scheme), Some(authority)) => format!("{scheme}://{authority}{path}"),
            (_, Some(authority)) => format!("{scheme}://{authority}{path}"),
            (_, None) => {
                format!("{scheme}://{}{path}", text(headers, header::HOST.as_str()).unwrap_or_default())
            }
        }
    }

    /// As the real ones look; what their parts mean is unverified.
    fn query_id(&self, index: u64) -> String {
        let seed = self.shared.settings.read().seed;
        let id = uuid(seed ^ SEED_OF_QUERY_IDS, index);
        format!("EU.ext-1.{:x}.{}.{id}", self.shared.clock.unix(), index % 100_000)
    }

    /// Writes the error, if it is one, and the headers that every answer has.
    fn finish(&self, mut response: Response, query_id: String) -> Response {
        if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
            let body = refusal.body(self.shared.settings.read().shape);
            *response.body_mut() = Body::from(body);
            let headers = response.headers_mut();
            headers.remove(header::CONTENT_LENGTH);
            headers.insert(header::CONTENT_TYPE, JSON);
        }
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::try_from(query_id) {
            headers.insert("x-ovh-queryid", value);
        }
        let date = crate::clock::http_date(self.shared.clock.unix());
        if let Some(date) = date.and_then(|date| HeaderValue::try_from(date).ok()) {
            headers.insert(header::DATE, date);
        }
        response
    }
}

/// The path below the version: `/1.0` and its alias `/v1`.
fn below(uri: &Uri) -> &str {
    let path = uri.path();
    ["/1.0", "/v1"]
        .into_iter()
        .find_map(|version| path.strip_prefix(version).filter(|rest| rest.starts_with('/')))
        .unwrap_or(path)
}

/// Where credentials are not looked at, or in a way of the endpoint's own.
fn is_unsigned(method: &Method, below: &str) -> bool {
    matches!(
        (method.as_str(), below),
        (_, "/auth/time" | "/auth/oauth2/token") | ("POST", "/auth/credential")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_no_part_of_the_path() {
        let below = |uri: &str| below(&uri.parse().unwrap()).to_owned();
        assert_eq!(below("/1.0/me?a=b"), "/me");
        assert_eq!(below("https://eu.api.ovh.com/v1/auth/time"), "/auth/time");
        assert_eq!(below("/1.0"), "/1.0");
        assert_eq!(below("/1.01/me"), "/1.01/me");
        assert_eq!(below("/auth/oauth2/token"), "/auth/oauth2/token");
    }
}
