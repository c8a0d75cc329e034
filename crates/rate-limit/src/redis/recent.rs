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
/// The last `untold` of them have not been reported to the server yet. Of these the last `fresh` were never to be: so their
/// slots, if they had any, lie in the record as they were reserved. Of older ones the numbers are kept, for a longer window to
/// come.
#[derive(Debug)]
pub(super) struct Recent {
    releases: VecDeque<Release>,
    untold: usize,
    fresh: usize,
    window: Duration,
    most: usize,
    gone: Gone,
}

/// Those that have left it.
#[derive(Clone, Copy, Debug, Default)]
struct Gone {
    /// How many of them the server knows of, and how many it may not: they had no slot that is surely in the record, and were
    /// not reported in time.
    told: usize,
    untold: usize,
    /// When the last was.
    last: Option<Instant>,
}

impl Recent {
    pub(super) fn new(window: Duration, most: usize) -> Self {
        Self { releases: VecDeque::new(), untold: 0, fresh: 0, window, most, gone: Gone::default() }
    }

    /// The bytes that a permit takes.
    pub(super) const ENTRY: usize = size_of::<Release>();

    /// Another window counts from now on. Of a longer one it is not known when the releases were that have left: they count
    /// as if made when the last of them was. The numbers from `next_id` on are theirs; returns the next.
    pub(super) fn resize(&mut self, window: Duration, most: usize, next_id: u64) -> u64 {
        let longer = window > self.window;
        (self.window, self.most) = (window, most);
        let mut id = next_id;
        let Some(at) = self.gone.last.filter(|_| longer) else { return id };
        let Gone { told, untold, .. } = std::mem::take(&mut self.gone);
        let untold = untold.min(most.saturating_sub(self.releases.len()));
        for _ in 0..untold {
            self.releases.push_front(Release { at, id, until: None });
            id += 1;
        }
        if untold > 0 {
            // It hears of all from the first of these on. To hear again what it knows does no harm.
            self.untell();
        }
        for _ in 0..told.min(most.saturating_sub(self.releases.len())) {
            self.releases.push_front(Release { at, id, until: None });
            id += 1;
        }
        id
    }

    pub(super) fn push(&mut self, release: Release) {
        self.forget(release.at);
        if self.releases.len() >= self.most {
            self.pop();
        }
        self.releases.push_back(release);
        self.untold = (self.untold + 1).min(self.releases.len());
        self.fresh = (self.fresh + 1).min(self.untold);
    }

    pub(super) fn forget(&mut self, now: Instant) {
        while self.releases.front().is_some_and(|first| now >= first.at + self.window) {
            self.pop();
        }
    }

    fn pop(&mut self) {
        let Some(Release { at, until, .. }) = self.releases.pop_front() else { return };
        let left = self.releases.len();
        let (was_untold, was_fresh) = (self.untold > left, self.fresh > left);
        (self.untold, self.fresh) = (self.untold.min(left), self.fresh.min(left));
        match was_untold && !(was_fresh && until.is_some()) {
            true => self.gone.untold += 1,
            false => self.gone.told += 1,
        }
        self.gone.last = Some(at);
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
        self.fresh = self.fresh.min(self.untold);
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
        (self.untold, self.fresh) = (self.releases.len(), 0);
    }

    /// The same, and perhaps it has not even what has left.
    pub(super) fn disown(&mut self) {
        self.untell();
        self.disown_gone();
    }

    /// Perhaps it has not what has left.
    pub(super) fn disown_gone(&mut self) {
        self.gone.untold += std::mem::take(&mut self.gone.told);
    }

    /// Takes a permit out that was released at this instant, and whether that may have been reported.
    pub(super) fn take_back(&mut self, at: Instant) -> Option<(Release, bool)> {
        let end = self.releases.partition_point(|release| release.at <= at);
        let index = end.checked_sub(1).filter(|&index| self.releases[index].at == at)?;
        let after = self.releases.len() - index;
        let told = after > self.fresh;
        self.untold -= usize::from(after <= self.untold);
        self.fresh -= usize::from(!told);
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

    #[test]
    fn what_may_have_been_reported_is_not_fresh_again() {
        let zero = Instant::now();
        let at = |millis| zero + Duration::from_millis(millis);
        let mut recent = Recent::new(Duration::from_secs(1), 9);
        let push = |recent: &mut Recent, id| {
            recent.push(Release { at: at(id * 100), id, until: Some(at(id * 100 + 50)) });
        };
        (0..5).for_each(|id| push(&mut recent, id));
        assert_eq!(recent.report(2).len(), 2);
        // Nobody knows whether that was heard.
        recent.untell();
        push(&mut recent, 5);
        for (millis, may_be) in [(100, true), (400, true), (500, false)] {
            assert!(recent.take_back(at(millis)).is_some_and(|(_, told)| told == may_be), "{millis}");
        }
        assert_eq!((recent.told(), recent.untold()), (0, 3));
        assert_eq!(recent.report(9).len(), 3);
        push(&mut recent, 6);
        assert!(recent.take_back(at(600)).is_some_and(|(_, told)| !told));
        assert_eq!((recent.told(), recent.untold()), (3, 0));
        // One that leaves while it is in the record is not told to a longer window again. If it may not be, it is.
        push(&mut recent, 7);
        recent.forget(at(2000));
        assert_eq!(recent.resize(Duration::from_secs(5), 9, 10), 14);
        assert_eq!(recent.untold(), 0);
        recent.forget(at(9999));
        recent.disown();
        assert_eq!(recent.resize(Duration::from_secs(10), 9, 20), 24);
        assert_eq!(recent.untold(), 4);
    }

    #[test]
    fn a_longer_window_counts_what_has_left_a_shorter_one() {
        let zero = Instant::now();
        let at = |millis| zero + Duration::from_millis(millis);
        let mut recent = Recent::new(Duration::from_secs(1), 10);
        let push = |recent: &mut Recent, id, until| recent.push(Release { at: at(id * 100), id, until });
        // Two that the server knows of, one that was never reported, one with a slot, and one that is still there.
        push(&mut recent, 0, None);
        push(&mut recent, 1, None);
        assert_eq!(recent.report(9).len(), 2);
        push(&mut recent, 2, None);
        push(&mut recent, 3, Some(at(350)));
        push(&mut recent, 19, None);
        recent.forget(at(2000));
        assert_eq!((recent.told(), recent.untold()), (0, 1));
        assert_eq!(
            recent.resize(Duration::from_millis(500), 10, 20),
            20,
            "a shorter window needs none of them"
        );
        assert_eq!(recent.resize(Duration::from_secs(60), 10, 20), 24);
        assert_eq!(recent.times().collect::<Vec<_>>(), [at(300), at(300), at(300), at(300), at(1900)]);
        // What the server knows is not reported, unless it has lost it.
        assert_eq!(recent.report(9), [(20, at(300)), (19, at(1900))]);
        recent.untell();
        assert_eq!(recent.report(9).len(), 5);
        // No more than the most.
        recent.forget(at(99_000));
        assert_eq!(recent.resize(Duration::from_secs(600), 3, 24), 27);
    }
}
