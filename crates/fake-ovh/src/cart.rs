//! A cart and what lies in it.

use serde_json::{Value, json};

use crate::clock::iso;
use crate::hardware::{Plan, plan};
use crate::price::{TERMS, price};

/// A shopping cart.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Cart {
    /// `cartId`, a UUID.
    pub id: String,
    /// `ovhSubsidiary`.
    pub subsidiary: String,
    /// What its maker called it.
    pub description: Option<String>,
    /// When it ends, in seconds since the Unix epoch, by the server's clock.
    pub expires: i64,
    /// Whether it was assigned to the account.
    pub assigned: bool,
    /// Items and options, in the order in which they were added.
    pub items: Vec<CartItem>,
    /// The orders that were made of it: one for each checkout.
    pub orders: Vec<u64>,
    pub(crate) currency: &'static str,
}

/// An item or an option of one.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct CartItem {
    /// `itemId`.
    pub id: u64,
    /// The plan, or the option's code.
    pub plan_code: String,
    /// `P1M`, `P1Y` or `P2Y`.
    pub duration: String,
    /// `default`, `upfront12` or `upfront24`.
    pub pricing_mode: String,
    /// How many.
    pub quantity: u32,
    /// The item that it is an option of.
    pub option_of: Option<u64>,
    /// In the order in which they were given; of one label the last counts.
    pub configuration: Vec<Configuration>,
}

/// A label and a value. The API checks neither until the checkout.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Configuration {
    /// The identifier.
    pub id: u64,
    /// `dedicated_datacenter`, say.
    pub label: String,
    /// `gra`, say.
    pub value: String,
}

impl CartItem {
    /// The value that counts.
    #[must_use]
    pub fn configured(&self, label: &str) -> Option<&str> {
        self.configuration.iter().rev().find(|one| one.label == label).map(|one| &*one.value)
    }

    /// What it costs for its duration, in cents, and what its installation costs. `None` if it is not sold.
    pub(crate) fn cents(&self, items: &[Self]) -> Option<(u64, u64)> {
        let (.., months) = TERMS.iter().find(|(mode, ..)| *mode == self.pricing_mode)?;
        let (monthly, installation) = match self.option_of {
            None => plan(&self.plan_code).map(|plan| (plan.monthly, plan.monthly))?,
            Some(parent) => {
                let parent = items.iter().find(|one| one.id == parent)?;
                (option_cents(plan(&parent.plan_code)?, &self.plan_code)?, 0)
            }
        };
        let of = |cents: u32| u64::from(cents) * u64::from(self.quantity);
        Some((of(monthly) * u64::from(*months), of(installation)))
    }
}

/// Cents a month of a plan's option.
pub(crate) fn option_cents(plan: &Plan, option: &str) -> Option<u32> {
    plan.options().find(|(_, code, _)| code == option).map(|(.., cents)| cents)
}

impl Cart {
    pub(crate) fn json(&self) -> Value {
        let items: Vec<_> = self.items.iter().map(|item| item.id).collect();
        json!({
            "cartId": self.id,
            "description": self.description.as_deref().unwrap_or_default(),
            "expire": iso(self.expires),
            "items": items,
            "readOnly": false,
        })
    }

    pub(crate) fn item_json(&self, item: &CartItem) -> Value {
        let options: Vec<_> =
            self.items.iter().filter(|one| one.option_of == Some(item.id)).map(|one| one.id).collect();
        let configurations: Vec<_> = item.configuration.iter().map(|one| one.id).collect();
        let (renewal, _) = item.cents(&self.items).unwrap_or_default();
        json!({
            "cartId": self.id,
            "itemId": item.id,
            "parentItemId": item.option_of,
            "productId": "eco",
            "duration": item.duration,
            "offerId": null,
            "options": options,
            "configurations": configurations,
            "prices": [{ "label": "TOTAL", "price": price(renewal, self.currency) }],
            "settings": {
                "planCode": item.plan_code,
                "pricingMode": item.pricing_mode,
                "quantity": item.quantity,
            },
        })
    }
}
