//! `/order/cart/{cartId}/checkout`: what it would cost, and buying it.

use axum::extract::{Path, State};
use axum::{Router, routing};
use bytes::Bytes;
use serde::Deserialize;

use crate::answer::{Answer, ok, parse_or_default};
use crate::fake::FakeOvh;
use crate::identify::Account;
use crate::order::Quote;

pub(crate) fn routes() -> Router<FakeOvh> {
    Router::new().route("/order/cart/{cart}/checkout", routing::get(preview).post(checkout))
}

async fn preview(State(api): State<FakeOvh>, _: Account, Path(cart): Path<String>) -> Answer {
    let mut shop = api.shared.shop.lock();
    let cart = shop.cart(&cart, api.time())?;
    ok(&Quote::of(cart)?.json(cart.currency, None))
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Checkout {
    auto_pay_with_preferred_payment_method: bool,
}

/// Makes an order each time it is called, of the same cart too, as the real one does.
async fn checkout(State(api): State<FakeOvh>, _: Account, Path(cart): Path<String>, body: Bytes) -> Answer {
    let Checkout { auto_pay_with_preferred_payment_method: paid } = parse_or_default(&body)?;
    let now = api.time();
    let mut shop = api.shared.shop.lock();
    let quote = Quote::of(shop.cart(&cart, now)?)?;
    let order = shop.order(&cart, now, quote.cents, u32::from(paid))?;
    ok(&quote.json(order.currency, Some(order)))
}
