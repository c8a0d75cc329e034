//! What a run has come to.

use std::io::{BufRead as _, BufReader};
use std::ops::Range;
use std::process::Child;

use crate::{Failed, PER_SECOND, Run};

const SECOND: u64 = 1_000_000_000;

/// All that the processes have told.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) released: Vec<u64>,
    pub(crate) refused: Vec<u64>,
    /// Of each process, when it noticed.
    away: Vec<Vec<u64>>,
    back: Vec<Vec<u64>>,
    /// Of each call, when it began and ended.
    calls: Vec<Range<u64>>,
}

impl Report {
    pub(crate) fn read(&mut self, mut child: Child) -> Result<(), Failed> {
        let Some(stdout) = child.stdout.take() else { return Err("a process has no output".into()) };
        let (mut away, mut back) = (Vec::new(), Vec::new());
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            let [what, at, waited] = line.split(' ').collect::<Vec<_>>()[..] else { continue };
            let at = at.parse()?;
            match what {
                "released" => self.released.push(at),
                "refused" => self.refused.push(at),
                "away" => away.push(at),
                "back" => back.push(at),
                _ => return Err(format!("a process says {what:?}").into()),
            }
            let waited: u64 = waited.parse()?;
            self.calls.push(at - waited..at);
        }
        self.away.push(away);
        self.back.push(back);
        if child.wait()?.success() { Ok(()) } else { Err("a process has failed".into()) }
    }

    pub(crate) fn print(&self, run: &Run, arrived: &[u64], crash: Option<Crash>, scripts: u64, seconds: u64) {
        println!("{} (lease {}, guard {:?})", run.name, run.lease, run.guard);
        match crash {
            None => self.print_steady(run, arrived, scripts, seconds),
            Some(crash) => self.print_crash(run, crash),
        }
        println!("  {:34} {:>10}", "longest call", seconds_of(self.longest(0..u64::MAX)));
    }

    /// The longest that a call took within that time.
    fn longest(&self, time: Range<u64>) -> u64 {
        let within = |call: &Range<u64>| call.end.min(time.end).saturating_sub(call.start.max(time.start));
        self.calls.iter().map(within).max().unwrap_or_default()
    }

    /// Of a run that nothing disturbed.
    fn print_steady(&self, run: &Run, arrived: &[u64], scripts: u64, seconds: u64) {
        let worst = worst(&self.released);
        says("worst second of the releases", &worst.to_string(), worst <= PER_SECOND as usize);
        let worst = self::worst(arrived);
        let bound = run.guard.is_zero() || worst <= PER_SECOND as usize;
        says("worst second of the arrivals", &worst.to_string(), bound);
        let throughput = throughput(&self.released, seconds);
        says("throughput", &percent(throughput), throughput >= run.throughput);
        let trips = scripts as f64 / self.released.len() as f64;
        says("round trips per permit", &format!("{trips:.3}"), trips <= run.trips);
    }

    /// Of a run whose server was killed, and started again.
    fn print_crash(&self, run: &Run, Crash { killed, restarted }: Crash) {
        // Of the process that took the longest.
        let latest = |times: &[Vec<u64>], since: u64| {
            let first = |times: &Vec<u64>| times.iter().copied().find(|&at| at >= since);
            times.iter().map(first).collect::<Option<Vec<_>>>()?.into_iter().max()
        };
        let says_since = |what, at: Option<u64>, since: u64| match at {
            Some(at) => says(what, &seconds_of(at - since), at - since <= 2 * SECOND),
            None => says(what, "not all", false),
        };
        let (noticed, back) = (latest(&self.away, killed), latest(&self.back, restarted));
        says_since("all have noticed within", noticed, killed);
        says_since("all are back within", back, restarted);

        let noticed = noticed.unwrap_or(killed);
        let (released, refused) =
            (count(&self.released, noticed..restarted), count(&self.refused, noticed..restarted));
        // What was released before counts with what each process has of its own.
        let share = u64::from(PER_SECOND) * (restarted.saturating_sub(noticed) / SECOND + 2);
        let declared = match run.fallback {
            "refuse" => released == 0 && refused > 0,
            "allow" => released as u64 > share && refused == 0,
            _ => released > 0 && released as u64 <= share && refused == 0,
        };
        says("released, refused meanwhile", &format!("{released}, {refused}"), declared);
        let longest = self.longest(killed..restarted);
        says("longest call meanwhile", &seconds_of(longest), u128::from(longest) <= run.longest.as_nanos());

        let worst = worst(&self.released[..count(&self.released, 0..killed)]);
        says("worst second before", &worst.to_string(), worst <= PER_SECOND as usize);
        let settled = back.map_or(u64::MAX, |back| back + SECOND);
        let after = &self.released[count(&self.released, 0..settled)..];
        let worst = self::worst(after);
        says("worst second from a window after", &worst.to_string(), worst <= PER_SECOND as usize);
        // Permits that are counted twice, or held by nobody, would be missing.
        let whole = after.first().zip(after.last()).map_or(0, |(first, last)| (last - first) / SECOND);
        let throughput = throughput(after, whole);
        says("throughput from a window after", &percent(throughput), throughput >= 0.98);
        println!("  {:34} {:>10}", "worst second of all", self::worst(&self.released));
    }
}

/// When the server was killed, and when it had been started again.
#[derive(Clone, Copy)]
pub(crate) struct Crash {
    pub(crate) killed: u64,
    pub(crate) restarted: u64,
}

/// How many there are in that time.
fn count(sorted: &[u64], time: Range<u64>) -> usize {
    let before = |end: u64| sorted.partition_point(|&at| at < end);
    before(time.end).saturating_sub(before(time.start))
}

/// The share of what is possible in so many seconds from the first on. Each begins with all it has.
fn throughput(sorted: &[u64], seconds: u64) -> f64 {
    let first = sorted.first().copied().unwrap_or_default();
    let reached = count(sorted, first..first + seconds * SECOND);
    if seconds == 0 { 0.0 } else { reached as f64 / (f64::from(PER_SECOND) * seconds as f64) }
}

fn seconds_of(nanos: u64) -> String {
    format!("{:.2} s", nanos as f64 / SECOND as f64)
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn says(what: &str, figure: &str, reached: bool) {
    println!("  {what:34} {:>10}  {}", figure, if reached { "ok" } else { "MISS" });
}

/// The most in any second.
fn worst(sorted: &[u64]) -> usize {
    let within = |at: usize| sorted[at..].partition_point(|&other| other < sorted[at] + SECOND);
    (0..sorted.len()).map(within).max().unwrap_or(0)
}
