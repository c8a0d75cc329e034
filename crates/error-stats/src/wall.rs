//! The wall clock: the only place that reads it.
//!
//! The wall is read at the start and then once an hour. In between, wall times are that reading plus what
//! tokio's clock has measured since, so a paused clock moves them too, and a step of the system's clock shows
//! within the hour.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::guard::shielded;

/// How long one reading of the wall is built upon. Quartz drifts by some 50 ppm, 0.2 s in an hour: enough for
/// a report.
const REANCHOR_AFTER: u64 = Duration::from_secs(3600).as_nanos() as u64;

/// A point in time, on both clocks.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// On tokio's clock: for differences.
    pub instant: Instant,
    /// On the wall: for people. Where the system's clock was stepped within the last hour it is off by that
    /// step, and by the time asleep where the machine was suspended within it.
    pub wall: SystemTime,
}

impl Moment {
    pub(crate) fn later(self, by: Duration) -> Self {
        Self { instant: self.instant + by, wall: self.wall.checked_add(by).unwrap_or(self.wall) }
    }
}

/// The hour since the Unix epoch.
pub(crate) fn hour(wall: SystemTime) -> u32 {
    let since = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs() / 3600).unwrap_or(u32::MAX)
}

/// "14:05", UTC.
pub(crate) fn clock_time(wall: SystemTime) -> String {
    let minutes = wall.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / 60;
    format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60)
}

type Source = Box<dyn Fn() -> SystemTime + Send + Sync>;

pub(crate) struct Wall {
    source: Source,
    base: Instant,
    /// The wall's reading at `base`, in nanoseconds since the Unix epoch (an `i64` of them reaches the year
    /// 2262).
    base_wall: AtomicI64,
    /// When the wall was last read, in nanoseconds since `base`.
    read_at: AtomicU64,
}

impl Wall {
    pub(crate) fn new(source: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        let base_wall = AtomicI64::new(to_nanos(source()));
        Self { source: Box::new(source), base: Instant::now(), base_wall, read_at: AtomicU64::new(0) }
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    pub(crate) fn system() -> Self {
        Self::new(SystemTime::now)
    }

    pub(crate) fn now(&self) -> Moment {
        self.fresh_now();
        self.moment()
    }

    /// The present, by the last reading of the wall. Under a lock: a source of the caller's own is not run there, which
    /// might look at what the lock guards.
    pub(crate) fn moment(&self) -> Moment {
        self.at(Instant::now())
    }

    /// The [`offset`](Self::offset) of the present.
    #[inline]
    pub(crate) fn present(&self) -> u64 {
        self.offset(Instant::now())
    }

    /// The same, after a look whether the wall must be read again.
    #[inline]
    pub(crate) fn fresh_now(&self) -> u64 {
        let offset = self.present();
        self.reanchor(offset);
        offset
    }

    pub(crate) fn at(&self, instant: Instant) -> Moment {
        let since_base = i64::try_from(self.offset(instant)).unwrap_or(i64::MAX);
        Moment {
            instant,
            wall: from_nanos(self.base_wall.load(Ordering::Acquire).saturating_add(since_base)),
        }
    }

    /// Nanoseconds from the start to `instant`: how an atomic keeps an instant.
    #[inline]
    pub(crate) fn offset(&self, instant: Instant) -> u64 {
        // In `u64`: a call asks for it several times, and 128 bits cost more than the clock.
        let since = instant.saturating_duration_since(self.base);
        // It holds five centuries.
        since.as_secs().wrapping_mul(1_000_000_000).wrapping_add(u64::from(since.subsec_nanos()))
    }

    /// The inverse of [`offset`](Self::offset).
    pub(crate) fn instant(&self, offset: u64) -> Instant {
        self.base + Duration::from_nanos(offset)
    }

    #[inline]
    fn reanchor(&self, offset: u64) {
        let read_at = self.read_at.load(Ordering::Relaxed);
        if offset.saturating_sub(read_at) >= REANCHOR_AFTER {
            self.read(read_at, offset);
        }
    }

    #[cold]
    fn read(&self, read_at: u64, offset: u64) {
        // Of several that find it stale, one reads; the others build on the old reading once more.
        if self.read_at.compare_exchange(read_at, offset, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return;
        }
        let since_base = i64::try_from(offset).unwrap_or(i64::MAX);
        // A source that panics leaves the old reading in force.
        if let Some(wall) = shielded("the wall clock", || (self.source)()) {
            self.base_wall.store(to_nanos(wall).saturating_sub(since_base), Ordering::Release);
        }
    }
}

impl fmt::Debug for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wall").field("base", &self.base).finish_non_exhaustive()
    }
}

fn to_nanos(wall: SystemTime) -> i64 {
    match wall.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos),
    }
}

fn from_nanos(nanos: i64) -> SystemTime {
    let distance = Duration::from_nanos(nanos.unsigned_abs());
    let wall = if nanos >= 0 { UNIX_EPOCH.checked_add(distance) } else { UNIX_EPOCH.checked_sub(distance) };
    wall.unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// A wall whose readings the test sets, and a count of them.
    fn scripted() -> (Wall, Arc<AtomicU64>, Arc<AtomicUsize>) {
        let (seconds, reads) = (Arc::new(AtomicU64::new(1_000)), Arc::new(AtomicUsize::new(0)));
        let (source_seconds, source_reads) = (seconds.clone(), reads.clone());
        let wall = Wall::new(move || {
            source_reads.fetch_add(1, Ordering::Relaxed);
            UNIX_EPOCH + Duration::from_secs(source_seconds.load(Ordering::Relaxed))
        });
        (wall, seconds, reads)
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn is_read_once_an_hour_and_carried_by_tokios_clock_in_between() {
        let (wall, seconds, reads) = scripted();
        assert_eq!(wall.now().wall, at(1_000));

        // The system's clock is stepped: not seen until the hour is over.
        seconds.store(50_000, Ordering::Relaxed);
        tokio::time::advance(HOUR - Duration::from_secs(1)).await;
        assert_eq!(wall.now().wall, at(1_000 + 3_599));
        assert_eq!(reads.load(Ordering::Relaxed), 1);

        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(wall.now().wall, at(50_000));
        tokio::time::advance(Duration::from_secs(7)).await;
        assert_eq!(wall.now().wall, at(50_007));
        assert_eq!(reads.load(Ordering::Relaxed), 2);

        // The hour counts from the last reading, not from the start.
        tokio::time::advance(HOUR - Duration::from_secs(8)).await;
        wall.now();
        assert_eq!(reads.load(Ordering::Relaxed), 2);
        tokio::time::advance(Duration::from_secs(1)).await;
        wall.now();
        assert_eq!(reads.load(Ordering::Relaxed), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_past_instant_is_read_off_the_newest_anchor() {
        let (wall, seconds, _) = scripted();
        let start = wall.now().instant;
        assert_eq!(wall.instant(wall.offset(start)), start);
        tokio::time::advance(HOUR).await;
        seconds.store(10_000, Ordering::Relaxed);
        wall.now();
        assert_eq!(wall.at(start).wall, at(10_000 - 3_600));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wall_before_the_epoch_is_a_time_too() {
        let before = UNIX_EPOCH - Duration::from_secs(10);
        let wall = Wall::new(move || before);
        assert_eq!(wall.now().wall, before);
        tokio::time::advance(Duration::from_secs(15)).await;
        assert_eq!(wall.now().wall, at(5));
    }
}
