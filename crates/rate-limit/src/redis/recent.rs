//! What this process has released lately.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// One permit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Release {
    pub(super) at: Instant,
    pub(super) id: u64,
    /// Until when its slot could have been used; none if it had none.
    pub(super) until: Option<Instant>,
}

/// The permits that were released within a window, oldest first; of more than `most` the newest, for more never count.
///
/// The last `untold` of them have not been reported to the server yet.
#[derive(Debug)]
pub(super) struct Recent {
    releases: VecDeque<Release>,
    untold: usize,
    window: Duration,
    most: usize,
}

impl Recent {
    pub(super) fn new(window: Duration, most: usize) -> Self {
        Self { releases: VecDeque::new(), untold: 0, window, most }
    }

    /// The bytes that a permit takes.
    pub(super) const ENTRY: usize = size_of::<Release>();

    pub(super) fn resize(&mut self, window: Duration, most: usize) {
        (self.window, self.most) = (window, most);
    }

    pub(super) fn push(&mut self, release: Release) {
        self.forget(release.at);
        if self.releases.len() >= self.most {
            self.releases.pop_front();
        }
        self.releases.push_back(release);
        self.untold = (self.untold + 1).min(self.releases.len());
    }

    pub(super) fn forget(&mut self, now: Instant) {
        while self.releases.front().is_some_and(|first| now >= first.at + self.window) {
            self.releases.pop_front();
        }
        self.untold = self.untold.min(self.releases.len());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.releases.is_empty()
    }

    pub(super) fn times(&self) -> impl Iterator<Item = Instant> {
        self.releases.iter().map(|release| release.at)
    }

    /// The oldest that were not reported, up to `most`; they count as reported from now on.
    pub(super) fn report(&mut self, most: usize) -> Vec<(u64, Instant)> {
        let from = self.releases.len() - self.untold;
        let upto = self.releases.len().min(from + most);
        self.untold = self.releases.len() - upto;
        self.releases.range(from..upto).map(|release| (release.id, release.at)).collect()
    }

    pub(super) fn untold(&self) -> usize {
        self.untold
    }

    pub(super) fn told(&self) -> usize {
        self.releases.len() - self.untold
    }

    /// All are to be reported: nobody knows what the server has of them.
    pub(super) fn untell(&mut self) {
        self.untold = self.releases.len();
    }

    /// Takes a permit out that was released at this instant, and whether that was reported.
    pub(super) fn take_back(&mut self, at: Instant) -> Option<(Release, bool)> {
        let end = self.releases.partition_point(|release| release.at <= at);
        let index = end.checked_sub(1).filter(|&index| self.releases[index].at == at)?;
        let told = index < self.told();
        if !told {
            self.untold -= 1;
        }
        self.releases.remove(index).map(|release| (release, told))
    }

    /// The clock has gone back: whatever lies later is taken to have happened now.
    pub(super) fn rewind(&mut self, now: Instant) {
        for release in self.releases.iter_mut().rev().take_while(|release| release.at > now) {
            release.at = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_each_once_and_all_again_if_asked() {
        let zero = Instant::now();
        let at = |millis| zero + Duration::from_millis(millis);
        let mut recent = Recent::new(Duration::from_secs(1), 4);
        let push = |recent: &mut Recent, id| recent.push(Release { at: at(id * 100), id, until: None });
        (0..3).for_each(|id| push(&mut recent, id));
        assert_eq!(recent.report(2), [(0, at(0)), (1, at(100))]);
        assert_eq!((recent.told(), recent.untold()), (2, 1));
        // One that was not reported is taken back, and one that was.
        assert!(recent.take_back(at(200)).is_some_and(|(release, told)| release.id == 2 && !told));
        assert!(recent.take_back(at(100)).is_some_and(|(release, told)| release.id == 1 && told));
        assert!(recent.take_back(at(150)).is_none());
        assert_eq!(recent.report(9), []);
        (3..8).for_each(|id| push(&mut recent, id));
        assert_eq!(recent.times().count(), 4, "no more than the most");
        assert_eq!(recent.report(9).len(), 4);
        recent.untell();
        assert_eq!(recent.report(9).len(), 4);
        // At 1.5 s, what was released at 0.5 s or before counts no longer.
        recent.forget(at(1500));
        assert_eq!((recent.told(), recent.untold()), (2, 0));
        recent.forget(at(9999));
        assert!(recent.is_empty());
    }
}
