//! Which call fails: by rates, or because it was asked for.

use std::collections::VecDeque;

use crate::draw::fraction;
use crate::error::{Flaw, InvalidSetting};
use crate::failure::Failure;
use crate::pattern::fits;

/// Which call fails how.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    rates: [f64; Failure::ALL.len()],
    next: VecDeque<(String, Failure)>,
}

impl Failures {
    pub(crate) fn set_rate(&mut self, failure: Failure, rate: f64) -> Result<(), InvalidSetting> {
        if !(0.0..=1.0).contains(&rate) {
            return Err(InvalidSetting(Flaw::Rate { failure, rate }));
        }
        let mut rates = self.rates;
        rates[failure as usize] = rate;
        let sum: f64 = rates.iter().sum();
        // A sum of decimal fractions may miss 1 by a few bits.
        if sum > 1.0 + 1e-9 {
            return Err(InvalidSetting(Flaw::RateSum(sum)));
        }
        self.rates = rates;
        Ok(())
    }

    pub(crate) fn queue(&mut self, pattern: String, failure: Failure) {
        self.next.push_back((pattern, failure));
    }

    /// How call number `index` fails, if it does: what was queued comes before what is drawn.
    pub(crate) fn pick(&mut self, path: &str, seed: u64, index: u64) -> Option<Failure> {
        if let Some(at) = self.next.iter().position(|(pattern, _)| fits(pattern, path)) {
            return self.next.remove(at).map(|(_, failure)| failure);
        }
        let mut at = fraction(seed, index);
        Failure::ALL.into_iter().zip(self.rates).find_map(|(failure, rate)| {
            let hit = at < rate;
            at -= rate;
            hit.then_some(failure)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_kept_and_bounded() {
        let mut failures = Failures::default();
        assert_eq!(failures.pick("/", 1, 0), None);
        failures.set_rate(Failure::Unavailable, 0.25).unwrap();
        failures.set_rate(Failure::HtmlOk, 0.1).unwrap();
        let drawn: Vec<_> = (0..20_000).map(|index| failures.pick("/", 1, index)).collect();
        let share = |failure| drawn.iter().filter(|one| **one == failure).count() as f64 / 20_000.0;
        assert!((share(Some(Failure::Unavailable)) - 0.25).abs() < 0.02);
        assert!((share(Some(Failure::HtmlOk)) - 0.1).abs() < 0.02);
        assert_eq!(share(Some(Failure::BadGateway)), 0.0);

        for rate in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(failures.set_rate(Failure::BadGateway, rate).is_err());
        }
        let refused = failures.set_rate(Failure::BadGateway, 0.7).unwrap_err();
        assert!(refused.to_string().contains("at most 1"), "{refused}");
        failures.set_rate(Failure::BadGateway, 0.65).unwrap();
        assert!((0..20_000).all(|index| failures.pick("/", 1, index).is_some()));
    }

    #[test]
    fn the_place_in_the_list_is_the_place_of_the_rate() {
        for (place, failure) in Failure::ALL.into_iter().enumerate() {
            assert_eq!(failure as usize, place);
        }
    }

    #[test]
    fn what_is_queued_hits_the_first_call_that_fits() {
        let mut failures = Failures::default();
        failures.queue("/me*".into(), Failure::BadGateway);
        failures.queue("*".into(), Failure::Unavailable);
        assert_eq!(failures.pick("/auth/time", 1, 0), Some(Failure::Unavailable));
        assert_eq!(failures.pick("/auth/time", 1, 1), None);
        assert_eq!(failures.pick("/me", 1, 2), Some(Failure::BadGateway));
        assert_eq!(failures.pick("/me", 1, 3), None);
    }
}
