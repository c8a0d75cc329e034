//! Which attempts that came to nothing belong to calls that are still under way: to know which of them were healed, and
//! which of them their callers gave up with the call.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use wire_fault::CallId;

use crate::guard::lock;

/// A call with failed attempts looks for its entry in one of so many parts, so that its end rarely meets a
/// lock, and a call without any in the part takes none.
const PARTS: usize = 16;

/// Calls with failed attempts under way at once that a part has room for: a thousand in all.
const ROOM: usize = 64;

/// What a thousand entries take.
#[cfg(test)]
pub(crate) const HEAP: usize = PARTS * ROOM * size_of::<Entry>();

#[derive(Debug)]
pub(crate) struct Joins {
    parts: [Part; PARTS],
    healed: AtomicU64,
    unjoined: AtomicU64,
    /// When the last attempt came to nothing, or was forgotten, of which the call is not known: as the wall's offset, plus
    /// one; zero is never.
    stray: AtomicU64,
}

#[derive(Debug)]
#[repr(align(128))]
struct Part {
    /// How many entries there are, kept beside the lock. The end of a call sees the entries of its own
    /// attempts at least: they came before it.
    entries: AtomicUsize,
    /// By id, which is nearly by age.
    open: Mutex<Vec<Entry>>,
}

/// A call that is under way, and its attempts that came to nothing.
#[derive(Clone, Copy, Debug)]
struct Entry {
    call: CallId,
    failed: u32,
    dropped: Dropped,
}

/// Attempts that were dropped. What comes next tells what that meant: if their call goes on to another attempt or fails,
/// somebody between the layers would not wait for them any longer. If it succeeds, a rival was quicker; if it is dropped, they
/// were dropped with it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Dropped {
    pub(crate) attempts: u32,
    /// The second in which the first of the call's attempts began, if it is that one that was dropped.
    pub(crate) second: u32,
    pub(crate) timed: bool,
    /// The place of the last one's host.
    pub(crate) host: Option<u8>,
}

/// What the end of a call means for its attempts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ended {
    /// So many that failed were healed by it.
    pub(crate) healed: u64,
    /// Since the last of its attempts began.
    pub(crate) dropped: Dropped,
}

impl Joins {
    pub(crate) fn new() -> Self {
        let part = |_| Part { entries: AtomicUsize::new(0), open: Mutex::new(Vec::with_capacity(ROOM)) };
        let [healed, unjoined, stray] = [const { AtomicU64::new(0) }; 3];
        Self { parts: std::array::from_fn(part), healed, unjoined, stray }
    }

    /// An attempt of `call` has failed, now. Gives what was dropped of another call, which had to make room.
    pub(crate) fn attempt_failed(&self, call: Option<CallId>, now: u64) -> Dropped {
        match call {
            Some(call) => self.update(call, now, |entry| entry.failed = entry.failed.saturating_add(1)),
            None => {
                self.strays(1, now);
                Dropped::default()
            }
        }
    }

    /// An attempt of `call` was dropped, now. Gives what was dropped of another call, which had to make room.
    pub(crate) fn attempt_dropped(&self, call: CallId, one: Dropped, now: u64) -> Dropped {
        self.update(call, now, |Entry { dropped, .. }| {
            dropped.attempts = dropped.attempts.saturating_add(one.attempts);
            dropped.host = one.host;
            if one.timed {
                (dropped.timed, dropped.second) = (true, one.second);
            }
        })
    }

    fn strays(&self, failed: u64, now: u64) {
        self.unjoined.fetch_add(failed, Ordering::Relaxed);
        self.stray.fetch_max(now.saturating_add(1), Ordering::Relaxed);
    }

    /// Whether all attempts that came to nothing from then on belong to known calls. One of a call's own came before its
    /// end.
    pub(crate) fn knows_all_since(&self, began: u64) -> bool {
        self.stray.load(Ordering::Relaxed) <= began
    }

    fn update(&self, call: CallId, now: u64, change: impl FnOnce(&mut Entry)) -> Dropped {
        let part = self.part(call);
        let mut open = lock(&part.open);
        let mut forgotten = Dropped::default();
        match open.binary_search_by_key(&call, |entry| entry.call) {
            Ok(at) => change(&mut open[at]),
            Err(mut at) => {
                if open.len() == ROOM {
                    // The oldest: most likely a call that no layer of this handle sees the end of.
                    let oldest = open.remove(0);
                    self.strays(oldest.failed.into(), now);
                    forgotten = oldest.dropped;
                    at = at.saturating_sub(1);
                }
                let mut entry = Entry { call, failed: 0, dropped: Dropped::default() };
                change(&mut entry);
                open.insert(at, entry);
            }
        }
        part.entries.store(open.len(), Ordering::Relaxed);
        forgotten
    }

    /// An attempt of `call` begins. Where another has come to nothing before, gives those that were dropped since the last
    /// began.
    #[inline]
    pub(crate) fn attempt_begins(&self, call: Option<CallId>) -> Option<Dropped> {
        let call = call?;
        if self.part(call).entries.load(Ordering::Relaxed) == 0 { None } else { self.goes_on(call) }
    }

    fn goes_on(&self, call: CallId) -> Option<Dropped> {
        let mut open = lock(&self.part(call).open);
        let at = open.binary_search_by_key(&call, |entry| entry.call).ok()?;
        Some(std::mem::take(&mut open[at].dropped))
    }

    /// `call` has ended: none where all its attempts went well.
    #[inline]
    pub(crate) fn call_ended(&self, call: CallId, succeeded: bool) -> Option<Ended> {
        if self.part(call).entries.load(Ordering::Relaxed) == 0 { None } else { self.take(call, succeeded) }
    }

    #[cold]
    fn take(&self, call: CallId, succeeded: bool) -> Option<Ended> {
        let part = self.part(call);
        let mut open = lock(&part.open);
        let at = open.binary_search_by_key(&call, |entry| entry.call).ok()?;
        let Entry { failed, dropped, .. } = open.remove(at);
        part.entries.store(open.len(), Ordering::Relaxed);
        let healed = if succeeded { failed.into() } else { 0 };
        self.healed.fetch_add(healed, Ordering::Relaxed);
        Some(Ended { healed, dropped })
    }

    pub(crate) fn healed(&self) -> u64 {
        self.healed.load(Ordering::Relaxed)
    }

    pub(crate) fn unjoined(&self) -> u64 {
        self.unjoined.load(Ordering::Relaxed)
    }

    fn part(&self, call: CallId) -> &Part {
        &self.parts[call.get() as usize % PARTS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_attempts_are_healed_by_their_own_calls_success_only() {
        let joins = Joins::new();
        let [healed, failed, open] = [CallId::next(), CallId::next(), CallId::next()];
        for call in [healed, failed, healed, open, failed] {
            joins.attempt_failed(Some(call), 0);
        }
        let has_failed = |call| joins.attempt_begins(Some(call)).is_some();
        assert!(has_failed(failed) && !has_failed(CallId::next()));
        joins.call_ended(failed, false);
        assert!(!has_failed(failed));
        joins.call_ended(CallId::next(), true);
        assert_eq!(joins.healed(), 0);
        joins.call_ended(healed, true);
        joins.call_ended(healed, true);
        assert_eq!((joins.healed(), joins.unjoined()), (2, 0));
        assert!(joins.knows_all_since(0));
        joins.attempt_failed(None, 7);
        assert_eq!((joins.healed(), joins.unjoined()), (2, 1));
        assert!(joins.knows_all_since(8) && !joins.knows_all_since(7));
    }

    #[test]
    fn calls_whose_end_is_never_seen_make_room_for_others_and_are_counted() {
        let joins = Joins::new();
        let room = PARTS * ROOM;
        let calls: Vec<_> = (0..10 * room).map(|_| CallId::next()).collect();
        for call in &calls {
            joins.attempt_failed(Some(*call), 7);
        }
        // Other tests take ids too, so the parts fill unevenly: nothing is lost all the same.
        let ended = calls.iter().filter_map(|call| joins.call_ended(*call, true));
        let healed: u64 = ended.map(|ended| ended.healed).sum();
        assert_eq!(healed, joins.healed());
        assert_eq!(joins.healed() + joins.unjoined(), 10 * room as u64);
        assert!(joins.healed() <= room as u64 && joins.healed() > 0);
        assert!(joins.knows_all_since(8) && !joins.knows_all_since(7));
        let capacity: usize = joins.parts.iter().map(|part| lock(&part.open).capacity()).sum();
        assert_eq!(capacity, room);
    }
}
