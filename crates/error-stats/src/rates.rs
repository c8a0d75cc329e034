//! Failures by how many requests shared their second.

/// Where the bins begin, in requests per second: about half a doubling each.
pub(crate) const BINS: [u64; 20] =
    [1, 2, 3, 4, 5, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128, 181, 256, 512, 1024, 4096];

/// The seconds of one bin: sums from which shares of failures follow, and how much they vary by the second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Bin {
    pub(crate) seconds: u64,
    pub(crate) ended: u64,
    pub(crate) failed: u64,
    ended_squared: u64,
    ended_failed: u64,
    failed_squared: u64,
}

impl Bin {
    pub(crate) fn add(&mut self, ended: u64, failed: u64) {
        self.seconds += 1;
        self.ended += ended;
        self.failed += failed;
        self.ended_squared = self.ended_squared.saturating_add(ended.saturating_mul(ended));
        self.ended_failed = self.ended_failed.saturating_add(ended.saturating_mul(failed));
        self.failed_squared = self.failed_squared.saturating_add(failed.saturating_mul(failed));
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.seconds += other.seconds;
        self.ended += other.ended;
        self.failed += other.failed;
        self.ended_squared = self.ended_squared.saturating_add(other.ended_squared);
        self.ended_failed = self.ended_failed.saturating_add(other.ended_failed);
        self.failed_squared = self.failed_squared.saturating_add(other.failed_squared);
    }

    /// The sum over the seconds of (failed − share × ended)².
    pub(crate) fn scatter(&self, share: f64) -> f64 {
        let cross = 2.0 * share * self.ended_failed as f64;
        (self.failed_squared as f64 - cross + share * share * self.ended_squared as f64).max(0.0)
    }
}

/// Ten minutes. Rates are compared within these only, so that an outage that falls into a busy hour is not taken
/// for the rate's doing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Stratum {
    pub(crate) number: u32,
    pub(crate) bins: [Bin; BINS.len()],
}

impl Stratum {
    pub(crate) fn of(number: u32) -> Self {
        Self { number, ..Self::default() }
    }

    /// Adds a second.
    pub(crate) fn add(&mut self, ended: u64, failed: u64) {
        if ended > 0 {
            self.bins[BINS.partition_point(|low| *low <= ended) - 1].add(ended, failed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_in_the_bin_of_its_rate() {
        let mut stratum = Stratum::of(0);
        for rate in [0, 1, 7, 8, 10, u32::MAX.into()] {
            stratum.add(rate, 0);
        }
        let filled: Vec<_> = (0..BINS.len()).filter(|at| stratum.bins[*at].seconds > 0).collect();
        assert_eq!(filled.iter().map(|at| BINS[*at]).collect::<Vec<_>>(), [1, 6, 8, 4096]);
        assert_eq!(stratum.bins[6].seconds, 2);
    }

    #[test]
    fn the_scatter_of_sums_is_that_of_the_seconds() {
        let seconds = [(10, 3), (12, 0), (11, 11), (10, 1)];
        let mut bin = Bin::default();
        for (ended, failed) in seconds {
            bin.add(ended, failed);
        }
        let direct: f64 = seconds.iter().map(|&(n, f)| (f as f64 - 0.25 * n as f64).powi(2)).sum();
        assert!((bin.scatter(0.25) - direct).abs() < 1e-9);
    }
}
