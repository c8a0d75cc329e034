//! What the log is told of a server: once that it is away and once that it is back, however many limiters ask it.

use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::away::Away;

/// An outage that nobody has noticed for so long is another: whoever is alone tries twice a second, but may be dropped
/// before the server is back.
const ANOTHER: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(super) struct News(Mutex<Told>);

/// What was told and has not ended, and when it was last noticed.
#[derive(Debug, Default)]
struct Told {
    /// That it is away.
    away: Option<Instant>,
    /// That it refuses what some limiter asks, for what lies at its keys perhaps.
    refused: Option<Instant>,
    /// Since when it is back.
    back: Option<Instant>,
}

impl News {
    /// What was `asked` at that instant has failed. Returns whether that is news.
    pub(super) fn failed(&self, why: Away, asked: Instant, now: Instant) -> bool {
        let mut told = self.told();
        if told.back.is_some_and(|back| asked < back) {
            return false;
        }
        let last = told.of(why).replace(now);
        last.is_none_or(|last| now > last + ANOTHER)
    }

    /// A limiter for which it was away is answered. Returns whether that is news.
    pub(super) fn answered(&self, why: Away, now: Instant) -> bool {
        let mut told = self.told();
        told.back = Some(now);
        let ended = [mem::take(told.of(why)), mem::take(&mut told.away)];
        ended.iter().any(Option::is_some)
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    fn of(&mut self, why: Away) -> &mut Option<Instant> {
        match why {
            Away::Denied | Away::WrongType | Away::Refused => &mut self.refused,
            _ => &mut self.away,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_once() {
        let zero = Instant::now();
        let at = |millis| zero + Duration::from_millis(millis);
        let news = News::default();
        assert!(news.failed(Away::Silent, at(0), at(250)));
        assert!(!news.failed(Away::Unreachable, at(0), at(251)), "another limiter's");
        assert!(news.failed(Away::WrongType, at(0), at(252)), "something else");
        // It is back. One that has asked before that notices only now that it was away.
        assert!(news.answered(Away::Unreachable, at(500)));
        assert!(!news.failed(Away::Silent, at(300), at(501)));
        assert!(!news.answered(Away::Silent, at(510)), "for another");
        // What is wrong with the keys has nothing to do with it.
        assert!(!news.failed(Away::WrongType, at(600), at(601)));
        assert!(news.answered(Away::WrongType, at(700)));
        assert!(news.failed(Away::Silent, at(800), at(900)));
        // Whoever has noticed was dropped; later there is another outage.
        assert!(!news.failed(Away::Silent, at(9000), at(10_000)));
        assert!(news.failed(Away::Silent, at(20_000), at(20_001)));
    }
}
