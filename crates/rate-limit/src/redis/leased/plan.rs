//! What to ask, and when.

use std::time::Duration;

use tokio::time::Instant;

use super::super::ask::{Ask, MOST, Move};
use super::super::away::FleetState;
use super::Leased;
use crate::demand::Demand;

/// What tokio's timer may be late by, and what it takes to send a question.
const SLACK: Duration = Duration::from_millis(5);

/// How far ahead a slot is, at least, of which it is worth asking whether there is an earlier one; and how often at most, and
/// at least, that is asked.
const FAR: Duration = Duration::from_millis(250);
const SELDOM: Duration = Duration::from_secs(2);

/// What is to be done for a limiter next.
#[derive(Debug)]
pub(in crate::redis) enum Plan {
    /// Nothing, until this instant, or somebody asks.
    Wait(Option<Instant>),
    Ask(Ask),
}

impl Leased {
    /// What to do next.
    pub(in crate::redis) fn plan(&mut self, Demand { costs, hold }: Demand<'_>, now: Instant) -> Plan {
        self.recent.forget(now);
        if let FleetState::Away { .. } = self.state {
            return match now < self.retry_at {
                true => Plan::Wait(Some(self.retry_at)),
                false => Plan::Ask(self.ask(Vec::new(), true, now)),
            };
        }
        let mut costs = costs.peekable();
        let move_at = costs.peek().and_then(|_| self.move_at(now)).max(hold);
        let mut wants = self.wants(costs);
        let lease = self.feed.lease();
        if !wants.is_empty() {
            wants.resize(wants.len().max(lease), 1);
        }
        // Others are not kept from a slot any longer than it takes to use the one before.
        let before = self.held.last().max(hold);
        let soonest = before.and_then(|before| before.checked_sub(self.lead())).max(self.ask_no_sooner);
        let ask_at = (!wants.is_empty()).then(|| soonest.unwrap_or(now).max(now));
        if ask_at == Some(now) {
            return Plan::Ask(self.ask(wants, false, now));
        }
        if !self.returns.is_empty() || move_at.is_some_and(|at| at <= now) {
            return Plan::Ask(self.ask(Vec::new(), false, now));
        }
        let due = self.held.due(now);
        Plan::Wait([ask_at, move_at, due, self.held.first_end()].into_iter().flatten().min())
    }

    /// When to ask whether the slot that the first waits for could come sooner.
    fn move_at(&self, now: Instant) -> Option<Instant> {
        let ahead = self.held.first()?.checked_duration_since(now + self.far())?;
        Some(self.asked_at + (ahead / 4).clamp(FAR, SELDOM))
    }

    /// No slot is used while a question is under way that may move it.
    fn far(&self) -> Duration {
        FAR.max(self.feed.notice())
    }

    /// The slots that are far ahead.
    fn moves(&self, now: Instant) -> Vec<Move> {
        let mut moves: Vec<Move> = Vec::new();
        for held in self.held.iter().filter(|held| held.from > now + self.far()).take(MOST) {
            let Some((at, end)) = held.slot else { continue };
            match moves.last_mut() {
                // The permits of one call stay together.
                Some(last) if last.at == at && last.first + u64::from(last.cost) == held.id => last.cost += 1,
                _ => moves.push(Move { first: held.id, cost: 1, at, end }),
            }
        }
        moves
    }

    /// The permits that those who wait lack, as the slots to ask for.
    fn wants(&self, costs: impl Iterator<Item = u32>) -> Vec<u32> {
        let mut wants = Vec::new();
        let mut held = self.held.len();
        for cost in costs {
            match held.checked_sub(cost as usize) {
                Some(left) => held = left,
                None => wants.push(cost),
            }
            if wants.len() == MOST {
                break;
            }
        }
        wants
    }

    /// How long before a slot's time the one behind it is asked for.
    fn lead(&self) -> Duration {
        self.trip * 2 + SLACK
    }

    fn ask(&mut self, mut wants: Vec<u32>, probe: bool, now: Instant) -> Ask {
        self.asked_at = now;
        let reports = self.recent.report(MOST);
        if self.recent.untold() > 0 {
            // First all that was released, then more.
            wants.clear();
        }
        let first = self.next_id;
        let returned = self.returns.len().saturating_sub(MOST);
        let ask = Ask {
            quotas: self.quotas.clone(),
            lateness: self.lateness,
            horizon: self.lead(),
            least: self.feed.lease(),
            epoch: self.epoch,
            known: self.recent.told() > reports.len(),
            moves: self.moves(now),
            first,
            wants,
            reports,
            returns: self.returns.split_off(returned),
            probe,
        };
        self.next_id = ask.permits().end;
        ask
    }
}
