//! `/me`: the account and its orders.

use axum::extract::{Path, RawQuery, State};
use axum::{Router, routing};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::{Answer, Refusal, nothing, ok, parse};
use crate::clock::from_iso;
use crate::fake::FakeOvh;
use crate::identify::Account;
use crate::query::{first, pairs};

pub(crate) fn routes() -> Router<FakeOvh> {
    Router::new()
        .route("/me", routing::get(me))
        .route("/me/order", routing::get(orders))
        .route("/me/order/{order}", routing::get(read))
        .route("/me/order/{order}/status", routing::get(status))
        .route("/me/order/{order}/pay", routing::post(pay))
        .route("/me/order/{order}/payWithRegisteredPaymentMean", routing::post(pay_with_mean))
}

async fn me(_: Account) -> Answer {
    ok(&json!({
        "nichandle": "fk12345-ovh",
        "customerCode": "1234-5678-90",
        "email": "fake@example.com",
        "firstname": "Fanny",
        "name": "Fake",
        "country": "FR",
        "language": "en_GB",
        "ovhCompany": "ovh",
        "ovhSubsidiary": "FR",
        "currency": { "code": "EUR", "symbol": "€" },
        "legalform": "individual",
        "state": "complete",
        "isTrusted": false,
    }))
}

async fn orders(State(api): State<FakeOvh>, _: Account, RawQuery(query): RawQuery) -> Answer {
    let pairs = pairs(query.unwrap_or_default().as_bytes());
    let bound = |name| match first(&pairs, name) {
        None => Ok(None),
        Some(text) => {
            from_iso(text).map(Some).ok_or_else(|| Refusal::bad_request(format!("Invalid {name}: {text}")))
        }
    };
    let (from, to) = (bound("date.from")?, bound("date.to")?);
    let shop = api.shared.shop.lock();
    let fits = |at: i64| from.is_none_or(|from| from <= at) && to.is_none_or(|to| at <= to);
    ok(&shop.orders().iter().filter(|order| fits(order.at)).map(|order| order.id).collect::<Vec<_>>())
}

async fn read(State(api): State<FakeOvh>, _: Account, Path(order): Path<String>) -> Answer {
    ok(&api.shared.shop.lock().find_order(&order)?.json())
}

async fn status(State(api): State<FakeOvh>, _: Account, Path(order): Path<String>) -> Answer {
    ok(&api.shared.shop.lock().find_order(&order)?.status())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pay {
    #[serde(rename = "paymentMethod")]
    _payment_method: Value,
}

async fn pay(State(api): State<FakeOvh>, _: Account, Path(order): Path<String>, body: Bytes) -> Answer {
    parse::<Pay>(&body)?;
    charge(&api, &order)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PayWithMean {
    #[serde(rename = "paymentMean")]
    _payment_mean: String,
}

async fn pay_with_mean(
    State(api): State<FakeOvh>,
    _: Account,
    Path(order): Path<String>,
    body: Bytes,
) -> Answer {
    parse::<PayWithMean>(&body)?;
    charge(&api, &order)
}

/// Charges each time it is called.
fn charge(api: &FakeOvh, order: &str) -> Answer {
    api.shared.shop.lock().find_order(order)?.charges += 1;
    nothing()
}
