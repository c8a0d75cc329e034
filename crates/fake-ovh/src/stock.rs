//! What is available where, at which time.

use std::time::Duration;

use serde::Serialize;

use crate::draw::draw;
use crate::hardware::{DATACENTERS, MEMORIES, PLANS, STORAGES};

const UNAVAILABLE: &str = "unavailable";

/// What else an entry may say, and its weight in the draw. The values are the real ones, the weights are made up.
const VALUES: [(&str, u64); 12] = [
    ("1H-low", 120),
    ("1H-high", 110),
    ("24H", 40),
    ("72H", 60),
    ("120H", 20),
    ("240H", 30),
    ("480H", 10),
    ("720H", 15),
    ("1440H", 5),
    ("2160H", 5),
    ("comingSoon", 15),
    ("unknown", 10),
];

/// The sum of those weights.
const WHOLE: u64 = 440;

/// What "unavailable" weighs beside them: each plan is scarcer in some datacenters than in others, as real ones are.
const SCARCITIES: [u64; 4] = [560, 560, 6_000, 30_000];

/// Keeps the draw of scarcities apart from that of values.
const SEED_OF_SCARCITIES: u64 = 0x51;

/// The stock at one moment. It is a function of seed, period and age, and has no memory: whoever asks, and however
/// often, the history is the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stock {
    pub(crate) seed: u64,
    /// How long an entry keeps its value.
    pub(crate) period: Duration,
    pub(crate) age: Duration,
}

/// What is asked for; an empty list asks for everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) plans: Vec<String>,
    pub(crate) datacenters: Vec<String>,
    pub(crate) exclude_datacenters: bool,
    pub(crate) options: Vec<String>,
}

/// One configuration, as the API writes it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Configuration {
    fqn: String,
    memory: &'static str,
    plan_code: &'static str,
    server: &'static str,
    storage: &'static str,
    datacenters: Vec<Datacenter>,
}

#[derive(Debug, Serialize)]
struct Datacenter {
    availability: &'static str,
    datacenter: &'static str,
}

impl Stock {
    /// What fits. Options of one family (memory, storage) are alternatives, families are combined; how the real API
    /// combines them is unverified.
    pub(crate) fn find(&self, filter: &Filter) -> Vec<Configuration> {
        let wants = |list: &[String], value: &str| list.is_empty() || list.iter().any(|one| one == value);
        let (memories, storages): (Vec<_>, Vec<_>) =
            filter.options.iter().cloned().partition(|option| option.starts_with("ram-"));
        let places: Vec<(u64, &'static str)> = (0..)
            .zip(DATACENTERS)
            .filter(|(_, place)| {
                let named = filter.datacenters.iter().any(|one| one == place);
                filter.datacenters.is_empty() || named != filter.exclude_datacenters
            })
            .collect();
        let mut found = Vec::new();
        if places.is_empty() {
            return found;
        }
        let mut entry = 0;
        for plan in &*PLANS {
            for memory in MEMORIES {
                for storage in STORAGES {
                    let first = entry;
                    entry += DATACENTERS.len() as u64;
                    if !(wants(&filter.plans, &plan.code)
                        && wants(&memories, memory)
                        && wants(&storages, storage))
                    {
                        continue;
                    }
                    let datacenters = places
                        .iter()
                        .map(|(nth, datacenter)| Datacenter {
                            availability: self.value(first + nth),
                            datacenter,
                        })
                        .collect();
                    found.push(Configuration {
                        fqn: format!("{}.{memory}.{storage}", plan.code),
                        memory,
                        plan_code: &plan.code,
                        server: &plan.server,
                        storage,
                        datacenters,
                    });
                }
            }
        }
        found
    }

    /// Each entry is drawn anew once a period; their turns are spread over it.
    fn value(&self, entry: u64) -> &'static str {
        let own = draw(self.seed, entry);
        let period = self.period.as_nanos().max(1);
        let turn = (self.age.as_nanos() + u128::from(own) % period) / period;
        let scarcity = self.scarcity(entry);
        // Which turn it is wraps around after 2^64 of them.
        let Some(mut at) = (draw(own, turn as u64) % (scarcity + WHOLE)).checked_sub(scarcity) else {
            return UNAVAILABLE;
        };
        for (value, weight) in VALUES {
            if at < weight {
                return value;
            }
            at -= weight;
        }
        "unknown" // `at` starts below the sum of all weights, so the loop has returned.
    }

    /// That of the entry's plan in its datacenter.
    fn scarcity(&self, entry: u64) -> u64 {
        let places = DATACENTERS.len() as u64;
        let plan = entry / (places * (MEMORIES.len() * STORAGES.len()) as u64);
        let drawn = draw(self.seed ^ SEED_OF_SCARCITIES, plan * places + entry % places);
        SCARCITIES[(drawn % SCARCITIES.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const PERIOD: Duration = Duration::from_secs(100);

    fn stock(seed: u64, age: u64) -> Stock {
        Stock { seed, period: PERIOD, age: Duration::from_secs(age) }
    }

    fn values(stock: Stock) -> Vec<&'static str> {
        (0..10_000).map(|entry| stock.value(entry)).collect()
    }

    #[test]
    fn all_values_come_about_as_often_as_their_weights_say() {
        let values = values(stock(1, 0));
        assert_eq!(VALUES.iter().map(|(_, weight)| weight).sum::<u64>(), WHOLE);
        assert_eq!(values.iter().collect::<HashSet<_>>().len(), VALUES.len() + 1);
        let unavailable = values.iter().filter(|value| **value == "unavailable").count();
        assert!((7_000..8_200).contains(&unavailable), "{unavailable}");
    }

    #[test]
    fn a_plan_is_scarce_in_some_datacenters_and_not_in_others() {
        let values = values(stock(1, 0));
        let available = |plan: usize, place: usize| {
            let of_plan = &values[plan * 224..(plan + 1) * 224];
            of_plan.iter().skip(place).step_by(8).filter(|value| **value != "unavailable").count()
        };
        let plans: Vec<Vec<_>> =
            (0..40).map(|plan| (0..8).map(|place| available(plan, place)).collect()).collect();
        let places = || plans.iter().flatten();
        assert!(places().filter(|one| **one <= 1).count() > 50, "{plans:?}");
        assert!(places().filter(|one| **one >= 8).count() > 100, "{plans:?}");
    }

    #[test]
    fn the_stock_changes_a_little_at_a_time() {
        let changes = |from: u64, to: u64| {
            let (old, new) = (values(stock(1, from)), values(stock(1, to)));
            old.iter().zip(new).filter(|(old, new)| **old != *new).count()
        };
        assert_eq!(changes(0, 0), 0);
        // A hundredth of the entries is drawn each second, and one draw in three differs.
        assert!((15..70).contains(&changes(0, 1)), "{}", changes(0, 1));
        assert!((3_000..4_500).contains(&changes(0, 100)), "{}", changes(0, 100));
        assert_ne!(values(stock(1, 0)), values(stock(2, 0)));
    }

    #[test]
    fn it_filters() {
        let list = |values: &[&str]| values.iter().map(ToString::to_string).collect::<Vec<_>>();
        let found = |filter: &Filter| {
            let found = stock(1, 0).find(filter);
            (found.len(), found.first().map_or(0, |one| one.datacenters.len()))
        };
        assert_eq!(found(&Filter::default()), (270 * 28, 8));
        let mut filter = Filter { plans: list(&["99none01"]), ..Filter::default() };
        assert_eq!(found(&filter), (0, 0));
        filter.plans = list(&["24sk10", "24adv01-v3"]);
        filter.datacenters = list(&["gra", "rbx"]);
        assert_eq!(found(&filter), (2 * 28, 2));
        filter.options = list(&["ram-64g-ecc-2133"]);
        assert_eq!(found(&filter), (2 * 7, 2));
        filter.options.extend(list(&["softraid-2x2000sa", "softraid-4x4000sa"]));
        assert_eq!(found(&filter), (2 * 2, 2));
        filter.exclude_datacenters = true;
        assert_eq!(found(&filter), (2 * 2, 6));
        filter.datacenters = list(&DATACENTERS);
        assert_eq!(found(&filter), (0, 0));
    }
}
