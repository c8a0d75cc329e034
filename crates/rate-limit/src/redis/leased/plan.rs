//! What to ask, and when.

use std::time::Duration;

use tokio::time::Instant;

use super::super::ask::{Ask, MOST, Move};
use super::asking::OVERDUE;
use super::{Leased, SOON};
use crate::admission::Admit;
use crate::demand::Demand;

/// What tokio's timer may be late by, and what it takes to send a question.
const SLACK: Duration = Duration::from_millis(5);

/// How far ahead a slot is, at least, of which it is worth asking whether there is an earlier one; and how often at most, and
/// at least, that is asked.
const FAR: Duration = Duration::from_millis(250);
const SELDOM: Duration = Duration::from_secs(2);
/// How often at most the server is asked for those who would not wait, if it has told that nothing would be free.
const SOMETIMES: Duration = Duration::from_millis(50);

/// What is to be done for a limiter next.
#[derive(Debug)]
pub(in crate::redis) enum Plan {
    /// Nothing, until this instant, or somebody asks.
    Wait(Option<Instant>),
    Ask(Box<Ask>),
}

/// What to ask for.
enum Want {
    /// These slots.
    Slots(Vec<u32>),
    /// These slots, those that are free now.
    Free(Vec<u32>),
    /// None: there is something to tell. Or, as a `probe`, to see whether the server is back; if that is `hurried`, calls wait.
    Nothing { probe: bool, hurried: bool },
}

impl Leased {
    /// What to do next. Who can't ask (not `asks`) says so to those who wait, and looks for nobody else.
    pub(in crate::redis) fn plan(
        &mut self,
        Demand { costs, hold }: Demand<'_>,
        asks: bool,
        now: Instant,
    ) -> Plan {
        self.recent.forget(now);
        let mut since = now;
        if let Some(asking) = &self.asking {
            if now < asking.yields_at {
                return Plan::Wait(Some(asking.yields_at));
            }
            // Whoever asks stands still, perhaps. Nobody waits longer for that; but if nobody has looked, nobody has waited.
            let looked = now < asking.yields_at + OVERDUE.min(self.feed.notice() / 4);
            since = if looked { asking.since } else { now };
            self.lose();
        }
        let mut costs = costs.peekable();
        let tried = self.tried.take();
        if self.is_away() {
            if now < self.retry_at {
                return Plan::Wait(Some(self.retry_at));
            }
            let hurried = self.stale && costs.peek().is_some();
            if !asks && !hurried {
                return Plan::Wait(None);
            }
            return Plan::Ask(self.ask(Want::Nothing { probe: true, hurried }, since, now));
        }
        let move_at = costs.peek().and_then(|_| self.move_at(now)).max(hold);
        let wants = self.wants(costs);
        // Others are not kept from a slot any longer than it takes to use the one before.
        let before = self.held.last().max(hold);
        let soonest = before.and_then(|before| before.checked_sub(self.lead())).max(self.ask_no_sooner);
        let ask_at = (!wants.is_empty()).then(|| soonest.unwrap_or(now).max(now));
        if ask_at == Some(now) {
            return Plan::Ask(self.ask(Want::Slots(wants), since, now));
        }
        if let Some(wants) = tried.filter(|_| hold.is_none()).and_then(|cost| self.try_for(cost, now)) {
            return Plan::Ask(self.ask(Want::Free(wants), since, now));
        }
        if !self.returns.is_empty() || move_at.is_some_and(|at| at <= now) {
            return Plan::Ask(self.ask(Want::Nothing { probe: false, hurried: true }, since, now));
        }
        let due = self.held.due(now);
        Plan::Wait([ask_at, move_at, due, self.held.first_end()].into_iter().flatten().min())
    }

    /// Somebody who would not wait went without so many permits.
    pub(in crate::redis) fn tried(&mut self, cost: u32, now: Instant) {
        if !self.is_away() && self.tried.is_none() && self.try_for(cost, now).is_some() {
            self.tried = Some(cost);
            self.feed.ring();
        }
    }

    /// As [`tried`](Self::tried), for those who sleep until a permit is near: when it should be there, and now and then before.
    pub(in crate::redis) fn awaited(&mut self, now: Instant) {
        let ahead = self.permits(now, 1, SOON).saturating_duration_since(now);
        if ahead <= self.lead() || now >= self.asked_at + seldom(ahead) {
            self.tried(1, now);
        }
    }

    /// What to ask for, so that there may be something for the next who would not wait; if the server may have it.
    fn try_for(&self, cost: u32, now: Instant) -> Option<Vec<u32>> {
        // Of those that are far ahead the server is asked, too, whether they can come sooner.
        let near = self.held.time_of(cost.into()).is_some_and(|from| from <= now + self.far());
        let lacks = !near && cost <= self.quotas.most().min(self.most());
        let hopes = now + self.lead() >= self.next || now >= self.asked_at + SOMETIMES;
        let mut wants = vec![cost];
        wants.resize(self.lease().min(1 + MOST.saturating_sub(cost as usize)), 1);
        (lacks && hopes).then_some(wants)
    }

    /// When to ask whether the slot that the first waits for could come sooner.
    fn move_at(&self, now: Instant) -> Option<Instant> {
        let ahead = self.held.first()?.checked_duration_since(now + self.far())?;
        Some(self.asked_at + seldom(ahead))
    }

    /// No slot is used while a question is under way that may move it.
    pub(super) fn far(&self) -> Duration {
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
        // They were held by this machine's clock. None is to overtake another.
        moves.sort_by_key(|one| one.at);
        moves
    }

    /// The permits that those who wait lack, as the slots to ask for, and what a lease has beside them: no more than one
    /// question may reserve.
    fn wants(&self, costs: impl Iterator<Item = u32>) -> Vec<u32> {
        let mut wants = Vec::new();
        let mut held = self.held.len();
        let mut room = MOST;
        for cost in costs {
            if let Some(left) = held.checked_sub(cost as usize) {
                held = left;
                continue;
            }
            let Some(left) = room.checked_sub(cost as usize) else { break };
            room = left;
            wants.push(cost);
        }
        if !wants.is_empty() {
            let lease = self.lease().min(wants.len() + room);
            wants.resize(wants.len().max(lease), 1);
        }
        wants
    }

    /// How many slots to reserve at a time: no more than a window brings.
    fn lease(&self) -> usize {
        self.feed.lease().min(self.quotas.most() as usize)
    }

    /// How long before a slot's time the one behind it is asked for.
    fn lead(&self) -> Duration {
        self.trip * 2 + SLACK
    }

    fn ask(&mut self, want: Want, since: Instant, now: Instant) -> Box<Ask> {
        let (mut wants, least, probe, hurried) = match want {
            Want::Slots(wants) => (wants, self.lease(), false, true),
            Want::Free(wants) => (wants, 0, false, true),
            Want::Nothing { probe, hurried } => (Vec::new(), 0, probe, hurried),
        };
        self.asked_at = now;
        let reports = self.recent.report(MOST);
        if self.recent.untold() > 0 {
            // First all that was released, then more.
            wants.clear();
        }
        let first = self.next_id;
        let returned = self.returns.len().saturating_sub(MOST);
        self.asked += 1;
        let ask = Ask {
            number: self.asked,
            deadline: hurried.then(|| since + self.feed.notice()),
            quotas: self.quotas.clone(),
            lateness: self.lateness,
            // If that is too short twice, the answers take more than four times as long as one did.
            arrival: (self.slow_trip * 2).min(self.feed.notice()),
            horizon: self.lead(),
            least,
            epoch: self.epoch,
            known: self.recent.told() > reports.len() || !self.held.is_empty(),
            over: self.over,
            moves: self.moves(now),
            first,
            wants,
            reports,
            returns: self.returns.split_off(returned),
            probe,
        };
        self.next_id = ask.permits().end;
        self.begin(&ask, since, now);
        Box::new(ask)
    }
}

/// How often to ask whether a slot so far ahead could come sooner.
fn seldom(ahead: Duration) -> Duration {
    (ahead / 4).clamp(FAR, SELDOM)
}
