//! Failures by how many requests shared their second.

/// Where the bins begin, in requests per second: about half a doubling each.
pub(crate) const BINS: [u64; 20] =
    [1, 2, 3, 4, 5, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128, 181, 256, 512, 1024, 4096];

/// How many seconds are compared with each other, and with no others. What changes by the minute or the hour, an outage say,
/// is the same for nearly all of them.
pub(crate) const WINDOW: u32 = 30;

/// Seconds of one bin.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Bin {
    pub(crate) seconds: u32,
    pub(crate) ended: u64,
    pub(crate) failed: u64,
    /// For each failure, how many went well in its second.
    beside: f32,
}

impl Bin {
    pub(crate) fn add(&mut self, ended: u64, failed: u64) {
        self.seconds += 1;
        self.ended += ended;
        self.failed += failed;
        self.beside += failed as f32 * (ended - failed) as f32;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.seconds += other.seconds;
        self.ended += other.ended;
        self.failed += other.failed;
        self.beside += other.beside;
    }

    /// How many went well in the second that the average failure was in.
    pub(crate) fn well_beside_failures(&self) -> f64 {
        if self.failed == 0 { 0.0 } else { f64::from(self.beside) / self.failed as f64 }
    }
}

/// What speaks for a rate, from which on more fail: summed over windows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Score {
    /// How many more failed in the busy seconds than their share of the calls.
    pub(crate) more: f32,
    /// Its square, and what that would be if calls failed each by itself.
    pub(crate) squared: f32,
    pub(crate) expected: f32,
    /// The calls of the quiet seconds of windows in which any failed, and those of them that did.
    pub(crate) quiet: f32,
    pub(crate) quiet_failed: f32,
}

impl Score {
    pub(crate) fn merge(&mut self, other: &Self) {
        self.more += other.more;
        self.squared += other.squared;
        self.expected += other.expected;
        self.quiet += other.quiet;
        self.quiet_failed += other.quiet_failed;
    }

    /// The share of failures in quiet seconds near others that have some.
    pub(crate) fn quiet_share(&self) -> f64 {
        if self.quiet == 0.0 { 0.0 } else { f64::from(self.quiet_failed / self.quiet) }
    }

    fn add(&mut self, quiet: &Bin, busy: &Bin) {
        if quiet.ended == 0 || busy.ended == 0 || quiet.failed + busy.failed == 0 {
            return;
        }
        let all = (quiet.ended + busy.ended) as f32;
        let (share, weight) = ((quiet.failed + busy.failed) as f32 / all, busy.ended as f32 / all);
        let more = busy.failed as f32 - share * busy.ended as f32;
        let expected = share * (1.0 - share) * (1.0 - weight) * busy.ended as f32;
        let (quiet, quiet_failed) = (quiet.ended as f32, quiet.failed as f32);
        self.merge(&Self { more, squared: more * more, expected, quiet, quiet_failed });
    }
}

/// The seconds that are being compared.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Window {
    pub(crate) number: u32,
    bins: [Bin; BINS.len()],
}

impl Window {
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

/// Ten minutes of windows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Stratum {
    pub(crate) number: u32,
    pub(crate) bins: [Bin; BINS.len()],
    /// By the bin that the busy seconds begin with.
    pub(crate) scores: [Score; BINS.len()],
}

impl Stratum {
    pub(crate) fn of(number: u32) -> Self {
        Self { number, ..Self::default() }
    }

    /// Adds a window that is over.
    pub(crate) fn add(&mut self, window: &Window) {
        let mut busy = Bin::default();
        window.bins.iter().for_each(|bin| busy.merge(bin));
        // The same in every second: nothing to compare.
        let filled = window.bins.iter().filter(|bin| bin.seconds > 0).count();
        let mut quiet = Bin::default();
        for (at, bin) in window.bins.iter().enumerate() {
            if filled > 1 {
                let rest =
                    Bin { ended: busy.ended - quiet.ended, failed: busy.failed - quiet.failed, ..busy };
                self.scores[at].add(&quiet, &rest);
            }
            quiet.merge(bin);
            self.bins[at].merge(bin);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_in_the_bin_of_its_rate() {
        let mut window = Window::of(0);
        for rate in [0, 1, 7, 8, 10, u32::MAX.into()] {
            window.add(rate, 0);
        }
        let mut stratum = Stratum::of(0);
        stratum.add(&window);
        let filled: Vec<_> = (0..BINS.len()).filter(|at| stratum.bins[*at].seconds > 0).collect();
        assert_eq!(filled.iter().map(|at| BINS[*at]).collect::<Vec<_>>(), [1, 6, 8, 4096]);
        assert_eq!(stratum.bins[6].seconds, 2);
    }

    #[test]
    fn a_windows_score_is_what_the_busy_seconds_have_too_many() {
        let mut window = Window::of(0);
        for (ended, failed) in [(2, 0), (2, 0), (10, 5), (6, 0)] {
            window.add(ended, failed);
        }
        let mut stratum = Stratum::of(0);
        stratum.add(&window);
        // Five of twenty: the busiest second would have had 2.5.
        let Score { more, squared, expected, quiet, quiet_failed } = stratum.scores[6];
        assert_eq!((BINS[6], more, squared, quiet, quiet_failed), (8, 2.5, 6.25, 10.0, 0.0));
        assert!((expected - 20.0 * 0.25 * 0.75 * 0.5 * 0.5).abs() < 1e-6);
        // Where all are busy or all are quiet there is nothing to compare.
        assert_eq!((stratum.scores[0], stratum.scores[9]), (Score::default(), Score::default()));
        assert!((stratum.bins[6].well_beside_failures() - 5.0).abs() < 1e-9);
    }
}
