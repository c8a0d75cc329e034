//! `/order/catalog/public/eco`.

use std::sync::LazyLock;

use axum::extract::{RawQuery, State};
use axum::{Router, routing};
use serde_json::{Value, json};

use crate::answer::{Answer, Refusal, raw};
use crate::fake::FakeOvh;
use crate::hardware::{DATACENTERS, PLANS, Plan};
use crate::price::{TERMS, currency};
use crate::query::{pairs, required};

pub(crate) fn routes() -> Router<FakeOvh> {
    Router::new().route("/order/catalog/public/eco", routing::get(catalog))
}

async fn catalog(State(_): State<FakeOvh>, RawQuery(query): RawQuery) -> Answer {
    let pairs = pairs(query.unwrap_or_default().as_bytes());
    let subsidiary = required(&pairs, "ovhSubsidiary")?;
    let Some(currency) = currency(subsidiary) else {
        return Err(Refusal::bad_request(format!("Invalid ovhSubsidiary: {subsidiary}")));
    };
    let locale = json!({ "currencyCode": currency, "subsidiary": subsidiary, "taxRate": 0 });
    Ok(raw(format!("{{\"catalogId\":3941,\"locale\":{locale},{}}}", &*REST)))
}

/// All but what depends on the subsidiary: made once, because it is long.
static REST: LazyLock<String> = LazyLock::new(|| {
    let plans: Vec<_> = PLANS.iter().map(plan).collect();
    let addons: Vec<_> = PLANS.iter().flat_map(addons).collect();
    let products: Vec<_> = PLANS
        .iter()
        .map(|plan| {
            json!({
                "name": plan.server,
                "description": plan.name,
                "blobs": { "commercial": { "brick": "eco", "name": plan.name, "range": plan.family } },
                "configurations": [],
            })
        })
        .collect();
    format!(
        "\"plans\":{},\"products\":{},\"addons\":{},\"planFamilies\":[]",
        Value::from(plans),
        Value::from(products),
        Value::from(addons)
    )
});

fn plan(plan: &Plan) -> Value {
    let family = |family: &'static str, mandatory: bool| {
        let addons: Vec<_> =
            plan.options().filter(|(one, ..)| *one == family).map(|(_, code, _)| code).collect();
        json!({ "name": family, "exclusive": true, "mandatory": mandatory, "default": addons.first(), "addons": addons })
    };
    json!({
        "planCode": plan.code,
        "invoiceName": plan.name,
        "product": plan.server,
        "pricingType": "rental",
        "family": plan.family,
        "consumptionConfiguration": null,
        "addonFamilies": [family("memory", true), family("storage", true)],
        "configurations": [
            { "name": "dedicated_datacenter", "isCustom": false, "isMandatory": false, "values": DATACENTERS },
            { "name": "dedicated_os", "isCustom": false, "isMandatory": true, "values": ["none_64.en"] },
            { "name": "region", "isCustom": false, "isMandatory": true, "values": ["canada", "europe"] },
        ],
        "pricings": pricings(plan.monthly, true),
        "blobs": null,
    })
}

fn addons(plan: &Plan) -> impl Iterator<Item = Value> {
    plan.options().map(|(family, code, monthly)| {
        json!({
            "planCode": code,
            "invoiceName": code,
            "product": code,
            "pricingType": "rental",
            "family": family,
            "consumptionConfiguration": null,
            "addonFamilies": [],
            "configurations": [],
            "pricings": pricings(monthly, false),
            "blobs": null,
        })
    })
}

fn pricings(monthly: u32, installed: bool) -> Vec<Value> {
    let installation =
        TERMS.iter().filter(|_| installed).map(|(mode, ..)| ("installation", *mode, 0, monthly));
    let renewal = TERMS.iter().map(|(mode, _, months)| ("renew", *mode, *months, monthly * months));
    installation
        .chain(renewal)
        .map(|(capacity, mode, months, cents)| {
            json!({
                "phase": 1,
                "capacities": [capacity],
                "commitment": if mode == "default" { 0 } else { months },
                "description": format!("{capacity} {mode}"),
                "interval": months,
                "intervalUnit": if months == 0 { "none" } else { "month" },
                "quantity": { "min": 1, "max": 100 },
                "repeat": { "min": 1, "max": null },
                // In hundred-millionths.
                "price": u64::from(cents) * 1_000_000,
                "formattedPrice": "",
                "tax": 0,
                "mode": mode,
                "strategy": "tiered",
                "mustBeCompleted": false,
                "type": "rental",
                "promotions": [],
                "engagementConfiguration": null,
            })
        })
        .collect()
}
