//! HTTP/1.1 over one TLS stream: the requests are counted, the service is called, and the fault strikes.

mod answer;
mod erased;
mod flushed;
mod part;
mod service;

use std::sync::Arc;

use bytes::Bytes;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio_rustls::server::TlsStream;

use crate::handshake::Ended;
use crate::http1::answer::Answers;
use crate::http1::flushed::Flushed;
use crate::http1::service::{Armed, Counting};
use crate::ledger::Entry;
use crate::scenario::Scenario;
use crate::serve::Serve;
use crate::shared::Shared;
use crate::stop::stopped;
use crate::strike;
use crate::truth::End;

/// Serves one connection until the client leaves, the fault strikes, or the server stops.
pub(crate) async fn serve<S: Serve>(
    tls: TlsStream<TcpStream>,
    scenario: Scenario,
    service: S,
    shared: &Shared,
    entry: &Arc<Entry>,
    stop: &mut watch::Receiver<bool>,
) -> Ended {
    let (fire, mut fired) = oneshot::channel::<Bytes>();
    let fault = scenario.needs_request().and_then(|at| Some((at, scenario.fault_at(at)?)));
    let armed = fault.map(|(at, _)| Armed { at, fire });
    let answers = Arc::new(Answers::new(Arc::clone(entry)));
    let counting =
        Counting::new(service, shared.id_header.clone(), shared.body_limit, Arc::clone(&answers), armed);
    let io = TokioIo::new(Flushed::new(tls, answers));
    let mut connection = hyper::server::conn::http1::Builder::new().serve_connection(io, counting);

    let mut waiting = fault.is_some();
    let mut stopping = false;
    let last = loop {
        tokio::select! {
            biased;
            last = &mut fired, if waiting => match last {
                Ok(last) => break last,
                Err(_) => waiting = false,
            },
            result = &mut connection => return match result {
                Ok(()) if stopping => (End::Shutdown, None),
                Ok(()) => (End::ClientLeft, None),
                Err(error) if error.is_user() => (End::ServiceFailed, Some(words(&error))),
                Err(error) => (End::ClientLeft, Some(words(&error))),
            },
            () = stopped(stop), if !stopping => {
                std::pin::Pin::new(&mut connection).graceful_shutdown();
                stopping = true;
            }
        }
    };
    let Some((_, fault)) = fault else { return (End::ClientLeft, None) };
    let tls = connection.into_parts().io.into_inner().into_inner();
    tokio::select! {
        biased;
        end = strike::tls(tls, &last, fault, entry) => (end, None),
        () = stopped(stop) => (End::Shutdown, None),
    }
}

/// An error and its cause in one line.
fn words(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
