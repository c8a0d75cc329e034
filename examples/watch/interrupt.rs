//! What ends a run early: Ctrl-C, and on Unix also SIGTERM; of one that draws on a terminal, also what ends the terminal.

use std::future::Future;
use std::io;

/// Listens from now on; the future ends with the first signal.
///
/// SIGHUP and SIGQUIT (the window is closed; Ctrl-\) are taken only from one that `draws`, which has the terminal's cursor to
/// give back: else `nohup`, which has SIGHUP ignored, would do nothing.
#[cfg(unix)]
pub(crate) fn listen(draws: bool) -> io::Result<impl Future<Output = ()>> {
    use std::future::poll_fn;
    use std::task::Poll;

    use tokio::signal::unix::{SignalKind, signal};
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup(), SignalKind::quit()];
    let taken = &kinds[..if draws { 4 } else { 2 }];
    let mut signals = taken.iter().map(|kind| signal(*kind)).collect::<io::Result<Vec<_>>>()?;
    Ok(poll_fn(move |cx| match signals.iter_mut().any(|signal| signal.poll_recv(cx).is_ready()) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    }))
}

/// Listens from now on; the future ends with the first Ctrl-C.
#[cfg(windows)]
pub(crate) fn listen(_: bool) -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
}
