//! The fault server from the command line.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod args;
mod control;
mod play;
mod report;
mod servers;

use std::convert::Infallible;
use std::error::Error;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use flaky_tls::{FlakyProxy, FlakyTls, HyperService, RequestBody};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;

use crate::args::{Args, Command};
use crate::control::Control;
use crate::servers::Servers;

fn main() -> ExitCode {
    let done = match args::parse(lexopt::Parser::from_env()) {
        Ok(Command::Print(text)) => print(&text).map_err(Into::into),
        Ok(Command::Serve(args)) => serve(*args),
        Err(error) => {
            eprintln!("flaky-tls: {error} (flaky-tls --help tells more)");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("flaky-tls: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn serve(args: Args) -> Result<(), Box<dyn Error>> {
    // Listen for the signal first: it may come as soon as the line below is read.
    let interrupted = interrupted()?;
    let settings = FlakyTls::new()
        .with_port(args.port)
        .with_versions(args.versions)
        .with_http(args.http)
        .with_script(args.play.script);
    let server = settings.serve(HyperService(hyper::service::service_fn(answer))).await?;
    let mut proxy = FlakyProxy::new().with_tls(args.proxy_tls).with_script(play::proxy_script(&args.proxy));
    if let Some((user, password)) = &args.proxy_user {
        proxy = proxy.with_credentials(user, password)?;
    }
    let servers = Arc::new(Servers { proxy: proxy.serve(&server).await?, server });
    let control = Control::start(Arc::clone(&servers)).await?;
    let ca = CaFile::write(args.ca, servers.server.authority().pem())?;
    let ports = report::Ports { servers: &servers, control: control.address, ca: &ca.path };
    print_json(&report::started(&ports, args.play.seed, &args.play.scenarios, &args.proxy))?;
    interrupted.await;
    control.stop().await;
    let Some(Servers { server, proxy }) = Arc::into_inner(servers) else {
        return Err("the control port did not stop".into());
    };
    let truth = server.shutdown().await;
    print_json(&report::truth(&truth, &proxy.shutdown().await))?;
    Ok(())
}

/// Echoes a body that was sent with POST, PUT or PATCH; answers `{"ok":true}` to anything else.
async fn answer(request: Request<RequestBody>) -> Result<Response<Full<Bytes>>, Infallible> {
    let echoed = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
    let kind = request.headers().get(http::header::CONTENT_TYPE).cloned();
    let json = || http::HeaderValue::from_static("application/json");
    let mut response = if echoed {
        Response::new(request.into_body().collect().await?.to_bytes().into())
    } else {
        Response::new(Full::from(r#"{"ok":true}"#))
    };
    let kind = kind.filter(|_| echoed).unwrap_or_else(json);
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    Ok(response)
}

/// Ready on Ctrl-C, and on Unix on SIGTERM too.
fn interrupted() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

/// The authority's certificate in a file. Where the user named none, it is a new one among the temporary files, and goes
/// when the server does.
struct CaFile {
    path: PathBuf,
    temporary: bool,
}

impl CaFile {
    fn write(named: Option<PathBuf>, pem: &str) -> Result<Self, String> {
        let failed = |path: &Path, error| format!("writing {} failed: {error}", path.display());
        if let Some(path) = named {
            std::fs::write(&path, pem).map_err(|error| failed(&path, error))?;
            return Ok(Self { path, temporary: false });
        }
        let path = std::env::temp_dir().join(format!("flaky-tls-{}.pem", std::process::id()));
        // Never through a file or link that is already there.
        let opened = std::fs::File::create_new(&path);
        opened.and_then(|mut file| file.write_all(pem.as_bytes())).map_err(|error| failed(&path, error))?;
        Ok(Self { path, temporary: true })
    }
}

impl Drop for CaFile {
    fn drop(&mut self) {
        if self.temporary {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn print_json(value: &Value) -> io::Result<()> {
    print(&format!("{value}\n"))
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
