//! Statistics and rate limits on the server's side, in axum.
//!
//! ```text
//! cargo run --example axum_server             # a server and its clients, who compare their counts; ends by itself
//! cargo run --example axum_server -- 8080     # the server alone, until Ctrl-C
//!
//! curl -i http://127.0.0.1:8080/stock
//! curl -i http://127.0.0.1:8080/broken
//! curl -i --max-time 1 http://127.0.0.1:8080/slow
//! curl -s "http://127.0.0.1:8080/stock?[1-30]"
//! curl -s http://127.0.0.1:8080/stats
//!
//! # Five a second for each client, and the sixth is answered 429 with Retry-After:
//! curl -si "http://127.0.0.1:8080/orders?[1-6]" | grep -iE "^(http|retry|ratelimit)"
//! # The same for clients behind a proxy on this machine; these two are one client, a network of IPv6:
//! curl -si -H "X-Forwarded-For: 2001:db8::1" "http://127.0.0.1:8080/orders?[1-5]" | grep -i "^ratelimit:"
//! curl -si -H "X-Forwarded-For: 2001:db8::2" http://127.0.0.1:8080/orders
//! ```
//!
//! `/stock` is released ten times a second at most; who would wait for more than two seconds is answered 429. `/orders` makes
//! nobody wait: each client has a quota, and every answer says how much of it is left. A client that leaves before its
//! answer is counted as cancelled.

mod app;
mod clients;

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use error_stats::ErrorStats;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::app::{Seen, app};
use crate::clients::{Clients, compare};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let stats = ErrorStats::new().on_alarm(|alarm| eprintln!("{alarm}"));
    let seen = Arc::new(Seen::default());
    // Tells the limiter who calls.
    let app = app(&stats, &seen)?.into_make_service_with_connect_info::<SocketAddr>();
    if let Some(port) = std::env::args().nth(1) {
        let listener = TcpListener::bind(("127.0.0.1", port.parse()?)).await?;
        println!("http://{}", listener.local_addr()?);
        let stop = async { tokio::signal::ctrl_c().await.unwrap_or_else(|error| eprintln!("{error}")) };
        axum::serve(listener, app).with_graceful_shutdown(stop).await?;
        println!("{}", stats.snapshot());
        return Ok(());
    }

    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let clients = Clients::new(format!("http://{}", listener.local_addr()?));
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async { stopped.await.unwrap_or_default() };
    let server = tokio::spawn(async { axum::serve(listener, app).with_graceful_shutdown(stopped).await });

    let tally = clients.call_all(&seen).await?;
    let refused = clients.call_each().await?;
    drop(clients);
    let _ = stop.send(());
    // Waits for every connection, so that all is counted.
    server.await??;
    println!("\n{}\n", stats.snapshot());
    compare(&stats, &seen, &tally, refused)
}
