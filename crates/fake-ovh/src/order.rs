//! An order, and the quote that comes before it.

use serde_json::{Value, json};

use crate::answer::Refusal;
use crate::cart::{Cart, CartItem};
use crate::clock::iso;
use crate::hardware::{DATACENTERS, plan};
use crate::price::price;

/// An order.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Order {
    /// `orderId`.
    pub id: u64,
    /// The cart it was made of.
    pub cart_id: String,
    /// What the cart held then.
    pub items: Vec<CartItem>,
    /// The total in cents.
    pub cents: u64,
    /// When it was made, in seconds since the Unix epoch, by the server's clock.
    pub at: i64,
    /// How often it was paid. More than once is what a buyer fears.
    pub charges: u32,
    pub(crate) currency: &'static str,
}

const DAYS_15: i64 = 15 * 24 * 60 * 60;

impl Order {
    /// As `/me/order/{id}` writes it.
    pub(crate) fn json(&self) -> Value {
        json!({
            "orderId": self.id,
            "date": iso(self.at),
            "expirationDate": iso(self.at.saturating_add(DAYS_15)),
            "retractionDate": null,
            "password": "fake",
            "url": self.url(),
            "pdfUrl": format!("{}&pdf=1", self.url()),
            "priceWithTax": price(self.cents, self.currency),
            "priceWithoutTax": price(self.cents, self.currency),
            "tax": price(0, self.currency),
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("https://www.ovh.com/cgi-bin/order/displayOrder.cgi?orderId={}&orderPassword=fake", self.id)
    }

    pub(crate) fn status(&self) -> &'static str {
        if self.charges == 0 { "notPaid" } else { "delivering" }
    }
}

/// What a checkout would cost.
pub(crate) struct Quote {
    /// Type, description, quantity, cents.
    lines: Vec<(&'static str, String, u32, u64)>,
    pub(crate) cents: u64,
}

impl Quote {
    /// Prices the cart, or says what is missing: only here, as with the real API. Those messages that the real API was
    /// not seen to write are made up.
    pub(crate) fn of(cart: &Cart) -> Result<Self, Refusal> {
        if !cart.assigned {
            return Err(Refusal::bad_request("This cart hasn't been assigned yet"));
        }
        if cart.items.is_empty() {
            return Err(Refusal::bad_request("This cart is empty"));
        }
        let mut lines = Vec::new();
        for item in &cart.items {
            let Some((renewal, installation)) = item.cents(&cart.items) else {
                return Err(Refusal::bad_request(format!("The plan {} is not sold", item.plan_code)));
            };
            let mut what = item.plan_code.clone();
            if item.option_of.is_none() {
                let datacenter = Self::datacenter(item)?;
                let name = plan(&item.plan_code).map_or("", |plan| &plan.name);
                what = format!("{name} rental - datacenter {datacenter}");
                lines.push(("INSTALLATION", what.clone(), item.quantity, installation));
            }
            lines.push(("DURATION", format!("{what} - {}", item.duration), item.quantity, renewal));
        }
        let cents = lines.iter().map(|(.., cents)| cents).sum();
        Ok(Self { lines, cents })
    }

    fn datacenter(item: &CartItem) -> Result<&str, Refusal> {
        let label = "dedicated_datacenter";
        let Some(datacenter) = item.configured(label) else {
            return Err(Refusal::bad_request(format!(
                "in customFields there must be a field with name '{label}'"
            )));
        };
        if DATACENTERS.contains(&datacenter) {
            Ok(datacenter)
        } else {
            Err(Refusal::bad_request(format!("Invalid value for '{label}': {datacenter}")))
        }
    }

    /// As both checkouts write it: GET without an order, POST with the one it made.
    pub(crate) fn json(&self, currency: &str, order: Option<&Order>) -> Value {
        let details: Vec<_> = self
            .lines
            .iter()
            .map(|(kind, description, quantity, cents)| {
                json!({
                    "cartItemID": null,
                    "detailType": kind,
                    "description": description,
                    "domain": "*001",
                    "quantity": quantity,
                    "unitPrice": price(cents / u64::from((*quantity).max(1)), currency),
                    "totalPrice": price(*cents, currency),
                })
            })
            .collect();
        json!({
            "orderId": order.map(|order| order.id),
            "url": order.map(Order::url),
            "contracts": [{
                "name": "Conditions of the fake",
                "url": "https://contract.example/conditions.pdf",
                "content": "",
            }],
            "details": details,
            "prices": {
                "originalWithoutTax": price(self.cents, currency),
                "reduction": price(0, currency),
                "tax": price(0, currency),
                "withTax": price(self.cents, currency),
                "withoutTax": price(self.cents, currency),
            },
        })
    }
}
