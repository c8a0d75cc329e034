//! What the handle, the layers and the calls in flight hold in common.

use wire_fault::CallId;

use crate::bell::Bell;
use crate::events;
use crate::failure::Reason;
use crate::ledger::Ledger;
use crate::outcome::{Outcome, proves_health};
use crate::role::Role;
use crate::threshold;
use crate::wall::Wall;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) calls: Ledger,
    pub(crate) attempts: Ledger,
    pub(crate) bell: Bell,
    pub(crate) wall: Wall,
}

impl Shared {
    pub(crate) fn new(wall: Wall) -> Self {
        Self {
            calls: Ledger::new(Some(threshold::DEFAULT)),
            // An attempt that fails and is repeated with success is the retry's daily work: no alarm.
            attempts: Ledger::new(None),
            bell: Bell::default(),
            wall,
        }
    }

    pub(crate) fn ledger(&self, role: Role) -> &Ledger {
        match role {
            Role::Calls => &self.calls,
            Role::Attempts => &self.attempts,
        }
    }

    /// Tells the streak how a call ended.
    pub(crate) fn follow(&self, role: Role, outcome: &Outcome, call: Option<CallId>) {
        match outcome {
            Outcome::Failed(reason) => self.ledger(role).fail(*reason, call, &self.wall, &self.bell),
            Outcome::Answered(status) if proves_health(*status) => {
                self.ledger(role).succeed(&self.wall, &self.bell);
            }
            Outcome::Answered(_) => {}
        }
    }

    /// Counts a service that failed before it took a request.
    pub(crate) fn not_ready(&self, role: Role, reason: Reason) {
        let ledger = self.ledger(role);
        ledger.counters.not_ready();
        events::not_ready(role, &reason);
        ledger.fail(reason, None, &self.wall, &self.bell);
    }
}
