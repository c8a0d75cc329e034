//! What the log is told of a server: once that it is away and once that it is back, however many limiters ask it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::away::Away;

#[derive(Debug, Default)]
pub(super) struct News(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    /// That it is away.
    away: bool,
    /// That it is of no use for what lies at some limiter's keys, or refuses what some limiter asks.
    refused: bool,
    /// Since when it is back.
    back: Option<Instant>,
}

impl News {
    /// What was asked at that instant has failed. Returns whether that is news.
    pub(super) fn failed(&self, why: Away, asked: Instant) -> bool {
        let mut told = self.told();
        if told.back.is_some_and(|back| asked < back) {
            return false;
        }
        !std::mem::replace(told.of(why), true)
    }

    /// A limiter for which it was away is answered. Returns whether that is news.
    pub(super) fn answered(&self, why: Away, now: Instant) -> bool {
        let mut told = self.told();
        told.back = Some(now);
        let news = std::mem::take(told.of(why));
        news | std::mem::take(&mut told.away)
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    fn of(&mut self, why: Away) -> &mut bool {
        match why {
            Away::WrongType | Away::Refused => &mut self.refused,
            _ => &mut self.away,
        }
    }
}
