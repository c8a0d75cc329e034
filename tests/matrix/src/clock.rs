//! Time for calls that only their own patience ends.
//!
//! Such a call runs on a runtime whose clock is paused. It is moved a little all the while, and by the whole of the patience
//! when the server has fallen silent to this attempt: however busy the machine is, an attempt that the server does answer has
//! all the time it needs, and nobody waits for one that it doesn't.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, advance, interval};

use crate::server::Server;

/// How much the clock moves at a time, and how often.
const TICK: Duration = Duration::from_millis(2);
/// After so many ticks without a new connection, the attempt is taken to have gone over one that has stalled before.
const NOBODY_NEW: u32 = 1_000;

/// Runs `call`, on a thread that may block.
///
/// # Panics
///
/// If there is no runtime to be had.
pub(crate) async fn run<F, T>(
    server: &Server,
    patience: Duration,
    call: impl FnOnce() -> F + Send + 'static,
) -> T
where
    F: Future<Output = T>,
    T: Send + 'static,
{
    let (tick, ticks) = mpsc::channel(1);
    let (ended, mut end) = oneshot::channel();
    let thread = tokio::task::spawn_blocking(move || {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
        let done = runtime.expect("a runtime").block_on(moved(ticks, patience, call));
        let _ = ended.send(());
        done
    });

    let mut interval = interval(TICK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut struck, mut accepted, mut quiet) = (0, 0, 0);
    loop {
        tokio::select! {
            biased;
            _ = &mut end => break,
            _ = interval.tick() => {}
        }
        let now = (server.struck(), server.accepted());
        quiet = if now == (struck, accepted) { quiet + 1 } else { 0 };
        let silent = now.0 > struck || (struck > 0 && quiet >= NOBODY_NEW);
        (struck, accepted) = now;
        if silent {
            quiet = 0;
        }
        if tick.send(silent).await.is_err() {
            break;
        }
    }
    thread.await.expect("no panic")
}

/// On the runtime whose clock is paused.
async fn moved<F: Future>(
    mut ticks: mpsc::Receiver<bool>,
    patience: Duration,
    call: impl FnOnce() -> F,
) -> F::Output {
    // While a blocking task is there, the clock does not run ahead by itself.
    let (_holds, held) = oneshot::channel::<()>();
    tokio::task::spawn_blocking(move || held.blocking_recv());
    let mut call = pin!(call());
    loop {
        tokio::select! {
            biased;
            done = &mut call => return done,
            Some(silent) = ticks.recv() => advance(if silent { patience } else { TICK }).await,
        }
    }
}
