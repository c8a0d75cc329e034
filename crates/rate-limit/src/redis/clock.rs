//! The server's clock, as far as it can be known from here.

use std::time::Duration;

use tokio::time::Instant;

/// How much faster or slower than this machine's the server's clock may run: one part in 10,000. Quartz is some five
/// times better.
const DRIFT: i64 = 10_000;

/// Bounds on the difference between the server's clock and this machine's.
///
/// An answer that carries the server's time was made between the instant at which the question was sent and that at
/// which the answer was there: that bounds the difference from both sides. The narrowest bounds are kept, and widen by
/// what the clocks may drift apart. If an answer contradicts them, one of the clocks was set, and it alone counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServerClock {
    zero: Instant,
    bounds: Option<Bounds>,
}

/// Server's time minus local time, in ns, as it was at that instant.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    low: i64,
    high: i64,
    at: i64,
}

impl ServerClock {
    pub(super) fn new(zero: Instant) -> Self {
        Self { zero, bounds: None }
    }

    /// An answer to what was `sent` has been `received`, and the server's clock showed `micros` in between.
    pub(super) fn learn(&mut self, sent: Instant, received: Instant, micros: i64) {
        let (sent, at) = (self.local(sent), self.local(received));
        let shown = micros.saturating_mul(1000);
        // Microseconds are rounded down.
        let new = Bounds {
            low: shown.saturating_sub(at),
            high: shown.saturating_add(1000).saturating_sub(sent),
            at,
        };
        let both = self.bounds.map(|old| {
            let drift = (at - old.at).max(0) / DRIFT;
            Bounds { low: new.low.max(old.low - drift), high: new.high.min(old.high + drift), at }
        });
        self.bounds = Some(both.filter(|both| both.low <= both.high).unwrap_or(new));
    }

    /// A local instant at which the server's clock surely shows `micros` or more.
    pub(super) fn not_before(&self, micros: i64) -> Option<Instant> {
        let Bounds { low, at, .. } = self.bounds?;
        let local = micros.saturating_mul(1000).saturating_sub(low);
        self.instant(local.saturating_add((local - at).max(0) / DRIFT))
    }

    /// A local instant at which the server's clock surely shows no more than `micros`.
    pub(super) fn not_after(&self, micros: i64) -> Option<Instant> {
        let Bounds { high, at, .. } = self.bounds?;
        let local = micros.saturating_mul(1000).saturating_sub(high);
        self.instant(local.saturating_sub((local - at).max(0) / DRIFT))
    }

    /// The least and the most, in us, that the server's clock can have shown at that instant.
    pub(super) fn shown(&self, at: Instant) -> Option<(i64, i64)> {
        let bounds = self.bounds?;
        let local = self.local(at);
        let drift = (local - bounds.at).abs() / DRIFT;
        let low = local.saturating_add(bounds.low).saturating_sub(drift);
        let high = local.saturating_add(bounds.high).saturating_add(drift);
        Some((low.div_euclid(1000), high.div_euclid(1000) + 1))
    }

    /// Nanoseconds since zero: a signed number, for 292 years to either side.
    fn local(&self, at: Instant) -> i64 {
        let nanos = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
        match at.checked_duration_since(self.zero) {
            Some(since) => nanos(since),
            None => -nanos(self.zero.duration_since(at)),
        }
    }

    fn instant(&self, local: i64) -> Option<Instant> {
        match u64::try_from(local) {
            Ok(since) => self.zero.checked_add(Duration::from_nanos(since)),
            Err(_) => self.zero.checked_sub(Duration::from_nanos(local.unsigned_abs())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// The zero, and the instant some ms after it.
    fn clock() -> (ServerClock, impl Fn(f64) -> Instant) {
        let zero = Instant::now() + HOUR;
        (ServerClock::new(zero), move |millis: f64| zero + Duration::from_secs_f64(millis / 1000.0))
    }

    #[test]
    fn bounds_hold_whichever_way_took_longer() {
        // The server is 5 s ahead; question and answer take 1 ms and 3 ms, then 3 ms and 1 ms.
        let (mut clock, at) = clock();
        assert!(clock.shown(at(0.0)).is_none() && clock.not_before(0).is_none());
        clock.learn(at(0.0), at(4.0), 5_001_000);
        let (least, most) = clock.shown(at(4.0)).unwrap();
        assert!(least <= 5_004_000 && 5_004_000 <= most, "{least} {most}");
        assert!(most - least <= 4_005);
        clock.learn(at(10.0), at(14.0), 5_013_000);
        let (least, most) = clock.shown(at(14.0)).unwrap();
        assert!(least <= 5_014_000 && 5_014_000 <= most, "{least} {most}");
        assert!(most - least <= 2_005, "both together know more: {least} {most}");
        let (early, late) = (clock.not_after(6_000_000).unwrap(), clock.not_before(6_000_000).unwrap());
        assert!(early <= at(1000.0) && at(1000.0) <= late, "the server shows 6 s at 1 s");
    }

    #[test]
    fn bounds_widen_with_time_and_what_contradicts_them_replaces_them() {
        let (mut clock, at) = clock();
        clock.learn(at(0.0), at(0.2), 1_000_100);
        let (least, most) = clock.shown(at(10_000.0)).unwrap();
        assert!((2_000..=2_400).contains(&(most - least)), "1 ms of drift to either side: {least} {most}");
        let far = clock.not_before(11_000_000).unwrap();
        assert!(far >= at(10_000.9), "what is 10 s ahead may come 1 ms later");
        // The server's clock was set back by a second.
        clock.learn(at(20_000.0), at(20_000.2), 20_000_100);
        let (least, most) = clock.shown(at(20_000.2)).unwrap();
        assert!(least <= 20_000_200 && 20_000_200 <= most && most - least < 300, "{least} {most}");
    }
}
