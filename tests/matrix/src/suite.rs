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

/// Runs these cells with the layers of this project, and demands that each is right.
///
/// # Panics
///
/// If one is wrong.
pub async fn demand(cells: Vec<Cell>) {
    let (mut score, mut wrong) = (Score::default(), Vec::new());
    let mut excused: BTreeMap<&str, usize> = BTreeMap::new();
    run_all(cells, ours, |cell, seen| {
        let expect = expected(&cell.case, cell.client);
        let verdict = judge(cell, expect, seen);
        score.add(cell, &verdict);
        let Err(what) = verdict else { return };
        match known(cell, seen, &what) {
            Some(reason) => *excused.entry(reason).or_default() += 1,
            None => wrong.push(format!("{cell}: expected {expect:?}: {what:?}\n    {seen:?}")),
        }
    })
    .await;
    println!("{score}");
    for (reason, cells) in excused {
        println!("{cells} cells not right, for a known reason: {reason}");
    }
    wrong.sort();
    assert!(wrong.is_empty(), "{} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
}
