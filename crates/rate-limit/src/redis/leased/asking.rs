//! The question that is under way, and what becomes of it if nobody comes back with an answer.

use std::mem;
use std::ops::Range;
use std::time::Duration;

use tokio::time::Instant;

use super::super::ask::Ask;
use super::super::away::{Away, FleetState};
use super::super::link::Link;
use super::{Leased, Mode};
use crate::demand::Demand;

/// How late whoever is to see to something may come. Later than this, nobody has looked.
pub(super) const OVERDUE: Duration = Duration::from_millis(100);
/// When to see whether the server is back, if whoever asked did not come back.
const AGAIN: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(super) struct Asking {
    number: u64,
    /// Since when there has been no answer to this one, or to those in whose stead it was asked.
    pub(super) since: Instant,
    /// From when on another may ask in its stead.
    pub(super) yields_at: Instant,
    /// From then on there will be no answer: all who might ask stand still.
    ends_at: Instant,
    /// Calls wait for the answer.
    hurried: bool,
    permits: Range<u64>,
    /// What it gives back, too.
    returns: Vec<u64>,
    /// The permits whose slots it may move, and when the first of these could be used.
    moves: Vec<Range<u64>>,
    moves_by: Instant,
}

impl Leased {
    /// A question is to be sent now.
    pub(super) fn begin(&mut self, ask: &Ask, since: Instant, now: Instant) {
        let notice = self.feed.notice();
        // Whoever asks sees for itself when there is no answer in time. On a machine that is busy with other things it is
        // late for that, and perhaps the answer is there.
        let ends_at = ask.deadline.unwrap_or(now + Link::longest(notice)) + notice;
        let patience = (notice / 4).max(self.trip * 4);
        let yields_at = ask.deadline.map_or(ends_at, |_| ends_at.min(now + patience));
        let moves = ask.moves.iter().map(|one| one.first..one.first + u64::from(one.cost)).collect();
        self.asking = Some(Asking {
            number: ask.number,
            since,
            yields_at,
            ends_at,
            hurried: ask.deadline.is_some(),
            permits: ask.permits(),
            returns: ask.returns.clone(),
            moves,
            moves_by: now + self.far(),
        });
    }

    /// Somebody has come back from the question of this number. Returns whether it is the one that is waited for.
    pub(super) fn end(&mut self, number: u64) -> bool {
        self.asking.take_if(|asking| asking.number == number).is_some()
    }

    /// The answer to the question under way is not waited for any longer: it may have been done, or be done yet.
    pub(super) fn lose(&mut self) {
        self.lose_moves();
        let Some(Asking { permits, returns, .. }) = self.asking.take() else { return };
        self.recent.untell();
        self.returns.extend(permits.chain(returns));
    }

    /// Gives the slots back that the question under way may have moved: nobody knows where they are. Returns whether there
    /// were any.
    fn lose_moves(&mut self) -> bool {
        let moves = self.asking.as_mut().map(|asking| mem::take(&mut asking.moves)).unwrap_or_default();
        let returned = self.returns.len();
        for id in moves.into_iter().flatten() {
            // Unless it was given back meanwhile.
            if self.held.take(id).is_some() {
                self.returns.push(id);
            }
        }
        self.returns.len() > returned
    }

    /// The task that asked the question of this number, if one was under way, has ended.
    pub(in crate::redis) fn interrupted(&mut self, number: u64, now: Instant) {
        self.lose_asked(number);
        self.try_at_once(now);
    }

    /// A server that is away is to be tried now.
    pub(in crate::redis) fn try_at_once(&mut self, now: Instant) {
        self.retry_at = self.retry_at.min(now);
    }

    /// The same as [`lose`](Self::lose), if it is the question of this number.
    pub(super) fn lose_asked(&mut self, number: u64) {
        if self.is_asked(number) {
            self.lose();
        }
    }

    /// The question of this number, if it is under way, may be asked in its own stead. Returns whether it is.
    pub(super) fn yield_now(&mut self, number: u64, now: Instant) -> bool {
        let asking = self.asking.as_mut().filter(|asking| asking.number == number);
        asking.map(|asking| asking.yields_at = now).is_some()
    }

    /// Whether the question of this number is under way.
    pub(super) fn is_asked(&self, number: u64) -> bool {
        self.asking.as_ref().is_some_and(|asking| asking.number == number)
    }

    /// Gives back what is held beyond what those who wait want. None until the server has it all.
    pub(in crate::redis) fn flush(&mut self, Demand { costs, .. }: Demand<'_>) -> Option<Result<(), Away>> {
        if let Some((_, why)) = self.away() {
            return Some(Err(why));
        }
        let wanted = costs.fold(0_usize, |sum, cost| sum.saturating_add(cost as usize));
        let returned = self.returns.len();
        self.returns.extend(self.held.split_off(wanted));
        if self.returns.len() > returned {
            self.feed.ring();
        }
        // What is under way may bring more that nobody waits for.
        let brings =
            |asking: &Asking| !asking.returns.is_empty() || (wanted == 0 && !asking.permits.is_empty());
        let done = self.returns.is_empty() && !self.asking.as_ref().is_some_and(brings);
        done.then_some(Ok(()))
    }

    /// Looks whether somebody is late. Returns whether what may be released is less for that.
    pub(super) fn oversee(&mut self, now: Instant) -> bool {
        let over = self.asking.as_ref().and_then(|asking| now.checked_duration_since(asking.ends_at));
        let ended = over.is_some();
        match over {
            // Nobody waited, and nobody read the answer: that tells nothing of the server.
            Some(over) if over > OVERDUE => self.lose(),
            Some(_) => self.failed(Away::Silent, now + AGAIN, now),
            None => {}
        }
        let moves_by = self.asking.as_ref().map(|asking| asking.moves_by);
        let moved = moves_by.is_some_and(|by| by <= now) && self.lose_moves();
        let stale = !matches!(self.mode, Mode::Fleet) && !self.is_watched(now);
        let turned = stale && !self.stale;
        self.stale = stale;
        if ended || turned {
            self.feed.ring();
        }
        ended || turned || moved
    }

    /// Whether somebody sees to it that the return of a server that is away is noticed. Otherwise the next call does, as the
    /// first one did: it waits until there is an answer, or none in time.
    fn is_watched(&self, now: Instant) -> bool {
        match &self.asking {
            Some(asking) => !asking.hurried,
            None => now < self.retry_at + OVERDUE,
        }
    }

    pub(in crate::redis) fn is_away(&self) -> bool {
        self.away().is_some()
    }

    /// Since when the server is away, and why.
    pub(in crate::redis) fn away(&self) -> Option<(Instant, Away)> {
        match self.state {
            FleetState::Away { since, why } => Some((since, why)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
