//! Buying one server.

use std::fmt;

use bytes::Bytes;
use http::{Extensions, Response};
use ovh_auth::{ApplicationKeys, Endpoint};
use retry_on_tls_eof::{Attempt, RetrySafety};
use rustls::ClientConfig;
use serde::Deserialize;
use serde_json::{Value, json};
use tower::BoxError;

use crate::client::{Client, read};
use crate::look::{Found, Price, Trace};
use crate::stack::{Patience, stack};

pub(crate) const PLAN: &str = "24adv01-v3";
pub(crate) const OPTION: &str = "ram-64g-ecc-2133-24adv01-v3";
pub(crate) const DATACENTER: (&str, &str) = ("dedicated_datacenter", "gra");

/// Buys servers, one after another.
#[derive(Debug)]
pub struct Buyer {
    api: Client,
}

/// What the caller is told of a purchase that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// The order's number.
    pub order: u64,
    /// How that is known.
    pub how: How,
    /// How often the checkout was sent, or tried to be: 1 or more.
    pub attempts: u32,
}

/// How a purchase became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The first attempt was answered.
    AtOnce,
    /// A repeat was answered, after proof that no attempt before it had landed.
    Healed,
    /// An attempt had landed and its answer was lost; the order was found by looking.
    Found,
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::AtOnce => "ordered at once",
            Self::Healed => "healed",
            Self::Found => "found by looking",
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cart {
    cart_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    item_id: u64,
}

#[derive(Deserialize)]
struct Quote {
    prices: Prices,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Prices {
    with_tax: Price,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Placed {
    order_id: u64,
}

impl Buyer {
    /// Buys at `endpoint` as the holder of these keys. `seed` is that of the waits.
    ///
    /// # Errors
    ///
    /// If the patience is out of range.
    pub fn new(
        endpoint: &Endpoint,
        keys: &ApplicationKeys,
        tls: ClientConfig,
        patience: Patience,
        seed: u64,
    ) -> Result<Self, BoxError> {
        Ok(Self { api: stack(endpoint, keys, tls, patience, seed)? })
    }

    /// Fills a cart and checks it out.
    ///
    /// # Errors
    ///
    /// If a call fails. There may be an order if that is the checkout and the error has
    /// [`OutcomeUnknown`](retry_on_tls_eof::OutcomeUnknown) in its chain, or if the checkout was answered with a 408 or 5xx
    /// of which no look could show more, or with a 200 that can't be read: of that the hook is not asked.
    pub async fn buy(&self) -> Result<Purchase, BoxError> {
        let cart = self.fill().await?;
        let checkout = format!("{cart}/checkout");
        // What the order will be recognised by, should its answer be lost: both before the first attempt.
        let quote: Quote = self.api.get(&checkout).await?;
        let known = self.api.get("/me/order").await?;

        let trace = Trace::Order { known, price: quote.prices.with_tax };
        let body = json!({ "autoPayWithPreferredPaymentMethod": false });
        let answer = self.post_once(&checkout, &body, trace).await?;
        let attempts = answer.extensions().get().map_or(1, |attempt: &Attempt| attempt.get());
        let how = match answer.extensions().get() {
            Some(Found) => How::Found,
            None if attempts > 1 => How::Healed,
            None => How::AtOnce,
        };
        Ok(Purchase { order: read::<Placed>(&answer)?.order_id, how, attempts })
    }

    /// Puts a server with an option into a cart of its own, and answers the cart's path.
    async fn fill(&self) -> Result<String, BoxError> {
        // A cart too many is empty, belongs to nobody and expires.
        let made = self.post_often("/order/cart", &json!({ "ovhSubsidiary": "FR" })).await?;
        let cart = format!("/order/cart/{}", read::<Cart>(&made)?.cart_id);

        // An item too many would be bought.
        let item =
            |plan| json!({ "planCode": plan, "duration": "P1M", "pricingMode": "default", "quantity": 1 });
        let trace = Trace::Item { cart: cart.clone(), plan: PLAN };
        let Item { item_id } = read(&self.post_once(&format!("{cart}/eco"), &item(PLAN), trace).await?)?;

        let mut option = item(OPTION);
        option["itemId"] = item_id.into();
        let trace = Trace::Item { cart: cart.clone(), plan: OPTION };
        self.post_once(&format!("{cart}/eco/options"), &option, trace).await?;

        let (label, value) = DATACENTER;
        let item = format!("{cart}/item/{item_id}");
        let path = format!("{item}/configuration");
        let trace = Trace::Configuration { item, label };
        self.post_once(&path, &json!({ "label": label, "value": value }), trace).await?;

        // A cart that is assigned twice is assigned.
        self.post_often(&format!("{cart}/assign"), &Value::Null).await?;
        Ok(cart)
    }

    /// A POST that must not land twice: it is repeated only on proof.
    async fn post_once(&self, path: &str, body: &Value, trace: Trace) -> Result<Response<Bytes>, BoxError> {
        let mut extensions = Extensions::new();
        extensions.insert(trace);
        self.api.post(path, body, extensions).await
    }

    /// A POST that does no harm when it lands twice.
    async fn post_often(&self, path: &str, body: &Value) -> Result<Response<Bytes>, BoxError> {
        let mut extensions = Extensions::new();
        extensions.insert(RetrySafety::Idempotent);
        self.api.post(path, body, extensions).await
    }
}
