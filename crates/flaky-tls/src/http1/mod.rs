//! HTTP/1.1 over one TLS stream: the requests are counted, the service is called, and the fault strikes.

mod answer;
mod flushed;
mod part;
mod service;

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio_rustls::server::TlsStream;

use crate::desk::Desk;
use crate::handshake::Ended;
use crate::http1::answer::Answers;
use crate::http1::flushed::{Flushed, Gate};
use crate::http1::service::{Armed, Counting};
use crate::request_fault::{Plan, RequestFault, RequestPoint};
use crate::stop::stopped;
use crate::strike;
use crate::truth::End;

/// Serves one connection until the client leaves, the fault strikes, or the server stops.
pub(crate) async fn serve(
    tls: TlsStream<TcpStream>,
    desk: Desk,
    plan: Option<Plan>,
    stop: &mut watch::Receiver<bool>,
) -> Ended {
    let (entry, progress) = (Arc::clone(&desk.entry), Arc::clone(&desk.progress));
    let planned = plan.and_then(|plan| Some((plan, plan.fault.strike()?)));
    // What HTTP/1.1 doesn't have is not carried out.
    let planned = planned.filter(|(plan, _)| !matches!(plan.fault, RequestFault::GoAway { .. }));
    let (fire, mut fired) = oneshot::channel::<Bytes>();
    let (mut gate, mut armed, mut idle) = (None, None, None);
    if let Some((plan, _)) = planned {
        match plan.fault {
            RequestFault::Idle { wait, .. } => idle = Some((plan.requests, wait)),
            fault if fault.point() == Some(RequestPoint::Start) => {
                gate = Some(Gate { answers: plan.requests, fire: Some(fire) });
            }
            _ => armed = Some(Armed { plan, fire }),
        }
    }
    let mut waiting = gate.is_some() || armed.is_some();
    let answers = Arc::new(Answers::new(Arc::clone(&entry), Arc::clone(&progress)));
    let io = TokioIo::new(Flushed::new(tls, Arc::clone(&answers), gate));
    let counting = Counting::new(desk, answers, armed);
    let mut connection = hyper::server::conn::http1::Builder::new().serve_connection(io, counting);
    let mut idle = pin!(async move {
        match idle {
            Some((requests, wait)) => progress.idle(requests, wait).await,
            None => pending().await,
        }
    });

    let mut stopping = false;
    let last = loop {
        tokio::select! {
            biased;
            last = &mut fired, if waiting => match last {
                Ok(last) => break last,
                Err(_) => waiting = false,
            },
            () = &mut idle => break Bytes::new(),
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
    let Some((_, fault)) = planned else { return (End::ClientLeft, None) };
    let tls = connection.into_parts().io.into_inner().into_inner();
    tokio::select! {
        biased;
        end = strike::tls(tls, &last, fault, &entry) => (end, None),
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
