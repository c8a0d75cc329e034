//! `/order/cart/{cartId}`: items, options and configuration. None of it needs an account.

use axum::extract::{Path, RawQuery, State};
use axum::{Router, routing};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::{Answer, Refusal, nothing, ok, parse};
use crate::cart::{CartItem, Configuration, option_cents};
use crate::fake::FakeOvh;
use crate::hardware::{DATACENTERS, plan};
use crate::price::TERMS;
use crate::query::{first, pairs};
use crate::shop::gone;

pub(crate) fn routes() -> Router<FakeOvh> {
    Router::new()
        .route("/order/cart/{cart}/eco", routing::post(add_item))
        .route("/order/cart/{cart}/eco/options", routing::post(add_option))
        .route("/order/cart/{cart}/item", routing::get(items))
        .route("/order/cart/{cart}/item/{item}", routing::get(read_item).delete(delete_item))
        .route("/order/cart/{cart}/item/{item}/configuration", routing::get(configurations).post(configure))
        .route(
            "/order/cart/{cart}/item/{item}/configuration/{configuration}",
            routing::get(read_configuration),
        )
        .route("/order/cart/{cart}/item/{item}/requiredConfiguration", routing::get(required_configuration))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Add {
    plan_code: String,
    duration: String,
    pricing_mode: String,
    quantity: u32,
    item_id: Option<u64>,
}

impl Add {
    /// The messages are made up.
    fn check(&self) -> Result<(), Refusal> {
        let Self { duration, pricing_mode, quantity, .. } = self;
        if !TERMS.iter().any(|(mode, term, _)| mode == pricing_mode && term == duration) {
            return Err(Refusal::bad_request(format!("Invalid duration {duration} for {pricing_mode}")));
        }
        if !(1..=100).contains(quantity) {
            return Err(Refusal::bad_request(format!("Invalid quantity: {quantity}")));
        }
        Ok(())
    }
}

/// Adds an item each time it is called.
async fn add_item(State(api): State<FakeOvh>, Path(cart): Path<String>, body: Bytes) -> Answer {
    let add: Add = parse(&body)?;
    add.check()?;
    plan(&add.plan_code).ok_or_else(|| gone("planCode", &add.plan_code))?;
    push(&api, &cart, add, None)
}

async fn add_option(State(api): State<FakeOvh>, Path(cart): Path<String>, body: Bytes) -> Answer {
    let add: Add = parse(&body)?;
    add.check()?;
    let Some(parent) = add.item_id else { return Err(Refusal::bad_request("Missing parameter: itemId")) };
    {
        let mut shop = api.shared.shop.lock();
        let item = shop.cart(&cart, api.time())?.item(&parent.to_string())?;
        let sold = plan(&item.plan_code).and_then(|plan| option_cents(plan, &add.plan_code));
        sold.ok_or_else(|| gone("planCode", &add.plan_code))?;
    }
    push(&api, &cart, add, Some(parent))
}

fn push(api: &FakeOvh, cart: &str, add: Add, option_of: Option<u64>) -> Answer {
    let Add { plan_code, duration, pricing_mode, quantity, .. } = add;
    let mut shop = api.shared.shop.lock();
    shop.cart(cart, api.time())?;
    let id = shop.next_id();
    let cart = shop.cart(cart, api.time())?;
    let configuration = Vec::new();
    let item = CartItem { id, plan_code, duration, pricing_mode, quantity, option_of, configuration };
    cart.items.push(item.clone());
    ok(&cart.item_json(&item))
}

async fn items(State(api): State<FakeOvh>, Path(cart): Path<String>) -> Answer {
    let mut shop = api.shared.shop.lock();
    ok(&shop.cart(&cart, api.time())?.items.iter().map(|item| item.id).collect::<Vec<_>>())
}

async fn read_item(State(api): State<FakeOvh>, Path((cart, item)): Path<(String, String)>) -> Answer {
    let mut shop = api.shared.shop.lock();
    let cart = shop.cart(&cart, api.time())?;
    let item = cart.item(&item)?.clone();
    ok(&cart.item_json(&item))
}

/// Its options go with it.
async fn delete_item(State(api): State<FakeOvh>, Path((cart, item)): Path<(String, String)>) -> Answer {
    let mut shop = api.shared.shop.lock();
    let cart = shop.cart(&cart, api.time())?;
    let id = cart.item(&item)?.id;
    cart.items.retain(|item| item.id != id && item.option_of != Some(id));
    nothing()
}

#[derive(Deserialize)]
struct Configure {
    label: String,
    value: String,
}

/// Takes any label and any value: the checkout refuses them.
async fn configure(
    State(api): State<FakeOvh>,
    Path((cart, item)): Path<(String, String)>,
    body: Bytes,
) -> Answer {
    let Configure { label, value } = parse(&body)?;
    let mut shop = api.shared.shop.lock();
    shop.cart(&cart, api.time())?.item(&item)?;
    let id = shop.next_id();
    let configuration = Configuration { id, label, value };
    let json = configuration.json();
    shop.cart(&cart, api.time())?.item(&item)?.configuration.push(configuration);
    ok(&json)
}

async fn configurations(
    State(api): State<FakeOvh>,
    Path((cart, item)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Answer {
    let pairs = pairs(query.unwrap_or_default().as_bytes());
    let fits = |one: &&Configuration| first(&pairs, "label").is_none_or(|label| one.label == label);
    let mut shop = api.shared.shop.lock();
    let item = shop.cart(&cart, api.time())?.item(&item)?;
    ok(&item.configuration.iter().filter(fits).map(|one| one.id).collect::<Vec<_>>())
}

async fn read_configuration(
    State(api): State<FakeOvh>,
    Path((cart, item, configuration)): Path<(String, String, String)>,
) -> Answer {
    let mut shop = api.shared.shop.lock();
    let item = shop.cart(&cart, api.time())?.item(&item)?;
    let found = item.configuration.iter().find(|one| one.id.to_string() == configuration);
    ok(&found.ok_or_else(|| gone("configurationId", &configuration))?.json())
}

impl Configuration {
    fn json(&self) -> Value {
        json!({ "id": self.id, "label": self.label, "value": self.value })
    }
}

/// With the two untruths of the real one: the datacenter is said to be optional and the checkout refuses without it, the
/// region to be mandatory and the checkout does not miss it.
async fn required_configuration(
    State(api): State<FakeOvh>,
    Path((cart, item)): Path<(String, String)>,
) -> Answer {
    let mut shop = api.shared.shop.lock();
    let item = shop.cart(&cart, api.time())?.item(&item)?;
    if item.option_of.is_some() {
        return ok(&json!([]));
    }
    let one = |label: &str, required: bool, values: Value| json!({ "label": label, "required": required, "type": "String", "fields": null, "allowedValues": values });
    ok(&json!([
        one("dedicated_datacenter", false, json!(DATACENTERS)),
        one("dedicated_os", true, json!(["none_64.en"])),
        one("region", true, json!(["canada", "europe"])),
    ]))
}
