//! `/auth`: the server's time, and consumer keys.

use axum::extract::State;
use axum::{Extension, Router, routing};
use bytes::Bytes;
use http::{HeaderMap, Method};
use serde::Deserialize;
use serde_json::json;

use crate::answer::{Answer, Refusal, ok, parse, raw};
use crate::clock::iso;
use crate::credentials::{AccessRule, CredentialState};
use crate::draw::uuid;
use crate::fake::{FakeOvh, SEED_OF_KEYS};
use crate::identify::{APPLICATION, Account, Caller, invalid_key, text};

pub(crate) fn routes() -> Router<FakeOvh> {
    Router::new()
        .route("/auth/time", routing::get(time))
        .route("/auth/credential", routing::post(ask_credential))
        .route("/auth/currentCredential", routing::get(current_credential))
}

async fn time(State(api): State<FakeOvh>) -> Answer {
    api.shared.ledger.lock().tally.time_fetches += 1;
    Ok(raw(api.shared.clock.unix().to_string()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    access_rules: Vec<AskedRule>,
    redirection: Option<String>,
}

#[derive(Deserialize)]
struct AskedRule {
    method: String,
    path: String,
}

async fn ask_credential(State(api): State<FakeOvh>, headers: HeaderMap, body: Bytes) -> Answer {
    let Some(application) = text(&headers, APPLICATION) else { return Err(Refusal::not_authenticated()) };
    let mut credentials = api.shared.credentials.lock();
    if !credentials.applications.contains_key(application) {
        return Err(invalid_key());
    }
    let Asked { access_rules, redirection } = parse(&body)?;
    let rules = access_rules
        .into_iter()
        .map(|AskedRule { method, path }| {
            let method = Method::from_bytes(method.as_bytes())
                .map_err(|_| Refusal::bad_request(format!("Invalid method: {method}")))?;
            AccessRule::new(method, path).map_err(|error| Refusal::bad_request(error.to_string()))
        })
        .collect::<Result<_, _>>()?;
    let seed = api.shared.settings.read().seed ^ SEED_OF_KEYS;
    let key = uuid(seed, credentials.next()).replace('-', "");
    credentials
        .add_consumer(application, &key, rules, CredentialState::PendingValidation)
        .map_err(|error| Refusal::bad_request(error.to_string()))?;
    let token = uuid(seed, credentials.next()).replace('-', "");
    let back = redirection.map(|to| format!("&redirection={to}")).unwrap_or_default();
    ok(&json!({
        "consumerKey": key,
        "state": CredentialState::PendingValidation.name(),
        "validationUrl": format!("https://eu.api.ovh.com/auth/?credentialToken={token}{back}"),
    }))
}

/// Only for a consumer key: a token has none.
async fn current_credential(
    State(api): State<FakeOvh>,
    _: Account,
    Extension(caller): Extension<Caller>,
) -> Answer {
    let Caller::Consumer { key, .. } = caller else { return Err(Refusal::not_authenticated()) };
    let credentials = api.shared.credentials.lock();
    let Some(consumer) = credentials.consumers.get(&key) else { return Err(Refusal::not_authenticated()) };
    let rules: Vec<_> = consumer
        .rules
        .iter()
        .map(|rule| json!({ "method": rule.method.as_str(), "path": rule.path }))
        .collect();
    ok(&json!({
        "credentialId": consumer.id,
        "applicationId": 1,
        "ovhSupport": false,
        "status": consumer.state.name(),
        "rules": rules,
        "allowedIPs": null,
        "expiration": null,
        "lastUse": iso(api.shared.clock.unix()),
    }))
}
