//! Which scenario each connection gets.

use std::fmt;
use std::sync::Arc;

use crate::mix::Mix;
use crate::scenario::Scenario;

/// Which scenario each connection gets, by its index: 0 for the first accepted, and so on. One for a server gives each
/// a [`Scenario`], one for a proxy a [`ProxyScenario`](crate::ProxyScenario).
///
/// ```
/// use flaky_tls::{CutBy, CutPoint, Scenario, Script};
///
/// let cut = Scenario::Cut { at: CutPoint::Handshake, by: CutBy::Fin };
/// let script = Script::list([cut, cut], Scenario::Healthy);
/// assert_eq!(script.scenario(1), cut);
/// assert_eq!(script.scenario(2), Scenario::Healthy);
/// ```
#[derive(Clone)]
pub struct Script<S = Scenario>(Kind<S>);

#[derive(Clone)]
enum Kind<S> {
    List { list: Arc<[S]>, then: S },
    Seeded { seed: u64, mix: Arc<Mix>, pick: fn(&Mix, u64) -> S },
    Function(Arc<dyn Fn(u64) -> S + Send + Sync>),
}

impl Script {
    /// Drawn from a mix. The same seed and mix give the same sequence, on every machine and in every version of this
    /// crate.
    #[must_use]
    pub fn seeded(seed: u64, mix: Mix) -> Self {
        Self(Kind::Seeded { seed, mix: Arc::new(mix), pick: Mix::pick })
    }
}

impl<S: Copy> Script<S> {
    /// The same scenario for each connection.
    #[must_use]
    pub fn always(scenario: S) -> Self {
        Self::list([], scenario)
    }

    /// One after another, and from the end of the list on always `then`.
    #[must_use]
    pub fn list(list: impl IntoIterator<Item = S>, then: S) -> Self {
        Self(Kind::List { list: list.into_iter().collect(), then })
    }

    /// Asked of a function, with the connection's index. If it panics, that connection is dropped and recorded as
    /// [`End::Panicked`](crate::End::Panicked); the server lives on.
    #[must_use]
    pub fn from_fn(function: impl Fn(u64) -> S + Send + Sync + 'static) -> Self {
        Self(Kind::Function(Arc::new(function)))
    }

    /// The scenario of the connection with this index.
    #[must_use]
    pub fn scenario(&self, index: u64) -> S {
        match &self.0 {
            Kind::List { list, then } => {
                usize::try_from(index).ok().and_then(|at| list.get(at)).copied().unwrap_or(*then)
            }
            Kind::Seeded { seed, mix, pick } => pick(mix, draw(*seed, index)),
            Kind::Function(function) => function(index),
        }
    }
}

/// Output `index` of the SplitMix64 sequence that starts at `seed` (Steele, Lea and Flood, "Fast splittable
/// pseudorandom number generators", 2014; constants of Vigna's reference code). Chosen over a generator of `rand`
/// because those may change their sequence with a version, and because any index can be asked for by itself.
fn draw(seed: u64, index: u64) -> u64 {
    let z = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The default scenario only: healthy connections, plain tunnels.
impl<S: Copy + Default> Default for Script<S> {
    fn default() -> Self {
        Self::always(S::default())
    }
}

impl<S: Copy> From<S> for Script<S> {
    fn from(scenario: S) -> Self {
        Self::always(scenario)
    }
}

impl<S: fmt::Debug> fmt::Debug for Script<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::List { list, then } => {
                f.debug_struct("List").field("list", list).field("then", then).finish()
            }
            Kind::Seeded { seed, mix, .. } => {
                f.debug_struct("Seeded").field("seed", seed).field("mix", mix).finish()
            }
            Kind::Function(_) => f.write_str("Function"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::draw;

    #[test]
    fn the_draws_are_those_of_the_reference_code() {
        // The first outputs of Vigna's splitmix64.c seeded with 1234567.
        let expected = [6457827717110365317, 3203168211198807973, 9817491932198370423];
        assert_eq!([0, 1, 2].map(|index| draw(1_234_567, index)), expected);
    }
}
