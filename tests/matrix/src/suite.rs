//! Runs the cells, and says what was wrong.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::case;
use crate::client::Client;
use crate::expect::expected;
use crate::judge::{Wrong, judge};
use crate::ours::ours;
use crate::run::{Caller, Cell, Seen, Times, run};
use crate::score::Score;

/// How many cells run at once: few of those that compute, many of those that wait.
const BUSY: usize = 16;
const WAITING: usize = 64;
/// A cell that takes longer is told of: it waits for something.
const SLOW: Duration = Duration::from_secs(30);
/// So many cells may be wrong once and then right twice: which of two ends of a connection acts first is a matter of
/// microseconds. Of a request that was sent twice, none.
const RACES: usize = 5;

/// Every cell of these clients: scenario by client by method, with a fault that passes and with one that stays.
#[must_use]
pub fn cells(clients: &[Client]) -> Vec<Cell> {
    let mut cells = Vec::new();
    for case in case::all().into_iter().map(Arc::new) {
        for &client in clients.iter().filter(|&&client| case.applies(client)) {
            for method in [Method::GET, Method::POST] {
                for &times in
                    if case.ends_at_once() { &[Times::Twice][..] } else { &[Times::Twice, Times::Always] }
                {
                    cells.push(Cell { case: Arc::clone(&case), client, method: method.clone(), times });
                }
            }
        }
    }
    cells
}

/// Makes the call of each cell, in no order.
///
/// # Panics
///
/// If a call panics.
pub async fn run_all(cells: Vec<Cell>, caller: Caller, mut done: impl FnMut(&Cell, &Seen)) {
    let (busy, waiting) = (Arc::new(Semaphore::new(BUSY)), Arc::new(Semaphore::new(WAITING)));
    let mut running = JoinSet::new();
    for cell in cells {
        let room = Arc::clone(if cell.case.stalls() { &waiting } else { &busy });
        running.spawn(async move {
            let _room = room.acquire().await.expect("open");
            let began = Instant::now();
            let seen = run(&cell, caller).await;
            if began.elapsed() > SLOW {
                eprintln!("{cell}: took {:?}", began.elapsed());
            }
            (cell, seen)
        });
    }
    while let Some(ended) = running.join_next().await {
        let (cell, seen) = ended.expect("no panic");
        done(&cell, &seen);
    }
}

/// Why a cell is wrong whose reason is known, and not this project's to mend.
fn known(cell: &Cell, seen: &Seen, wrong: &Wrong) -> Option<&'static str> {
    if !cell.client.http2 {
        return None;
    }
    let healing = matches!(wrong, Wrong::Not(what) if what.starts_with("healed"));
    if healing && cell.method == Method::GET && cell.case.stalls() && !cell.client.notes_connections {
        return Some(
            "reqwest lets nobody see over which connection time ran out, nor leave it: over HTTP/2 the repeat goes over the \
             one that has stalled (its keep-alive of HTTP/2 would close it)",
        );
    }
    // Each attempt but the last was handed back unwritten.
    let before = seen.failures.split_last().map_or(&[][..], |(_, before)| before);
    let handed_back = before.iter().all(|text| text.contains("operation was canceled"));
    (*wrong == Wrong::Futile && !before.is_empty() && handed_back).then_some(
        "hyper's task for an HTTP/2 connection may meet what ends it before the request does, and tells the request nothing \
         but that it was not sent",
    )
}

/// What came of a cell that is run with the layers of this project.
#[derive(Debug)]
enum Verdict {
    Right,
    Known { what: Wrong, reason: &'static str },
    Wrong { what: Wrong, told: String },
}

impl Verdict {
    fn wrong(&self) -> Option<&Wrong> {
        match self {
            Self::Right => None,
            Self::Known { what, .. } | Self::Wrong { what, .. } => Some(what),
        }
    }
}

fn verdict(cell: &Cell, seen: &Seen) -> Verdict {
    let expect = expected(&cell.case, cell.client);
    let Err(what) = judge(cell, expect, seen) else { return Verdict::Right };
    match known(cell, seen, &what) {
        Some(reason) => Verdict::Known { what, reason },
        None => Verdict::Wrong { told: format!("{cell}: expected {expect:?}: {what:?}\n    {seen:?}"), what },
    }
}

/// Whether it is right twice, with nothing else running.
async fn right_twice(cell: &Cell) -> bool {
    for _ in 0..2 {
        if matches!(verdict(cell, &run(cell, ours).await), Verdict::Wrong { .. }) {
            return false;
        }
    }
    true
}

/// Runs these cells with the layers of this project, and demands that each is right.
///
/// # Panics
///
/// If one is wrong.
pub async fn demand(cells: Vec<Cell>) {
    let (mut score, mut wrong) = (Score::default(), Vec::new());
    let mut excused: BTreeMap<&str, usize> = BTreeMap::new();
    run_all(cells, ours, |cell, seen| {
        let verdict = verdict(cell, seen);
        score.add(cell, verdict.wrong());
        match verdict {
            Verdict::Right => {}
            Verdict::Known { reason, .. } => *excused.entry(reason).or_default() += 1,
            Verdict::Wrong { what, told } => wrong.push((cell.clone(), what, told)),
        }
    })
    .await;
    println!("{score}");
    for (reason, cells) in excused {
        println!("{cells} cells not right, for a known reason: {reason}");
    }
    let (mut raced, mut stays) = (Vec::new(), Vec::new());
    for (cell, what, told) in wrong {
        let race = what != Wrong::Twice && right_twice(&cell).await;
        (if race { &mut raced } else { &mut stays }).push(told);
    }
    for told in &raced {
        println!("wrong once, then right twice: {told}");
    }
    stays.sort();
    assert!(stays.is_empty(), "{} cells are wrong:\n{}", stays.len(), stays.join("\n"));
    assert!(raced.len() <= RACES, "{} cells were wrong once, more than {RACES}", raced.len());
}
