//! What a response tells of the quota.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Response, StatusCode};

use super::body::RejectBody;
use crate::admission::Standing;
use crate::error::RateLimited;
use crate::limiter::Limiter;
use crate::quotas::Quotas;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// The problem types that the draft registers (section 5 of version 10).
const TYPE: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";
#[cfg(feature = "redis")]
const OUTAGE: &str = "{\"type\":\"https://iana.org/assignments/http-problem-types#temporary-reduced-capacity\",\
    \"title\":\"Request cannot be satisfied due to temporary server capacity constraints\",\"status\":503}";

/// The two fields, ready to be sent.
#[derive(Debug)]
pub(super) struct Fields {
    policy: HeaderValue,
    limit: HeaderValue,
}

impl Fields {
    pub(super) fn of(name: &Arc<str>, limiter: &Limiter) -> Self {
        let mut limit = String::new();
        let standings = limiter.standings();
        for (index, Standing { free, more }) in standings.iter().enumerate() {
            item(&mut limit, name, index);
            // Writing to a string never fails.
            let _ = write!(limit, ";r={free}");
            if let Some(more) = more {
                let _ = write!(limit, ";t={}", seconds_up(*more));
            }
        }
        Self { policy: value(policy(name, &limiter.quotas())), limit: value(limit) }
    }

    pub(super) fn add_to(self, headers: &mut HeaderMap) {
        headers.insert(POLICY, self.policy);
        headers.insert(LIMIT, self.limit);
    }
}

/// `"default";q=10;w=1`. A window that is no whole number of seconds can't be told, so it isn't.
fn policy(name: &str, quotas: &Quotas) -> String {
    let mut policy = String::new();
    for (index, quota) in quotas.iter().enumerate() {
        item(&mut policy, name, index);
        let _ = write!(policy, ";q={}", quota.n());
        if quota.period().subsec_nanos() == 0 {
            let _ = write!(policy, ";w={}", quota.period().as_secs());
        }
    }
    policy
}

/// Begins another item of a list. Each quota has a name: `"default"`, `"default-2"`, …
fn item(list: &mut String, name: &str, index: usize) {
    let separator = if list.is_empty() { "" } else { ", " };
    let _ = match index {
        0 => write!(list, "{separator}\"{name}\""),
        _ => write!(list, "{separator}\"{name}-{}\"", index + 1),
    };
}

/// Names are checked, and the rest is ASCII.
fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Rounded up: who comes back then is not too early.
fn seconds_up(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0))
}

/// The policies that have no room for a call: a list of names, each in quotes. If all have by now, the first.
fn violated(name: &str, limiter: Option<(&Limiter, u32)>) -> String {
    let mut list = String::new();
    let (standings, cost) = limiter.map_or((Vec::new(), 1), |(limiter, cost)| (limiter.standings(), cost));
    for (index, _) in standings.iter().enumerate().filter(|(_, standing)| standing.free < u64::from(cost)) {
        item(&mut list, name, index);
    }
    if list.is_empty() {
        item(&mut list, name, 0);
    }
    list
}

/// The answer to a call that finds no permit at its limiter, if it has one.
pub(super) fn refusal<B>(
    name: &Arc<str>,
    refused: &RateLimited,
    limiter: Option<(&Limiter, u32)>,
) -> Response<RejectBody<B>> {
    tracing::debug!(%refused, "call rejected");
    #[cfg(feature = "redis")]
    if refused.away().is_some() {
        let json = Bytes::from_static(OUTAGE.as_bytes());
        return problem(StatusCode::SERVICE_UNAVAILABLE, json, Some(refused.retry_after()));
    }
    let violated = violated(name, limiter);
    let json = format!(
        "{{\"type\":\"{TYPE}\",\"title\":\"Request cannot be satisfied as assigned quota has been exceeded\",\
         \"status\":429,\"violated-policies\":[{violated}]}}"
    );
    let retry_after = (!refused.is_never()).then(|| refused.retry_after());
    let mut response = problem(StatusCode::TOO_MANY_REQUESTS, Bytes::from(json), retry_after);
    if let Some((limiter, _)) = limiter {
        Fields::of(name, limiter).add_to(response.headers_mut());
    }
    response
}

fn problem<B>(status: StatusCode, json: Bytes, retry_after: Option<Duration>) -> Response<RejectBody<B>> {
    let mut response = Response::new(RejectBody::problem(json));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Some(after) = retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds_up(after).max(1)));
    }
    response
}
