//! Instants as integers that an atomic holds.
//!
//! std tells what an instant is made of to nobody but a hasher. To subtract two is a call into std, and takes a sixth of what a
//! clock read takes; to have one hashed takes nothing, for it is compiled into the caller. What is hashed is not promised, so it
//! is looked at before anything relies on it: a [`Stamper`] is made only where a stamp is seconds and nanoseconds.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use tokio::time::Instant;

/// The bits of a stamp that are nanoseconds; the higher ones are seconds.
const NANOS: u32 = 30;

/// Stamps are below this: there is room for 272 years of a clock's seconds.
pub(crate) const END: u64 = 1 << 63;

/// Makes stamps of instants from a base on, and instants of these.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamper {
    base: Instant,
    base_stamp: u64,
}

impl Stamper {
    /// None where stamps are not what they are thought to be.
    pub(crate) fn new(base: Instant) -> Option<Self> {
        let stamper = Self { base, base_stamp: stamp(base)? };
        let distances = [0, 1, 999_999_999, 1_000_000_000, 3_600_000_000_001].map(Duration::from_nanos);
        let reads =
            |distance: Duration| stamp(base + distance).is_some_and(|stamp| stamper.since(stamp) == distance);
        distances.into_iter().all(reads).then_some(stamper)
    }

    /// The later an instant, the greater its stamp. None before the base.
    #[inline]
    pub(crate) fn stamp(&self, at: Instant) -> Option<u64> {
        stamp(at).filter(|stamp| *stamp >= self.base_stamp)
    }

    /// The instant of which this is the stamp.
    #[inline]
    pub(crate) fn instant(&self, stamp: u64) -> Instant {
        self.base + self.since(stamp)
    }

    #[inline]
    fn since(&self, stamp: u64) -> Duration {
        let whole = |stamp: u64| Duration::new(stamp >> NANOS, (stamp & ((1 << NANOS) - 1)) as u32);
        whole(stamp).saturating_sub(whole(self.base_stamp))
    }
}

#[inline]
fn stamp(at: Instant) -> Option<u64> {
    let mut parts = Parts::default();
    at.hash(&mut parts);
    let Parts { seconds, nanos } = parts;
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
        self.seconds = u64::MAX;
    }

    fn finish(&self) -> u64 {
        self.seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where this fails nothing is wrong but that calls that need not wait take a lock.
    #[test]
    fn instants_are_hashed_as_is_thought() {
        assert!(Stamper::new(Instant::now()).is_some());
    }

    #[test]
    fn a_stamp_is_read_back_as_its_instant_and_keeps_the_order() {
        let base = Instant::now();
        let stamper = Stamper::new(base).unwrap();
        let mut last = None;
        for nanos in (0..2_000).chain((0..4_000).map(|n| n * 1_000_003)).chain([u64::MAX >> 8]) {
            let at = base + Duration::from_nanos(nanos);
            let stamp = stamper.stamp(at).unwrap();
            assert!(stamp < END && stamper.instant(stamp) == at);
            if let Some((earlier, before)) = last {
                assert_eq!(at.cmp(&earlier), stamp.cmp(&before));
            }
            last = Some((at, stamp));
        }
        assert_eq!(stamper.stamp(base - Duration::from_nanos(1)), None);
    }

    #[test]
    fn what_is_hashed_otherwise_has_no_stamp() {
        let mut parts = Parts::default();
        "an instant".hash(&mut parts);
        assert!(parts.seconds >= END >> NANOS);
    }
}
