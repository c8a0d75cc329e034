//! Instants as integers: what an atomic holds, and half the size.
//!
//! std tells what an instant is made of to nobody but a hasher. To subtract two is a call into std, and takes a sixth of what a
//! clock read takes; to have one hashed takes nothing, for it is compiled into the caller. What is hashed is not promised, so it
//! is looked at before anything relies on it: where it is not seconds and nanoseconds, instants are subtracted.

use std::hash::{Hash, Hasher};
use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::Instant;

/// An instant: the later, the greater. Below [`END`].
pub(crate) type Stamp = u64;

/// There is room for 136 years before a clock's beginning, which is the machine's start perhaps, and as many after it.
pub(crate) const END: Stamp = 1 << 63;

/// Seconds are stamped as more than they are by this, for some are negative.
const MORE: u64 = 1 << 32;

/// The bits of a stamp that are nanoseconds; the higher ones are seconds.
const NANOS: u32 = 30;

/// Makes stamps of instants, and instants of stamps. All of a process make the same.
#[derive(Debug)]
pub(crate) struct Stamper {
    base: Instant,
    base_stamp: Stamp,
    hashes: bool,
}

impl Stamper {
    pub(crate) fn get() -> &'static Self {
        static STAMPER: OnceLock<Stamper> = OnceLock::new();
        STAMPER.get_or_init(|| {
            let base = Instant::now();
            Self::hashing(base).unwrap_or_else(|| Self::subtracting(base))
        })
    }

    /// None where not what it is thought to be is hashed.
    fn hashing(base: Instant) -> Option<Self> {
        let stamper = Self { base, base_stamp: hashed(base)?, hashes: true };
        let distances = [0, 1, 999_999_999, 1_000_000_000, 3_600_000_000_001].map(Duration::from_nanos);
        let reads =
            |distance| hashed(base + distance).is_some_and(|stamp| stamper.instant(stamp) == base + distance);
        distances.into_iter().all(reads).then_some(stamper)
    }

    fn subtracting(base: Instant) -> Self {
        Self { base, base_stamp: MORE << NANOS, hashes: false }
    }

    /// What is too early or too late for a stamp has that of the first or last that is not.
    #[inline]
    pub(crate) fn stamp(&self, at: Instant) -> Stamp {
        let hashed = if self.hashes { hashed(at) } else { None };
        hashed.unwrap_or_else(|| self.subtracted(at))
    }

    #[cold]
    fn subtracted(&self, at: Instant) -> Stamp {
        match at.checked_duration_since(self.base) {
            Some(after) => packed(whole(self.base_stamp).saturating_add(after)),
            None => packed(whole(self.base_stamp).saturating_sub(self.base.duration_since(at))),
        }
    }

    /// The instant of which this is the stamp.
    #[inline]
    pub(crate) fn instant(&self, stamp: Stamp) -> Instant {
        let (at, base) = (whole(stamp), whole(self.base_stamp));
        match at.checked_sub(base) {
            Some(after) => self.base + after,
            None => self.base - (base - at),
        }
    }
}

#[inline]
fn whole(stamp: Stamp) -> Duration {
    Duration::new(stamp >> NANOS, (stamp & ((1 << NANOS) - 1)) as u32)
}

#[inline]
fn packed(whole: Duration) -> Stamp {
    let seconds = whole.as_secs().min((END - 1) >> NANOS);
    seconds << NANOS | u64::from(whole.subsec_nanos())
}

#[inline]
fn hashed(at: Instant) -> Option<Stamp> {
    let mut parts = Parts::default();
    at.hash(&mut parts);
    let Parts { seconds, nanos } = parts;
    let seconds = seconds.wrapping_add(MORE);
    (seconds < END >> NANOS).then_some(seconds << NANOS | u64::from(nanos))
}

/// What is hashed of an instant: seconds, signed on some systems, and nanoseconds.
#[derive(Default)]
struct Parts {
    seconds: u64,
    nanos: u32,
}

impl Hasher for Parts {
    #[inline]
    fn write_i64(&mut self, seconds: i64) {
        self.seconds = seconds as u64;
    }

    #[inline]
    fn write_u64(&mut self, seconds: u64) {
        self.seconds = seconds;
    }

    #[inline]
    fn write_u32(&mut self, nanos: u32) {
        self.nanos = nanos;
    }

    /// Anything else is not an instant as it is known here.
    fn write(&mut self, _: &[u8]) {
        self.seconds = END;
    }

    fn finish(&self) -> u64 {
        self.seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where this fails nothing is wrong, but calls cost a little more.
    #[test]
    fn instants_are_hashed_as_is_thought() {
        assert!(Stamper::get().hashes);
    }

    #[test]
    fn a_stamp_is_read_back_as_its_instant_and_keeps_the_order() {
        let base = Instant::now();
        for stamper in [Stamper::hashing(base).unwrap(), Stamper::subtracting(base)] {
            let mut last = None;
            for nanos in (0..2_000).chain((0..4_000).map(|n| n * 1_000_003)).chain([u64::MAX >> 8]) {
                let distance = Duration::from_nanos(nanos);
                let at = base + distance;
                let stamp = stamper.stamp(at);
                assert!(stamp < END && stamper.instant(stamp) == at);
                if let Some((earlier, before)) = last {
                    assert_eq!(at.cmp(&earlier), stamp.cmp(&before));
                }
                last = Some((at, stamp));
                if let Some(at) = base.checked_sub(distance) {
                    assert_eq!(stamper.instant(stamper.stamp(at)), at);
                    assert!(stamper.stamp(at) <= stamper.stamp(base));
                }
            }
        }
    }

    #[test]
    fn what_is_hashed_otherwise_has_no_stamp() {
        let mut parts = Parts::default();
        "an instant".hash(&mut parts);
        assert_eq!(parts.seconds, END);
    }
}
