//! Which failed attempts belong to calls that are still under way: to know which of them were healed.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use wire_fault::CallId;

use crate::bell::lock;

/// A call with failed attempts looks for its entry in one of so many parts, so that its end rarely meets a
/// lock, and a call without any in the part takes none.
const PARTS: usize = 16;

/// Calls with failed attempts under way at once that a part has room for: a thousand in all.
const ROOM: usize = 64;

#[derive(Debug)]
pub(crate) struct Joins {
    parts: [Part; PARTS],
    healed: AtomicU64,
    unjoined: AtomicU64,
}

#[derive(Debug)]
#[repr(align(128))]
struct Part {
    /// How many entries there are, kept beside the lock. The end of a call sees the entries of its own
    /// attempts at least: they came before it.
    entries: AtomicUsize,
    /// By id, which is nearly by age.
    open: Mutex<Vec<(CallId, u64)>>,
}

impl Joins {
    pub(crate) fn new() -> Self {
        let part = |_| Part { entries: AtomicUsize::new(0), open: Mutex::new(Vec::with_capacity(ROOM)) };
        Self { parts: std::array::from_fn(part), healed: AtomicU64::new(0), unjoined: AtomicU64::new(0) }
    }

    /// An attempt of `call` has failed.
    pub(crate) fn attempt_failed(&self, call: Option<CallId>) {
        let Some(call) = call else {
            self.unjoined.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let part = self.part(call);
        let mut open = lock(&part.open);
        match open.binary_search_by_key(&call, |(id, _)| *id) {
            Ok(at) => open[at].1 += 1,
            Err(mut at) => {
                if open.len() == ROOM {
                    // The oldest: most likely a call that no layer of this handle sees the end of.
                    let (_, failed) = open.remove(0);
                    self.unjoined.fetch_add(failed, Ordering::Relaxed);
                    at = at.saturating_sub(1);
                }
                open.insert(at, (call, 1));
            }
        }
        part.entries.store(open.len(), Ordering::Relaxed);
    }

    /// Whether an attempt of `call`, which is under way, has failed before.
    #[inline]
    pub(crate) fn has_failed(&self, call: Option<CallId>) -> bool {
        let Some(call) = call else { return false };
        let part = self.part(call);
        part.entries.load(Ordering::Relaxed) > 0
            && lock(&part.open).binary_search_by_key(&call, |(id, _)| *id).is_ok()
    }

    /// `call` has ended: how many failed attempts were healed by that.
    #[inline]
    pub(crate) fn call_ended(&self, call: Option<CallId>, succeeded: bool) -> u64 {
        let Some(call) = call else { return 0 };
        if self.part(call).entries.load(Ordering::Relaxed) == 0 { 0 } else { self.take(call, succeeded) }
    }

    fn take(&self, call: CallId, succeeded: bool) -> u64 {
        let part = self.part(call);
        let mut open = lock(&part.open);
        let Ok(at) = open.binary_search_by_key(&call, |(id, _)| *id) else { return 0 };
        let (_, failed) = open.remove(at);
        part.entries.store(open.len(), Ordering::Relaxed);
        if !succeeded {
            return 0;
        }
        self.healed.fetch_add(failed, Ordering::Relaxed);
        failed
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
            joins.attempt_failed(Some(call));
        }
        assert!(joins.has_failed(Some(failed)) && !joins.has_failed(Some(CallId::next())));
        joins.call_ended(Some(failed), false);
        assert!(!joins.has_failed(Some(failed)));
        joins.call_ended(Some(CallId::next()), true);
        assert_eq!(joins.healed(), 0);
        joins.call_ended(Some(healed), true);
        joins.call_ended(Some(healed), true);
        assert_eq!((joins.healed(), joins.unjoined()), (2, 0));
        joins.attempt_failed(None);
        assert_eq!((joins.healed(), joins.unjoined()), (2, 1));
    }

    #[test]
    fn calls_whose_end_is_never_seen_make_room_for_others_and_are_counted() {
        let joins = Joins::new();
        let room = PARTS * ROOM;
        let calls: Vec<_> = (0..10 * room).map(|_| CallId::next()).collect();
        for call in &calls {
            joins.attempt_failed(Some(*call));
        }
        // Other tests take ids too, so the parts fill unevenly: nothing is lost all the same.
        let healed: u64 = calls.iter().map(|call| joins.call_ended(Some(*call), true)).sum();
        assert_eq!(healed, joins.healed());
        assert_eq!(joins.healed() + joins.unjoined(), 10 * room as u64);
        assert!(joins.healed() <= room as u64 && joins.healed() > 0);
        let capacity: usize = joins.parts.iter().map(|part| lock(&part.open).capacity()).sum();
        assert_eq!(capacity, room);
    }
}
