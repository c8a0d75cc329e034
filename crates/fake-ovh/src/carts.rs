//! `/order/cart`: carts, and what may be put into them. Only listing, deleting and assigning need an account.

use axum::extract::{Path, RawQuery, State};
use axum::{Router, routing};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::{Answer, Refusal, nothing, ok, parse};
use crate::cart::Cart;
use crate::clock::from_iso;
use crate::draw::uuid;
use crate::fake::{FakeOvh, SEED_OF_CARTS};
use crate::hardware::{PLANS, plan};
use crate::identify::Account;
use crate::price::{TERMS, currency, price};
use crate::query::{first, pairs, required};
use crate::shop::gone;

const DAY: i64 = 24 * 60 * 60;

pub(crate) fn routes() -> Router<FakeOvh> {
    Router::new()
        .route("/order/cart", routing::get(list).post(create))
        .route("/order/cart/{cart}", routing::get(read).delete(delete))
        .route("/order/cart/{cart}/assign", routing::post(assign))
        .route("/order/cart/{cart}/eco", routing::get(offers))
        .route("/order/cart/{cart}/eco/options", routing::get(option_offers))
}

async fn list(State(api): State<FakeOvh>, _: Account, RawQuery(query): RawQuery) -> Answer {
    let pairs = pairs(query.unwrap_or_default().as_bytes());
    let (wanted, now) = (first(&pairs, "description"), api.time());
    let shop = api.shared.shop.lock();
    let fits = |cart: &&Cart| {
        cart.assigned
            && now < cart.expires
            && wanted.is_none_or(|text| cart.description.as_deref() == Some(text))
    };
    ok(&shop.carts().iter().filter(fits).map(|cart| &cart.id).collect::<Vec<_>>())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    ovh_subsidiary: String,
    description: Option<String>,
    expire: Option<String>,
}

async fn create(State(api): State<FakeOvh>, body: Bytes) -> Answer {
    let Create { ovh_subsidiary: subsidiary, description, expire } = parse(&body)?;
    let Some(currency) = currency(&subsidiary) else {
        return Err(Refusal::bad_request(format!("Invalid ovhSubsidiary: {subsidiary}")));
    };
    let expires = match expire {
        None => api.time().saturating_add(DAY),
        Some(text) => {
            from_iso(&text).ok_or_else(|| Refusal::bad_request(format!("Invalid expire: {text}")))?
        }
    };
    let mut shop = api.shared.shop.lock();
    let id = uuid(api.shared.settings.read().seed ^ SEED_OF_CARTS, shop.made);
    let cart = Cart {
        id,
        subsidiary,
        description,
        expires,
        assigned: false,
        items: Vec::new(),
        orders: Vec::new(),
        currency,
    };
    let json = cart.json();
    shop.add_cart(cart);
    ok(&json)
}

async fn read(State(api): State<FakeOvh>, Path(cart): Path<String>) -> Answer {
    ok(&api.shared.shop.lock().cart(&cart, api.time())?.json())
}

async fn delete(State(api): State<FakeOvh>, _: Account, Path(cart): Path<String>) -> Answer {
    api.shared.shop.lock().delete_cart(&cart, api.time())?;
    nothing()
}

async fn assign(State(api): State<FakeOvh>, _: Account, Path(cart): Path<String>) -> Answer {
    api.shared.shop.lock().cart(&cart, api.time())?.assigned = true;
    nothing()
}

async fn offers(State(api): State<FakeOvh>, Path(cart): Path<String>, RawQuery(query): RawQuery) -> Answer {
    let pairs = pairs(query.unwrap_or_default().as_bytes());
    let wanted = |name, value: &str| first(&pairs, name).is_none_or(|wanted| wanted == value);
    let mut shop = api.shared.shop.lock();
    let cart = shop.cart(&cart, api.time())?;
    let offers: Vec<_> = PLANS
        .iter()
        .filter(|plan| wanted("planCode", &plan.code) && wanted("family", plan.family))
        .map(|plan| {
            json!({
                "planCode": plan.code,
                "productId": "eco",
                "productName": plan.name,
                "productType": "delivery",
                "prices": prices(plan.monthly, Some(plan.monthly), cart.currency),
            })
        })
        .collect();
    ok(&offers)
}

async fn option_offers(
    State(api): State<FakeOvh>,
    Path(cart): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let pairs = pairs(query.unwrap_or_default().as_bytes());
    let code = required(&pairs, "planCode")?;
    let mut shop = api.shared.shop.lock();
    let cart = shop.cart(&cart, api.time())?;
    let plan = plan(code).ok_or_else(|| gone("planCode", code))?;
    let offers: Vec<_> = plan
        .options()
        .filter(|(family, ..)| first(&pairs, "family").is_none_or(|wanted| wanted == *family))
        .map(|(family, code, cents)| {
            json!({
                "family": family,
                "mandatory": true,
                "exclusive": true,
                "planCode": code,
                "productId": "eco",
                "productName": code,
                "productType": "delivery",
                "prices": prices(cents, None, cart.currency),
            })
        })
        .collect();
    ok(&offers)
}

fn prices(monthly: u32, installation: Option<u32>, currency: &str) -> Vec<Value> {
    let one = |capacity: &str, duration: &str, mode: &str, months: u32, cents: u64| {
        json!({
            "capacities": [capacity],
            "duration": duration,
            "interval": months,
            "pricingMode": mode,
            "pricingType": "rental",
            "minimumQuantity": 1,
            "maximumQuantity": 100,
            "minimumRepeat": 1,
            "maximumRepeat": null,
            "price": price(cents, currency),
            // In hundred-millionths.
            "priceInUcents": cents * 1_000_000,
        })
    };
    TERMS
        .iter()
        .flat_map(|(mode, duration, months)| {
            let installation = installation.map(|cents| one("installation", "P0D", mode, 0, cents.into()));
            let renewal = u64::from(monthly) * u64::from(*months);
            installation.into_iter().chain([one("renew", duration, mode, *months, renewal)])
        })
        .collect()
}
