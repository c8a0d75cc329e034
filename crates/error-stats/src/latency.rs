//! How long things took: a histogram of fixed size.
//!
//! The buckets are those of the `histogram` crate, which reads the quantiles. Its own atomic histogram would do
//! (it neither locks nor allocates), but for one thing: it counts by a read-modify-write instruction, a third of
//! a clock read, where a thread that writes alone needs none. (hdrhistogram needs `&mut`, or a channel to a
//! collector.)

use std::fmt;
use std::time::Duration;

use histogram::Histogram;

use crate::count::Count;
use crate::seat::Seat;

/// Buckets for each doubling, as a power of two: 16, so a figure is at most 6.25 % too high.
const GROUPING: u8 = 4;
/// The longest duration told apart, as a power of two of microseconds: 71 minutes. What took longer counts as
/// that long.
const LONGEST: u8 = 32;

const BUCKETS: usize = ((LONGEST - GROUPING + 1) as usize) << GROUPING;

/// The recorder, in microseconds.
pub(crate) struct Recorder([Count; BUCKETS]);

impl Recorder {
    pub(crate) const fn new() -> Self {
        Self([const { Count::new() }; BUCKETS])
    }

    #[inline]
    pub(crate) fn record(&self, seat: Seat, nanos: u64) {
        self.0[bucket(nanos / 1_000)].add(seat);
    }
}

/// The bucket that holds so many microseconds: small values have one each, then each doubling has sixteen.
#[inline]
fn bucket(micros: u64) -> usize {
    let micros = micros.min((1 << LONGEST) - 1);
    if micros < 2 << GROUPING {
        return micros as usize;
    }
    let doublings = micros.ilog2() - u32::from(GROUPING);
    ((doublings as usize) << GROUPING) + (micros >> doublings) as usize
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

/// How long calls, attempts or waits took: quantiles of a histogram.
///
/// A figure is the upper end of its bucket: at most 6.25 % too high, and exact below 32 µs. What took less than
/// a microsecond counts as none; what took longer than 71 minutes counts as that long.
///
/// All are zero where nothing was counted.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Latency {
    /// How many were counted: those that ended in an outcome, good or bad. Cancelled ones are not among them.
    pub count: u64,
    /// Half of them took no longer.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::seconds"))]
    pub p50: Duration,
    /// 90 % of them took no longer.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::seconds"))]
    pub p90: Duration,
    /// 99 % of them took no longer.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::seconds"))]
    pub p99: Duration,
    /// 99.9 % of them took no longer.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::seconds"))]
    pub p999: Duration,
    /// None took longer.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::seconds"))]
    pub max: Duration,
}

impl Latency {
    /// The quantiles of what several recorders have, together.
    pub(crate) fn of<'a>(recorders: impl Iterator<Item = &'a Recorder>) -> Self {
        let mut buckets = vec![0; BUCKETS];
        for recorder in recorders {
            buckets.iter_mut().zip(&recorder.0).for_each(|(sum, bucket)| *sum += bucket.get());
        }
        Self::read(buckets).unwrap_or_default()
    }

    /// None where nothing was counted.
    fn read(buckets: Vec<u64>) -> Option<Self> {
        let count = buckets.iter().sum();
        let histogram = Histogram::from_buckets(GROUPING, LONGEST, buckets).ok()?;
        let bucket = |quantile| histogram.quantile_bucket(quantile).ok().flatten();
        let at = |quantile| bucket(quantile).map(|bucket| Duration::from_micros(bucket.end()));
        Some(Self { count, p50: at(0.5)?, p90: at(0.9)?, p99: at(0.99)?, p999: at(0.999)?, max: at(1.0)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEAT: Seat = Seat::FIRST;

    #[test]
    fn the_buckets_are_those_of_the_crate_that_reads_them() {
        let ends =
            (0..LONGEST).flat_map(|power| [(1_u64 << power) - 1, 1 << power, (1 << power) + 1, 3 << power]);
        for micros in (0..5_000).chain(ends.filter(|micros| *micros < 1 << LONGEST)) {
            let mut theirs = Histogram::new(GROUPING, LONGEST).unwrap();
            theirs.increment(micros).unwrap();
            assert_eq!(theirs.as_slice().len(), BUCKETS);
            assert_eq!(theirs.as_slice()[bucket(micros)], 1, "{micros}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn nothing_recorded_is_all_zero() {
        assert_eq!(Latency::of([Recorder::new()].iter()), Latency::default());
        assert_eq!(Latency::of([].iter()), Latency::default());
    }

    #[test]
    fn quantiles_over_several_recorders_are_high_by_a_sixteenth_at_most() {
        let recorders = [Recorder::new(), Recorder::new()];
        for millis in 1..=1000 {
            recorders[millis as usize % 2].record(SEAT, millis * 1_000_000);
        }
        let latency = Latency::of(recorders.iter());
        assert_eq!(latency.count, 1000);
        let figures = [
            (latency.p50, 500),
            (latency.p90, 900),
            (latency.p99, 990),
            (latency.p999, 999),
            (latency.max, 1000),
        ];
        for (figure, exact) in figures {
            let exact = Duration::from_millis(exact);
            assert!(figure >= exact && figure <= exact.mul_f64(1.0625), "{figure:?} for {exact:?}");
        }
    }

    #[test]
    fn the_ends_of_the_range() {
        let recorder = Recorder::new();
        recorder.record(SEAT, 999);
        assert_eq!(Latency::of([recorder].iter()).max, Duration::ZERO);
        let recorder = Recorder::new();
        recorder.record(SEAT, 31_999);
        assert_eq!(Latency::of([recorder].iter()).max, Duration::from_micros(31));
        let recorder = Recorder::new();
        recorder.record(SEAT, u64::MAX);
        let longest = Latency::of([recorder].iter());
        assert_eq!((longest.count, longest.max), (1, Duration::from_micros((1 << 32) - 1)));
    }
}
