//! What is logged of an outage.

use std::io::Write;
use std::sync::{Arc, Mutex};

use rate_limit::Limiter;
use rate_limit::redis::Fleet;
use tracing_subscriber::fmt::MakeWriter;

use crate::common::{client, ms, quota, server, until, why};

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

impl Lines {
    /// What has come since.
    fn take(&self) -> Vec<String> {
        let lines = String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap();
        lines.lines().map(|line| line.trim().to_owned()).filter(|line| line.contains("rate_limit")).collect()
    }
}

/// In one thread, whose log it is.
#[tokio::test]
async fn an_outage_is_told_once_and_so_is_its_end() {
    let Some(mut server) = server("an_outage_is_told_once_and_so_is_its_end") else { return };
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(lines.clone())
        .with_max_level(tracing::Level::INFO)
        .with_ansi(false)
        .without_time()
        .finish();
    // Other threads have no subscriber: what they come by first must not count as of no interest to anybody.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
    let _guard = tracing::subscriber::set_default(subscriber);

    let fleet = Fleet::new(&server.url()).unwrap().with_notice(ms(500)).unwrap();
    let limiter = |name: &str| fleet.limiter(name, quota(100, 1000));
    let limiters: [Limiter; 4] = ["a:b", "c", "d", "e"].map(limiter);
    for limiter in &limiters {
        limiter.acquire().await.unwrap();
    }
    assert_eq!(lines.take(), [""; 0]);

    let calls = |limiters: &[Limiter]| {
        for limiter in limiters {
            let limiter = limiter.clone();
            tokio::spawn(async move { limiter.acquire().await });
        }
    };
    let at = format!("server=127.0.0.1:{} prefix=\"rate-limit\"", server.port());
    for _ in 0..2 {
        server.kill().unwrap();
        calls(&limiters);
        until("all have noticed", || limiters.iter().all(|limiter| why(limiter).is_some())).await;
        let told = lines.take();
        let warned = "WARN rate_limit::redis::driver: the fleet's Redis is away: its fallback holds";
        assert!(told.len() == 1 && told[0].starts_with(&format!("{warned} {at} name=")), "{told:?}");
        assert!(told[0].contains(" why=Redis can't be reached"), "{told:?}");
        server.restart().unwrap();
        until("all are back", || limiters.iter().all(|limiter| why(limiter).is_none())).await;
        let told = lines.take();
        let back = "INFO rate_limit::redis::driver: the fleet's Redis is back";
        assert!(told.len() == 1 && told[0].starts_with(&format!("{back} {at} name=")), "{told:?}");
        assert!(told[0].contains(" away_for="), "{told:?}");
    }

    // What is wrong with one limiter's keys.
    let mut client = client(&server).await;
    let key = "{rate-limit:a:b}:log";
    let _: () = redis::cmd("DEL").arg(key).query_async(&mut client).await.unwrap();
    let _: () = redis::cmd("SET").arg(key).arg("somebody else's").query_async(&mut client).await.unwrap();
    calls(&limiters);
    until("it has noticed", || why(&limiters[0]).is_some()).await;
    for _ in 0..5 {
        for limiter in &limiters[1..] {
            limiter.acquire().await.unwrap();
        }
    }
    let told = lines.take();
    assert!(told.len() == 1 && told[0].contains(&format!("{at} name=\"a:b\" why=")), "{told:?}");
    let _: () = redis::cmd("DEL").arg(key).query_async(&mut client).await.unwrap();
    until("it is back", || why(&limiters[0]).is_none()).await;
    let told = lines.take();
    assert!(told.len() == 1 && told[0].contains(&format!("is back {at} name=\"a:b\"")), "{told:?}");
}
