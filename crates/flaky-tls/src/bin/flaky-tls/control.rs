//! The control port: the truth and the script, over plain HTTP.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flaky_tls::{Mix, ProxyScenario, Scenario};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time;

use crate::play::{self, Play};
use crate::report;
use crate::servers::Servers;

/// The longest request body, in bytes.
const MOST: usize = 1024 * 1024;

/// The running control port.
pub(crate) struct Control {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Control {
    pub(crate) async fn start(servers: Arc<Servers>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        Ok(Self { address, stop, task: tokio::spawn(accept(listener, servers, stopped)) })
    }

    /// Ready once none of its connections holds the servers any more.
    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

async fn accept(listener: TcpListener, servers: Arc<Servers>, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                let Ok((tcp, _)) = accepted else {
                    // Out of descriptors is the usual reason, and passes.
                    time::sleep(Duration::from_millis(20)).await;
                    continue;
                };
                let servers = Arc::clone(&servers);
                let service = hyper::service::service_fn(move |request| answer(Arc::clone(&servers), request));
                let http = hyper::server::conn::http1::Builder::new();
                connections.spawn(async move {
                    // A client that breaks off has no answer to wait for.
                    let _ = http.serve_connection(TokioIo::new(tcp), service).await;
                });
            }
        }
    }
    connections.shutdown().await;
}

async fn answer(
    servers: Arc<Servers>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, value) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/truth") => {
            (StatusCode::OK, report::truth(&servers.server.truth(), &servers.proxy.records()))
        }
        (&Method::POST, "/reset") => {
            servers.server.reset();
            servers.proxy.reset();
            (StatusCode::OK, json!({ "ok": true }))
        }
        (&Method::POST, "/script") => match script(&servers, request).await {
            Ok(value) => (StatusCode::OK, value),
            Err(error) => (StatusCode::BAD_REQUEST, json!({ "error": error })),
        },
        (_, "/truth" | "/reset" | "/script") => (
            StatusCode::METHOD_NOT_ALLOWED,
            json!({ "error": "it is GET /truth, POST /reset and POST /script" }),
        ),
        _ => (StatusCode::NOT_FOUND, json!({ "error": "there are /truth, /reset and /script" })),
    };
    let mut response = Response::new(Full::from(format!("{value}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Sets the scripts that are named, all or none; tells what they are.
async fn script(servers: &Servers, request: Request<Incoming>) -> Result<Value, String> {
    let body = Limited::new(request.into_body(), MOST).collect().await.map_err(|error| error.to_string())?;
    let body: Value = serde_json::from_slice(&body.to_bytes()).map_err(|error| error.to_string())?;
    let Value::Object(mut body) = body else { return Err("the body is not an object".into()) };
    let (scenarios, mix, seed) = (body.remove("scenarios"), body.remove("mix"), body.remove("seed"));
    let proxy = body.remove("proxy");
    if let Some(key) = body.keys().next() {
        return Err(format!("{key:?} is not known; there are scenarios, mix, seed and proxy"));
    }

    let seed =
        seed.map(|seed| seed.as_u64().ok_or("the seed is not a whole number from 0 on")).transpose()?;
    let play = match (scenarios, mix) {
        (Some(_), Some(_)) => return Err("scenarios and mix exclude each other".into()),
        (Some(names), None) if seed.is_none() => Play::list(list::<Scenario>("scenarios", &names)?),
        (None, Some(mix)) => {
            let mix = mix.as_str().ok_or("mix is not a string")?;
            Some(Play::mix(mix.parse::<Mix>().map_err(|error| error.to_string())?, seed))
        }
        (None, None) if seed.is_none() => None,
        _ => return Err("a seed goes with a mix".into()),
    };
    let proxy = proxy.map(|names| list::<ProxyScenario>("proxy", &names)).transpose()?;
    if play.is_none() && proxy.is_none() {
        return Err("nothing is set: name scenarios, a mix, or proxy".into());
    }

    let mut told = json!({ "ok": true });
    if let Some(play) = play {
        told["scenarios"] = report::names(&play.scenarios).into();
        told["seed"] = play.seed.into();
        servers.server.set_script(play.script);
    }
    if let Some(proxy) = proxy {
        told["proxy_scenarios"] = report::names(&proxy).into();
        servers.proxy.set_script(play::proxy_script(&proxy));
    }
    Ok(told)
}

/// A list of names, not empty.
fn list<S: std::str::FromStr<Err: ToString>>(key: &str, names: &Value) -> Result<Vec<S>, String> {
    let names = names.as_array().filter(|names| !names.is_empty());
    let names = names.ok_or_else(|| format!("{key} is not a list of at least one name"))?;
    let name = |name: &Value| {
        let name = name.as_str().ok_or_else(|| format!("{key}: {name} is not a string"))?;
        name.parse::<S>().map_err(|error| error.to_string())
    };
    names.iter().map(name).collect()
}
