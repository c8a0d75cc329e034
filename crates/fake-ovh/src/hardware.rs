//! What the fake sells: 270 plans, each in 28 configurations and 8 datacenters.

use std::sync::LazyLock;

pub(crate) const DATACENTERS: [&str; 8] = ["bhs", "fra", "gra", "lon", "rbx", "sbg", "sgp", "waw"];

pub(crate) const MEMORIES: [&str; 4] =
    ["ram-32g-ecc-3200", "ram-64g-ecc-2133", "ram-128g-ecc-2933", "ram-128g-on-die-ecc-3600"];

pub(crate) const STORAGES: [&str; 7] = [
    "softraid-2x450nvme",
    "softraid-2x512nvme",
    "softraid-2x2000sa",
    "softraid-4x4000sa",
    "softraid-2x960nvme-pcie-gen4",
    "hybridsoftraid-4x4000sa-1x500nvme",
    "hybridsoftraid-2x960nvme-pcie-gen4-2x1920nvme-pcie-gen4",
];

/// Year by year the same nine ranges; 270 plans make an unfiltered answer as long as the real one, 4.3 MB.
const YEARS: std::ops::RangeInclusive<u32> = 22..=26;

/// Prefix, suffix, the six models' numbers, name, and cents a month of the first model.
type Range = (&'static str, &'static str, [&'static str; 6], &'static str, u32);

const TENS: [&str; 6] = ["10", "20", "30", "40", "50", "60"];
const ONES: [&str; 6] = ["01", "02", "03", "04", "05", "06"];

const RANGES: [Range; 9] = [
    ("sk", "", TENS, "KS", 599),
    ("skleb", "-v1", ONES, "KS-LE-B", 1_299),
    ("skstor", "", ONES, "KS-STOR", 1_499),
    ("sys", "", ONES, "SYS", 2_999),
    ("rise", "", ONES, "RISE", 5_499),
    ("adv", "-v3", ONES, "ADVANCE", 8_999),
    ("game", "", ONES, "GAME", 9_499),
    ("scale", "", ONES, "SCALE", 34_999),
    ("hgr", "", ONES, "HGR", 49_999),
];

/// A plan of the eco range.
#[derive(Debug)]
pub(crate) struct Plan {
    /// `24adv01-v3`.
    pub(crate) code: String,
    /// The plan's code without its version: `24adv01`.
    pub(crate) server: String,
    /// `ADVANCE-1`.
    pub(crate) name: String,
    /// Its range: `adv`.
    pub(crate) family: &'static str,
    /// Cents a month; the installation costs as much again.
    pub(crate) monthly: u32,
}

impl Plan {
    /// The plan's own code for this memory or storage: in orders, options are named per plan.
    pub(crate) fn option(&self, hardware: &str) -> String {
        format!("{hardware}-{}", self.code)
    }

    /// Memories, then storages, as [`option`](Self::option) names them, with their cents a month.
    pub(crate) fn options(&self) -> impl Iterator<Item = (&'static str, String, u32)> {
        let memory = MEMORIES
            .iter()
            .zip(0..)
            .map(|(name, nth)| ("memory", self.option(name), nth * self.monthly / 10));
        let storage = STORAGES
            .iter()
            .zip(0..)
            .map(|(name, nth)| ("storage", self.option(name), nth * self.monthly / 20));
        memory.chain(storage)
    }
}

pub(crate) static PLANS: LazyLock<Vec<Plan>> = LazyLock::new(|| {
    let mut plans = Vec::new();
    for year in YEARS {
        for (family, suffix, numbers, name, first) in RANGES {
            for (model, number) in (1..).zip(numbers) {
                let server = format!("{year}{family}{number}");
                plans.push(Plan {
                    code: format!("{server}{suffix}"),
                    server,
                    name: format!("{name}-{model}"),
                    family,
                    monthly: first + (model - 1) * first / 3,
                });
            }
        }
    }
    plans
});

pub(crate) fn plan(code: &str) -> Option<&'static Plan> {
    PLANS.iter().find(|plan| plan.code == code)
}
