//! `/dedicated/server/datacenter/availabilities`.

use axum::extract::{RawQuery, State};
use axum::{Router, routing};

use crate::answer::{Answer, Refusal, ok};
use crate::fake::FakeOvh;
use crate::query::pairs;
use crate::stock::{Filter, Stock};

pub(crate) fn routes() -> Router<FakeOvh> {
    Router::new().route("/dedicated/server/datacenter/availabilities", routing::get(availabilities))
}

async fn availabilities(State(api): State<FakeOvh>, RawQuery(query): RawQuery) -> Answer {
    let filter = filter(&query.unwrap_or_default())?;
    let stock = {
        let settings = api.shared.settings.read();
        Stock { seed: settings.seed, period: settings.stock_period, age: api.shared.clock.age() }
    };
    let found = stock.find(&filter);
    if found.is_empty() { Err(Refusal::not_found("No availabilities found")) } else { ok(&found) }
}

/// Each parameter may come several times, and name several values with commas. That the real API takes several plans,
/// and ignores parameters it does not know, is unverified.
fn filter(query: &str) -> Result<Filter, Refusal> {
    let mut filter = Filter::default();
    for (name, value) in pairs(query.as_bytes()) {
        let values = value.split(',').filter(|one| !one.is_empty()).map(str::to_owned);
        match &*name {
            "planCode" => filter.plans.extend(values),
            "datacenters" => filter.datacenters.extend(values),
            "addonFamily" => filter.options.extend(values),
            "excludeDatacenters" => {
                filter.exclude_datacenters = value.parse().map_err(|_| {
                    Refusal::bad_request(format!("Invalid boolean excludeDatacenters: {value}"))
                })?;
            }
            _ => {}
        }
    }
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read() {
        let list = |values: &[&str]| values.iter().map(ToString::to_string).collect::<Vec<_>>();
        let read = filter(
            "planCode=24sk10&planCode=24rise01&datacenters=gra,rbx&excludeDatacenters=true&addonFamily=ram-64g%2Decc-2133",
        );
        let expected = Filter {
            plans: list(&["24sk10", "24rise01"]),
            datacenters: list(&["gra", "rbx"]),
            exclude_datacenters: true,
            options: list(&["ram-64g-ecc-2133"]),
        };
        assert_eq!(read.unwrap(), expected);
        assert_eq!(filter("").unwrap(), Filter::default());
        assert!(filter("excludeDatacenters=yes").is_err());
    }
}
