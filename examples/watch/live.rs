//! Draws the table, as long as the watch lasts.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::env;
use std::future::pending;
use std::io;
use std::time::Duration;

use error_stats::ErrorStats;
use rate_limit::Quotas;
use tokio::time::{self, Instant, MissedTickBehavior};

use crate::attempts::{Attempts, End};
use crate::board::Board;
use crate::calls::Calls;
use crate::frame::{Figures, Frame};
use crate::screen::Screen;

/// From one picture to the next.
const TICK: Duration = Duration::from_millis(100);

const SECOND: Duration = Duration::from_secs(1);

/// Whether colours are wanted: <https://no-color.org>.
pub(crate) fn colour() -> bool {
    env::var_os("NO_COLOR").is_none_or(|no| no.is_empty())
}

/// The table, and whence its figures come. When dropped, it gives the terminal back.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) screen: Screen,
    pub(crate) board: Board,
    pub(crate) calls: Calls,
    pub(crate) attempts: Attempts,
    pub(crate) stats: ErrorStats,
    pub(crate) quotas: Quotas,
    pub(crate) start: Instant,
    pub(crate) seconds: Option<Duration>,
    pub(crate) colour: bool,
}

/// Ends only if stdout fails; without a table never.
pub(crate) async fn run(live: Option<&Live>) -> io::Result<Infallible> {
    let Some(live) = live else { return pending().await };
    live.screen.close_on_panic();
    let mut ticks = time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        live.draw()?;
    }
}

impl Live {
    /// Leaves the last picture on the terminal.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.draw()
    }

    fn draw(&self) -> io::Result<()> {
        let frame = Frame { now: Instant::now(), size: Screen::size(), colour: self.colour };
        let figures = self.figures(frame.now);
        let lines = self.board.read(|state| frame.lines(state, &figures));
        self.screen.draw(lines, frame.size)
    }

    fn figures(&self, now: Instant) -> Figures {
        let snapshot = self.stats.snapshot();
        let open = self.calls.open();
        let second = now.checked_sub(SECOND).unwrap_or(self.start);
        let oldest = open.iter().map(|(_, began)| *began).min().map_or(second, |began| began.min(second));
        let attempts = self.attempts.since(oldest);
        let last: BTreeMap<_, _> = attempts.iter().map(|attempt| (attempt.call, attempt.end)).collect();
        let waits = |call| matches!(last.get(call), Some(End::Failed(_) | End::Answered(_)));
        Figures {
            elapsed: now.duration_since(self.start),
            seconds: self.seconds,
            calls: snapshot.calls.started,
            failed: snapshot.calls.failed,
            attempts: snapshot.attempts.started,
            broken: snapshot.attempts.failed,
            streak: snapshot.calls.streak.current,
            waiting: open.iter().filter(|(call, _)| waits(call)).count(),
            last_second: attempts.iter().filter(|attempt| attempt.released > second).count(),
            quota: self.quotas.most(),
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.screen.close();
    }
}
