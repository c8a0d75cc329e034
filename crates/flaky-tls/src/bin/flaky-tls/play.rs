//! What is played.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use flaky_tls::{Mix, ProxyScenario, Scenario, Script};

/// What is played, and what is told of it.
pub(crate) struct Play {
    pub(crate) script: Script,
    /// The scenarios that can occur, each once.
    pub(crate) scenarios: Vec<Scenario>,
    /// The seed, where one was used.
    pub(crate) seed: Option<u64>,
}

impl Play {
    /// A list, or a mix with a seed. The list is not empty.
    pub(crate) fn list(list: Vec<Scenario>) -> Option<Self> {
        let script = Script::list(list.iter().copied(), *list.last()?);
        Some(Self { script, scenarios: once_each(list), seed: None })
    }

    pub(crate) fn mix(mix: Mix, seed: Option<u64>) -> Self {
        let seed = seed.unwrap_or_else(fresh_seed);
        let scenarios = mix.entries().iter().map(|(scenario, _)| *scenario).collect();
        Self { script: Script::seeded(seed, mix), scenarios: once_each(scenarios), seed: Some(seed) }
    }
}

/// One after another, and the last one from then on.
pub(crate) fn proxy_script(list: &[ProxyScenario]) -> Script<ProxyScenario> {
    Script::list(list.iter().copied(), list.last().copied().unwrap_or_default())
}

fn once_each(mut list: Vec<Scenario>) -> Vec<Scenario> {
    let mut seen = Vec::new();
    list.retain(|scenario| {
        let new = !seen.contains(scenario);
        seen.push(*scenario);
        new
    });
    list
}

/// A number that differs from run to run: std seeds its hashers from the operating system.
fn fresh_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}
