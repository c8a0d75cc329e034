//! What is logged. Alone in its file: a subscriber is seen by the whole process' callsites.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jittered_backoff::{Backoff, BackoffLayer, Decision};
use tower::{Layer, ServiceExt, service_fn};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeat_warns_and_the_rest_is_debug() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(lines.clone())
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .without_time()
        .finish();
    // Other threads have no subscriber: what they come by first must not count as of no interest to anybody.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
    let _guard = tracing::subscriber::set_default(subscriber);

    let second = Duration::from_secs(1);
    let decide = |_: &&'static str, result: Result<&(), &&'static str>| match result {
        Err(&"fatal") => Decision::GiveUp,
        Err(_) => Decision::Retry,
        Ok(()) => Decision::Done,
    };
    let inner = service_fn(|request: &'static str| std::future::ready(Err::<(), _>(request)));
    let service = BackoffLayer::new(Backoff::exponential(second..=second).unwrap(), decide).layer(inner);
    service.clone().oneshot("secret").await.unwrap_err();
    service.oneshot("fatal").await.unwrap_err();

    let lines = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<_> = lines.lines().map(str::trim).collect();
    assert_eq!(
        lines,
        [
            "WARN jittered_backoff::policy: attempt failed, repeating after a wait attempt=1 wait=1s",
            "WARN jittered_backoff::policy: attempt failed, repeating after a wait attempt=2 wait=1s",
            "DEBUG jittered_backoff::policy: not repeated: outside the limits attempt=3 elapsed=2s wait=1s",
            "DEBUG jittered_backoff::policy: not repeated: no repeat would heal it attempt=1",
        ]
    );
}
