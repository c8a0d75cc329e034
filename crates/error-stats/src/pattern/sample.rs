//! What a sample supports.

use std::fmt;

use crate::history::span::Span;

/// How many of how many failed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Ratio {
    /// Those that failed; or whatever else is counted of all.
    pub failed: u64,
    /// All.
    pub of: u64,
}

impl Ratio {
    pub(crate) const fn new(failed: u64, of: u64) -> Self {
        Self { failed, of }
    }

    /// The share that failed: 0 to 1. Zero of none.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.of == 0 { 0.0 } else { self.failed as f64 / self.of as f64 }
    }

    /// The highest share that this sample leaves plausible, if so many calls are one event: the upper end of Wilson's
    /// interval at two standard deviations (Wilson 1927, "Probable inference").
    pub(crate) fn upper(&self, together: f64) -> f64 {
        const Z: f64 = 2.0;
        let (n, share) = (self.of as f64 / together, self.share());
        if self.of == 0 {
            return 1.0;
        }
        let centre = share + Z * Z / (2.0 * n);
        let spread = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
        ((centre + spread) / (1.0 + Z * Z / n)).min(1.0)
    }

    /// An upper bound on the chance of at least so many failures, if each call fails with chance `share`.
    pub(crate) fn chance_of_more(&self, share: f64) -> f64 {
        if self.share() <= share { 1.0 } else { chernoff(self.of as f64, self.share(), share) }
    }

    /// An upper bound on the chance of at most so many failures, if each call fails with chance `share`.
    pub(crate) fn chance_of_fewer(&self, share: f64) -> f64 {
        if self.share() >= share { 1.0 } else { chernoff(self.of as f64, self.share(), share) }
    }
}

/// "12 of 340 (3.5 %)".
impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} ({:.1} %)", self.failed, self.of, 100.0 * self.share())
    }
}

/// All calls of some spans.
pub(crate) fn sum(spans: &[Span]) -> Ratio {
    let mut ratio = Ratio::default();
    for span in spans {
        ratio.failed += span.failed;
        ratio.of += span.ended;
    }
    ratio
}

/// How many calls fail or not together, as one event: how many times more the minutes' failures vary than those of calls that
/// fail each by itself would (Kish 1965, "design effect"). At least one. Each of the parts has a share of its own. A chance
/// for so many calls is raised to one over it.
pub(crate) fn together(parts: &[&[Span]]) -> f64 {
    let (mut squared, mut expected) = (0.0, 0.0);
    for minutes in parts {
        let all = sum(minutes);
        let share = all.share();
        expected += share * (1.0 - share) * all.of as f64;
        squared += minutes.iter().map(|m| (m.failed as f64 - share * m.ended as f64).powi(2)).sum::<f64>();
    }
    if expected > 0.0 { (squared / expected).max(1.0) } else { 1.0 }
}

/// Chernoff's bound on the mean of `n` independent figures between 0 and 1, expected to be `expected`, lying
/// as far out as `seen` (Hoeffding 1963, theorem 1): exp(−n · D(seen ‖ expected)).
pub(crate) fn chernoff(n: f64, seen: f64, expected: f64) -> f64 {
    (-n * divergence(seen, expected)).exp()
}

/// D(seen ‖ expected) of Kullback and Leibler, in nats. Infinite where what was seen can't be.
pub(crate) fn divergence(seen: f64, expected: f64) -> f64 {
    let part = |seen: f64, expected: f64| if seen == 0.0 { 0.0 } else { seen * (seen / expected).ln() };
    part(seen, expected) + part(1.0 - seen, 1.0 - expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exact tail, by the binomial's recurrence.
    fn exact_more(ratio: Ratio, share: f64) -> f64 {
        let n = ratio.of as f64;
        let mut term = (1.0 - share).powf(n);
        let mut below = 0.0;
        for k in 0..ratio.failed {
            below += term;
            term *= (n - k as f64) / (k as f64 + 1.0) * share / (1.0 - share);
        }
        1.0 - below
    }

    #[test]
    fn the_bound_is_above_the_exact_tail_and_not_far() {
        for of in [5, 20, 100] {
            for failed in 1..=of {
                for share in [0.01, 0.1, 0.5, 0.9] {
                    let ratio = Ratio::new(failed, of);
                    let (bound, exact) = (ratio.chance_of_more(share), exact_more(ratio, share));
                    assert!(bound >= exact - 1e-9, "{ratio} at {share}: {bound} < {exact}");
                    assert!(bound <= 1.0 && bound <= 40.0 * exact.max(1e-9) + 0.5);
                    // The other tail, by symmetry.
                    let mirrored = Ratio::new(of - failed, of).chance_of_fewer(1.0 - share);
                    assert!((mirrored - bound).abs() < 1e-9);
                }
            }
        }
    }

    #[test]
    fn the_upper_end_of_the_interval() {
        assert!((Ratio::new(0, 100).upper(1.0) - 0.0385).abs() < 1e-3);
        assert!((Ratio::new(50, 100).upper(1.0) - 0.598).abs() < 1e-3);
        assert_eq!(Ratio::new(0, 0).upper(1.0), 1.0);
        assert!(Ratio::new(10, 10).upper(1.0) > 0.9999);
        assert_eq!(Ratio::new(30, 300).upper(3.0), Ratio::new(10, 100).upper(1.0));
    }

    #[test]
    fn calls_that_fail_together_are_one_event() {
        let minutes = |failed: &[u64]| {
            let span = |&failed| Span { ended: 10, failed, ..Span::default() };
            failed.iter().map(span).collect::<Vec<_>>()
        };
        let (well, bursts, steady) = (minutes(&[0; 9]), minutes(&[0, 10, 0, 10]), minutes(&[5; 4]));
        assert_eq!(together(&[&well]), 1.0);
        assert_eq!(together(&[&steady]), 1.0);
        assert_eq!(together(&[&bursts]), 10.0);
        // A step between two parts is not within them.
        assert_eq!(together(&[&well, &steady]), 1.0);
        assert_eq!(together(&[&bursts, &steady]), 5.0);
    }
}
