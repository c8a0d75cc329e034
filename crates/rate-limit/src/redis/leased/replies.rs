//! What follows from an answer, and from there being none.

use std::time::Duration;

use tokio::time::Instant;

use super::super::ask::{Ask, MOST, Status};
use super::super::away::{Away, FleetState};
use super::super::fallback::Fallback;
use super::super::link::Answer;
use super::asking::OVERDUE;
use super::slots::Held;
use super::{Leased, Mode};
use crate::admission::admission_after;

/// How often at most the server is asked when it has no slot within its reach.
const FULL: Duration = Duration::from_millis(50);

impl Leased {
    /// The server has answered, in so much time.
    pub(in crate::redis) fn answered(&mut self, ask: &Ask, answer: &Answer, now: Instant) {
        let Answer { reply, clock, trip, .. } = answer;
        if !self.end(ask.number) {
            // It was asked again meanwhile, and perhaps done only after that.
            let reserved = reply.waits.iter().zip(&ask.wants).map(|(_, &cost)| u64::from(cost)).sum::<u64>();
            self.returns.extend(ask.first..ask.first + reserved);
            // What was to be moved is held no longer, but may have been put there once more.
            self.returns.extend(ask.moved());
            return;
        }
        self.trip = (self.trip * 3 + *trip) / 4;
        self.slow_trip = (*trip).max((self.slow_trip * 3 + *trip) / 4);
        if reply.status == Status::Late {
            self.returns.extend(&ask.returns);
            // The clock knows better now.
            self.recent.untell();
            return;
        }
        if reply.epoch != self.epoch || answer.over > self.over {
            self.recent.disown_gone();
        }
        self.epoch = reply.epoch;
        self.over = self.over.max(answer.over);
        if reply.status == Status::Unknown {
            self.anew();
        }
        if ask.probe {
            if self.recent.untold() > MOST {
                // There is more to tell, first, and at once.
                self.retry_at = now;
                return;
            }
            self.mode = Mode::Fleet;
            self.stale = false;
        }
        self.state = FleetState::Connected;
        for (one, &wait) in ask.moves.iter().zip(&reply.moved).filter(|&(_, &wait)| wait >= 0) {
            for id in one.first..one.first + u64::from(one.cost) {
                // It may have been used meanwhile, or given back.
                if self.held.take(id).is_some() {
                    self.reserved(id, reply.now.saturating_add(wait), ask, answer);
                }
            }
        }
        let mut ids = ask.permits();
        for (&cost, &wait) in ask.wants.iter().zip(&reply.waits) {
            for id in ids.by_ref().take(cost as usize) {
                self.reserved(id, reply.now.saturating_add(wait), ask, answer);
            }
        }
        self.next = clock.not_before(reply.now.saturating_add(reply.next)).unwrap_or(now);
        #[cfg(feature = "server")]
        {
            let more = |wait| clock.not_before(reply.now.saturating_add(wait));
            let told = |&(free, wait)| (free, (wait > 0).then(|| more(wait)).flatten());
            self.told = reply.standings.iter().map(told).collect();
        }
        let full =
            reply.status == Status::Done && reply.waits.is_empty() && !ask.wants.is_empty() && ask.least > 0;
        self.ask_no_sooner = full.then(|| {
            let reach = self.quotas.window().saturating_mul(8);
            now + self.next.saturating_duration_since(now).saturating_sub(reach).max(FULL)
        });
    }

    /// The question of this number was not asked: it relied on what the server may not have any more, over a connection of
    /// that number. It is to be asked anew, at once; nobody waits longer for that.
    pub(in crate::redis) fn elsewhere(&mut self, number: u64, over: u64, now: Instant) {
        if self.yield_now(number, now) {
            self.over = self.over.max(over);
            self.anew();
        }
    }

    /// The server may know nothing. So all that was released is to be reported before more is reserved, and what is held must
    /// not be used: others may have reserved what they have seen to be free. (If it is there still, it is given back.)
    fn anew(&mut self) {
        self.recent.disown();
        self.returns.extend(self.held.drain());
    }

    /// There is no answer. The server is to be asked again at `retry_at`. Returns whether that counts.
    pub(in crate::redis) fn unanswered(
        &mut self,
        ask: &Ask,
        why: Away,
        retry_at: Instant,
        now: Instant,
    ) -> bool {
        let late = ask.deadline.is_some_and(|deadline| now > deadline + OVERDUE);
        if why == Away::Silent && late {
            // Its runtime stood still: perhaps the answer has been there for long.
            self.lose_asked(ask.number);
            return false;
        }
        let counts = self.is_asked(ask.number);
        if counts {
            self.failed(why, retry_at, now);
        }
        counts
    }

    /// The server is of no use. It is to be asked again at `retry_at`.
    pub(in crate::redis) fn failed(&mut self, why: Away, retry_at: Instant, now: Instant) {
        self.retry_at = retry_at;
        self.stale = false;
        // What was asked may have been done, or not.
        self.lose();
        // Nor is it known how long this takes. What is held is given back then, unless that is so much that it is better left
        // to be forgotten.
        self.anew();
        self.returns.drain(..self.returns.len().saturating_sub(MOST));
        if let FleetState::Away { since, .. } = self.state {
            self.state = FleetState::Away { since, why };
            if let Mode::Refuse(old) = &mut self.mode {
                *old = why;
            }
            return;
        }
        self.state = FleetState::Away { since: now, why };
        self.mode = match self.feed.fallback() {
            Fallback::Local(quotas) => Mode::Local {
                most: quotas.most(),
                admission: admission_after(quotas, self.recent.times(), now),
            },
            Fallback::Refuse => Mode::Refuse(why),
            Fallback::Allow => Mode::Allow,
        };
    }

    /// A permit may be used from `at` on, by the server's clock.
    fn reserved(&mut self, id: u64, at: i64, ask: &Ask, Answer { reply, clock, lateness, .. }: &Answer) {
        let end = ask.end(reply.now, at, *lateness);
        match clock.not_before(at).zip(clock.not_after(end)) {
            Some((from, until)) if from <= until => {
                self.held.hold(Held { from, until, id, slot: Some((at, end)) });
            }
            _ => self.returns.push(id),
        }
    }
}
