//! The demo's stock: three plans, each in 28 configurations and 8 datacenters, that change over time.

use std::mem;
use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt as _, SeedableRng as _};
use serde::Serialize;

/// What the demo watches unless told otherwise, and all it knows.
pub(crate) const PLANS: [&str; 3] = ["24sk10", "24rise01", "24adv01-v3"];

const MEMORIES: [&str; 4] =
    ["ram-32g-ecc-3200", "ram-64g-ecc-2133", "ram-128g-ecc-2933", "ram-128g-on-die-ecc-3600"];

const STORAGES: [&str; 7] = [
    "softraid-2x450nvme",
    "softraid-2x512nvme",
    "softraid-2x2000sa",
    "softraid-4x4000sa",
    "softraid-2x960nvme-pcie-gen4",
    "hybridsoftraid-4x4000sa-1x500nvme",
    "hybridsoftraid-2x960nvme-pcie-gen4-2x1920nvme-pcie-gen4",
];

const DATACENTERS: [&str; 8] = ["bhs", "fra", "gra", "lon", "rbx", "sbg", "sgp", "waw"];

const UNAVAILABLE: &str = "unavailable";

/// What an entry may say, and its weight in the draw.
const VALUES: [(&str, u32); 13] = [
    (UNAVAILABLE, 560),
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

/// What "unavailable" weighs instead: each plan is scarcer in some datacenters than in others, as real ones are.
const SCARCITIES: [u32; 4] = [560, 560, 6_000, 30_000];

/// From one change to the next.
const STEP: Duration = Duration::from_millis(250);

/// One configuration, as the API writes it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    fqn: String,
    memory: &'static str,
    plan_code: &'static str,
    server: &'static str,
    storage: &'static str,
    datacenters: Vec<Datacenter>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Datacenter {
    availability: &'static str,
    datacenter: &'static str,
    #[serde(skip)]
    scarcity: u32,
}

/// What is asked for; an empty list asks for everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) plans: Vec<String>,
    pub(crate) datacenters: Vec<String>,
    pub(crate) exclude_datacenters: bool,
    pub(crate) options: Vec<String>,
}

/// The same seed has the same stock at the same age.
#[derive(Debug)]
pub(crate) struct Shelf {
    configurations: Vec<Configuration>,
    rng: Xoshiro256PlusPlus,
    steps: u128,
}

impl Shelf {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut configurations = Vec::new();
        for plan_code in PLANS {
            // "24adv01-v3" is a plan of the server "24adv01".
            let server = plan_code.split('-').next().unwrap_or(plan_code);
            let scarcities = DATACENTERS.map(|_| SCARCITIES[rng.random_range(0..SCARCITIES.len())]);
            for memory in MEMORIES {
                for storage in STORAGES {
                    configurations.push(Configuration {
                        fqn: format!("{plan_code}.{memory}.{storage}"),
                        memory,
                        plan_code,
                        server,
                        storage,
                        datacenters: DATACENTERS
                            .into_iter()
                            .zip(scarcities)
                            .map(|(datacenter, scarcity)| {
                                let availability = value(&mut rng, scarcity);
                                Datacenter { availability, datacenter, scarcity }
                            })
                            .collect(),
                    });
                }
            }
        }
        Self { configurations, rng, steps: 0 }
    }

    /// Lets the stock change until it is this old.
    pub(crate) fn grow_to(&mut self, age: Duration) {
        let steps = age.as_nanos() / STEP.as_nanos();
        while self.steps < steps {
            self.steps += 1;
            while !self.try_change() {}
        }
    }

    /// Draws one entry anew: whether that changed it.
    fn try_change(&mut self) -> bool {
        let at = self.rng.random_range(0..self.configurations.len());
        let datacenters = &mut self.configurations[at].datacenters;
        let at = self.rng.random_range(0..datacenters.len());
        let entry = &mut datacenters[at];
        let old = mem::replace(&mut entry.availability, value(&mut self.rng, entry.scarcity));
        entry.availability != old
    }

    /// The answer's body; `None` if nothing fits.
    ///
    /// Options of one family (memory, storage) are alternatives, families are combined. How the real API combines them is
    /// unverified.
    pub(crate) fn answer(&self, filter: &Filter) -> Option<Vec<u8>> {
        let wants = |list: &[String], value: &str| list.is_empty() || list.iter().any(|one| one == value);
        let (memories, storages): (Vec<_>, Vec<_>) =
            filter.options.iter().cloned().partition(|option| option.starts_with("ram-"));
        let datacenter = |datacenter: &&Datacenter| {
            let named = filter.datacenters.iter().any(|one| one == datacenter.datacenter);
            filter.datacenters.is_empty() || named != filter.exclude_datacenters
        };
        let found: Vec<_> = self
            .configurations
            .iter()
            .filter(|c| wants(&filter.plans, c.plan_code) && wants(&memories, c.memory))
            .filter(|c| wants(&storages, c.storage))
            .map(|c| Configuration {
                fqn: c.fqn.clone(),
                datacenters: c.datacenters.iter().filter(datacenter).copied().collect(),
                ..*c
            })
            .filter(|c| !c.datacenters.is_empty())
            .collect();
        if found.is_empty() { None } else { serde_json::to_vec(&found).ok() }
    }
}

fn value(rng: &mut Xoshiro256PlusPlus, scarcity: u32) -> &'static str {
    let values = VALUES.map(|(value, weight)| (value, if value == UNAVAILABLE { scarcity } else { weight }));
    let mut at = rng.random_range(0..values.iter().map(|(_, weight)| weight).sum());
    for (value, weight) in values {
        if at < weight {
            return value;
        }
        at -= weight;
    }
    "unknown" // `at` starts below the sum of all weights, so the loop has returned.
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stock::Stock;

    fn filter(plan: &str) -> Filter {
        Filter { plans: vec![plan.into()], ..Filter::default() }
    }

    #[test]
    fn an_answer_has_the_size_and_shape_of_the_real_one() {
        let shelf = Shelf::new(1);
        for plan in PLANS {
            let body = shelf.answer(&filter(plan)).unwrap();
            assert!((14_000..24_000).contains(&body.len()), "{plan}: {}", body.len());
            assert_eq!(Stock::parse(&body).unwrap().len(), 28 * 8);
        }
        let body = shelf.answer(&filter("24adv01-v3")).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let first = &json[0];
        assert_eq!(first["fqn"], "24adv01-v3.ram-32g-ecc-3200.softraid-2x450nvme");
        assert_eq!(first["planCode"], "24adv01-v3");
        assert_eq!(first["server"], "24adv01");
        assert_eq!(first["memory"], "ram-32g-ecc-3200");
        assert_eq!(first["storage"], "softraid-2x450nvme");
        assert_eq!(first["datacenters"][0]["datacenter"], "bhs");
        assert!(VALUES.iter().any(|(value, _)| first["datacenters"][0]["availability"] == *value));
    }

    #[test]
    fn it_filters() {
        let shelf = Shelf::new(1);
        let len = |filter: &Filter| shelf.answer(filter).map(|body| Stock::parse(&body).unwrap().len());
        assert_eq!(len(&filter("99none01")), None);
        let mut filter = filter("24sk10");
        filter.datacenters = vec!["gra".into(), "rbx".into()];
        assert_eq!(len(&filter), Some(28 * 2));
        filter.options = vec!["ram-64g-ecc-2133".into()];
        assert_eq!(len(&filter), Some(7 * 2));
        filter.options.extend(["softraid-2x2000sa".into(), "softraid-4x4000sa".into()]);
        assert_eq!(len(&filter), Some(2 * 2));
        filter.exclude_datacenters = true;
        assert_eq!(len(&filter), Some(2 * 6));
        filter.options = vec!["ram-1g".into()];
        assert_eq!(len(&filter), None);
    }

    #[test]
    fn the_same_seed_has_the_same_history() {
        let at = |seed, ages: &[u64]| {
            let mut shelf = Shelf::new(seed);
            for age in ages {
                shelf.grow_to(Duration::from_millis(*age));
            }
            Stock::parse(&shelf.answer(&Filter::default()).unwrap()).unwrap()
        };
        assert_eq!(at(1, &[300, 4000]), at(1, &[4000]));
        assert_ne!(at(1, &[4000]), at(2, &[4000]));
        assert_eq!(at(1, &[0]).changes(&at(1, &[250])).len(), 1, "each step changes one entry");
    }
}
