//! HTTP/2 over one TLS stream: h2 speaks it, until the fault strikes with frames of our own.

mod answer;
mod frame;
mod incoming;
mod scanner;
mod stream;
mod tap;

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use h2::server::Connection;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio_rustls::server::TlsStream;

use crate::cut_by::{CutBy, Strike};
use crate::desk::Desk;
use crate::handshake::Ended;
use crate::http2::stream::{Done, Met};
use crate::http2::tap::{Gate, Tap};
use crate::ledger::Entry;
use crate::request_fault::{Plan, RequestFault, RequestPoint};
use crate::scenario::{Http2Point, Scenario};
use crate::stop::stopped;
use crate::strike;
use crate::truth::End;

/// Serves one connection until the client leaves, the fault strikes, or the server stops.
pub(crate) async fn serve(
    tls: TlsStream<TcpStream>,
    desk: Desk,
    scenario: Scenario,
    stop: &mut watch::Receiver<bool>,
) -> Ended {
    match scenario {
        Scenario::Http2Cut { at, by } => tokio::select! {
            biased;
            ended = opening(tls, at, by, &desk.entry) => ended,
            () = stopped(stop) => (End::Shutdown, None),
        },
        _ => requests(tls, desk, scenario.plan(), stop).await,
    }
}

/// Cuts the connection at its opening.
async fn opening(mut tls: TlsStream<TcpStream>, at: Http2Point, by: CutBy, entry: &Entry) -> Ended {
    let mut preface = [0; frame::PREFACE.len()];
    match tls.read_exact(&mut preface).await {
        Ok(_) if preface == *frame::PREFACE => {}
        Ok(_) => return (End::ClientLeft, Some("no preface of HTTP/2 was sent".into())),
        Err(error) => return (End::ClientLeft, Some(error.to_string())),
    }
    let last = match at {
        Http2Point::Preface => Bytes::new(),
        Http2Point::Settings => frame::settings(),
    };
    (strike::tls(tls, &last, Strike::Cut(by), entry).await, None)
}

async fn requests(
    tls: TlsStream<TcpStream>,
    desk: Desk,
    plan: Option<Plan>,
    stop: &mut watch::Receiver<bool>,
) -> Ended {
    let (entry, progress) = (Arc::clone(&desk.entry), Arc::clone(&desk.progress));
    let (fire, fired) = oneshot::channel();
    let starts = |plan: &Plan| plan.fault.point() == Some(RequestPoint::Start);
    let gate = plan.filter(starts).map(|plan| Gate::new(plan.requests, fire));
    let gated = gate.is_some();
    let mut gate_struck = pin!(async {
        match fired.await {
            Ok(()) if gated => {}
            _ => pending().await,
        }
    });
    let mut idle = pin!(async {
        match plan.map(|plan| (plan.requests, plan.fault)) {
            Some((requests, RequestFault::Idle { wait, .. })) => progress.idle(requests, wait).await,
            _ => pending().await,
        }
    });

    let tap = Tap::new(tls, Arc::clone(&entry), Arc::clone(&progress), gate);
    let opened = tokio::select! {
        biased;
        opened = h2::server::handshake(tap.clone()) => opened,
        () = stopped(stop) => return (End::Shutdown, None),
    };
    let mut connection = match opened {
        Ok(connection) => connection,
        Err(error) => return (End::ClientLeft, Some(error.to_string())),
    };
    let mut streams = JoinSet::new();
    let mut stopping = false;
    let (last, _stream) = loop {
        tokio::select! {
            biased;
            () = &mut gate_struck => break (Bytes::new(), None),
            Some(done) = streams.join_next() => match done {
                Ok(Done::Over) => {}
                Ok(Done::Strike(last, stream)) => break (last, Some(stream)),
                Ok(Done::Failed(error)) => return (End::ServiceFailed, Some(error.to_string())),
                Err(error) if error.is_panic() => return (End::Panicked, None),
                Err(_) => {} // The runtime is shutting down.
            },
            () = &mut idle => break (Bytes::new(), None),
            accepted = poll_fn(|cx| connection.poll_accept(cx)) => match accepted {
                Some(Ok((request, respond))) => {
                    let met = met(plan, progress.begin());
                    streams.spawn(stream::serve(desk.clone(), request, respond, tap.clone(), met));
                }
                Some(Err(error)) => return (End::ClientLeft, Some(error.to_string())),
                None if stopping => return (End::Shutdown, None),
                None => return (End::ClientLeft, None),
            },
            () = stopped(stop), if !stopping => {
                connection.graceful_shutdown();
                stopping = true;
            }
        }
    };
    let Some(struck) = plan.and_then(|plan| plan.fault.strike()) else { return (End::ClientLeft, None) };
    let cut = async {
        finish_frames(&mut connection, &tap).await;
        match tap.untap() {
            Some(tls) => strike::tls(tls, &last, struck, &entry).await,
            None => End::ClientLeft,
        }
    };
    tokio::select! {
        biased;
        end = cut => (end, None),
        () = stopped(stop) => (End::Shutdown, None),
    }
}

/// What the stream meets before which so many have begun.
fn met(plan: Option<Plan>, before: u32) -> Met {
    match plan {
        Some(plan) if before == plan.requests => Met::Fault(plan.fault),
        Some(Plan { requests, fault: RequestFault::GoAway { covers: false, .. } }) if before > requests => {
            Met::Refusal
        }
        _ => Met::Nothing,
    }
}

/// Lets h2 write out what it has in hand, so that a frame of our own does not come within one of its.
async fn finish_frames(connection: &mut Connection<Tap, Bytes>, tap: &Tap) {
    let mut late = Vec::new();
    poll_fn(|cx| {
        loop {
            match connection.poll_accept(cx) {
                // Too late to be served. Were it dropped now, h2 would reset it.
                Poll::Ready(Some(Ok(stream))) => late.push(stream),
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending if tap.is_whole() => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await;
}
