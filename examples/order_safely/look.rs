//! The hook: looks at the server whether a call has landed whose answer was lost.
//!
//! # How an order is recognised
//!
//! An order of this API does not name the cart it was made of. So the buyer lists the numbers of all orders *before* the
//! checkout, and knows its order afterwards as the one with a new number and the price of its quote. This holds while
//! nobody else buys the very same on this account at the same time: the buyer makes one purchase at a time. Two new orders
//! that fit are not guessed between; the call stays unknown.
//!
//! An item and its configuration are recognised by what they are: the cart is this purchase's own.
//!
//! # When it may say "not landed"
//!
//! `NotLanded` is a promise that the call can't land any more, either. It is sound here where the *server* ended the
//! connection, because of what `flaky-tls` guarantees: a request that was read in full is handed to the API, and the API
//! has answered, *before* the connection is cut; one that was not read by then never is. What a look after the cut does
//! not find, will never be. So it is with an answer that something went wrong (a 500, a 504): here it comes from the API
//! itself, which has carried out the call by then, or never will.
//!
//! Of an attempt that ran out of time this is not known: the request may still be under way in the server. There a look that
//! finds nothing proves nothing, and the hook goes on looking until the call's deadline. Then the call ends as unknown.
//!
//! **Over the real API every failure is of the second kind**: what cuts TLS there is a gateway, and nobody promises what
//! the machines behind it still do. A hook for it either never says `NotLanded`, or only after a time that its owner trusts.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use retry_on_tls_eof::{MayHaveLanded, Reconciled};
use serde::Deserialize;
use serde_json::{Value, json};
use tower::BoxError;
use wire_fault::{Cause, Delivery, Fault};

use crate::client::Client;

/// What a call leaves behind on the server: an extension of the request, by which the hook recognises it.
#[derive(Clone, Debug)]
pub(crate) enum Trace {
    /// An item of this plan in this cart.
    Item { cart: String, plan: &'static str },
    /// A configuration with this label of this item, a path.
    Configuration { item: String, label: &'static str },
    /// An order at this price, with a number that is none of these.
    Order { known: Vec<u64>, price: Price },
}

/// An extension of the response: the answer was lost, but the hook has found what it told of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found;

/// As the API writes it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Price {
    value: f64,
    #[serde(rename = "currencyCode")]
    currency: String,
}

/// From one look to the next, where the call may still be under way.
const PAUSE: Duration = Duration::from_millis(20);

type Answer = Reconciled<Response<Bytes>>;

/// The hook itself. An error of its own calls counts as "still unknown"; so does no answer by the call's deadline.
pub(crate) async fn look(api: Client, call: MayHaveLanded) -> Result<Answer, BoxError> {
    let Some(trace) = call.extensions().get::<Trace>() else { return Ok(Reconciled::StillUnknown) };
    loop {
        match &find(&api, trace).await?[..] {
            [] if is_settled(call.fault()) => return Ok(Reconciled::NotLanded),
            [] => tokio::time::sleep(PAUSE).await,
            [one] => {
                let mut response = Response::new(Bytes::from(one.to_string()));
                response.extensions_mut().insert(Found);
                return Ok(Reconciled::Landed(response));
            }
            _ => return Ok(Reconciled::StillUnknown),
        }
    }
}

/// Whether the server has done with the call (it has answered, or ended the connection): see above. The last failure
/// speaks for those before it, because none of them was followed by a repeat without this proof.
fn is_settled(fault: Fault) -> bool {
    fault.delivery == Delivery::Answered
        || matches!(fault.cause, Cause::Eof | Cause::CleanClose | Cause::Reset)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Order {
    order_id: u64,
    price_with_tax: Price,
}

/// All that fits, each as the lost answer would have begun.
async fn find(api: &Client, trace: &Trace) -> Result<Vec<Value>, BoxError> {
    let mut found = Vec::new();
    match trace {
        Trace::Item { cart, plan } => {
            for id in api.get::<Vec<u64>>(&format!("{cart}/item")).await? {
                let item: Value = api.get(&format!("{cart}/item/{id}")).await?;
                if item["settings"]["planCode"] == *plan {
                    found.push(item);
                }
            }
        }
        Trace::Configuration { item, label } => {
            let ids: Vec<u64> = api.get(&format!("{item}/configuration?label={label}")).await?;
            found.extend(ids.into_iter().map(|id| json!({ "id": id })));
        }
        Trace::Order { known, price } => {
            let now: Vec<u64> = api.get("/me/order").await?;
            for id in now.into_iter().filter(|id| !known.contains(id)) {
                let order: Order = api.get(&format!("/me/order/{id}")).await?;
                if order.price_with_tax == *price {
                    found.push(json!({ "orderId": order.order_id }));
                }
            }
        }
    }
    Ok(found)
}
