//! One of the processes.

use std::env;
use std::io;
use std::process::{Child, Command};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rate_limit::redis::{Fallback, Fleet};
use rate_limit::{BoxError, Quota, RateLimitLayer};
use tokio::time::{Instant, timeout_at};
use tower::{Service, ServiceBuilder, ServiceExt};

/// Longer than the story takes: nobody is left over if it is broken off.
const LONGEST: Duration = Duration::from_secs(25);

/// Callers in each.
const CALLERS: usize = 5;

/// Calls as often as the limit lets it.
pub(crate) async fn run(name: &str, redis: &str, api: &str) -> Result<(), BoxError> {
    // 50 ms more than a second for the way to the API: what counts there is when calls arrive.
    let guard = Duration::from_millis(50);
    let fleet = Fleet::new(redis)?
        .with_prefix("fleet-example")?
        .with_fallback(Fallback::local(Quota::per_second(2)?.with_guard(guard)?));
    let limiter = fleet.limiter("ovh", Quota::per_second(10)?.with_guard(guard)?);

    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(connector);
    let service = ServiceBuilder::new().layer(RateLimitLayer::from(limiter.clone())).service(client);

    let end = Instant::now() + LONGEST;
    let mut callers = Vec::new();
    for _ in 0..CALLERS {
        let (mut service, uri) = (service.clone(), format!("{api}/auth/time?process={name}"));
        callers.push(tokio::spawn(async move {
            while Instant::now() < end {
                let request = Request::get(&uri).body(Empty::new())?;
                let Ok(response) = timeout_at(end, service.ready().await?.call(request)).await else { break };
                response?.into_body().collect().await?;
            }
            Ok::<_, BoxError>(())
        }));
    }
    for caller in callers {
        caller.await??;
    }
    // What was reserved for it is the others' at once.
    limiter.flush().await?;
    Ok(())
}

/// A process that this one has started; it is killed when this is dropped.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(name: &str, redis: &str, api: &str) -> io::Result<Self> {
        Command::new(env::current_exe()?).args([name, redis, api]).spawn().map(Self)
    }

    /// As SIGKILL does.
    pub(crate) fn kill(mut self) -> io::Result<()> {
        self.0.kill()?;
        self.0.wait().map(drop)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
