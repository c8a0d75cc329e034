//! The clients, who hold what they get against what the server says.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use error_stats::ErrorStats;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::app::{PER_CLIENT, PER_SECOND, Seen};

const CALLS: usize = 35;

type Failure = Box<dyn Error + Send + Sync>;

pub(crate) struct Clients {
    client: Client<HttpConnector, Empty<Bytes>>,
    base: String,
}

/// What was answered to so many calls at once.
pub(crate) struct Tally {
    released: u64,
    refused: u64,
}

impl Clients {
    pub(crate) fn new(base: String) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self { client: Client::builder(TokioExecutor::new()).build(connector), base }
    }

    fn request(&self, path: &str) -> http::Result<Request<Empty<Bytes>>> {
        Request::get(format!("{}{path}", self.base)).body(Empty::new())
    }

    async fn get(&self, path: &str) -> Result<Response<Incoming>, Failure> {
        Ok(self.client.request(self.request(path)?).await?)
    }

    /// All at once to `/stock`, which serves them one after the other; then errors, and a client that leaves.
    pub(crate) async fn call_all(&self, seen: &Seen) -> Result<Tally, Failure> {
        let mut calls = JoinSet::new();
        for _ in 0..CALLS {
            calls.spawn(self.client.request(self.request("/stock")?));
        }
        let mut tally = Tally { released: 0, refused: 0 };
        while let Some(response) = calls.join_next().await {
            match response??.status() {
                StatusCode::OK => tally.released += 1,
                StatusCode::TOO_MANY_REQUESTS => tally.refused += 1,
                other => return Err(format!("/stock was answered {other}").into()),
            }
        }
        for _ in 0..3 {
            assert_eq!(self.get("/broken").await?.status(), 500);
        }
        tokio::select! {
            answer = self.get("/slow") => return Err(format!("/slow has answered: {answer:?}").into()),
            // The handler is at work: the client leaves.
            () = seen.slow.notified() => {}
        }
        Ok(tally)
    }

    /// Each client by itself to `/orders`: who has used its quota up is refused, the others are not.
    pub(crate) async fn call_each(&self) -> Result<u64, Failure> {
        let mut refused = 0;
        // The proxy has appended the client's address; what the client itself has claimed stands before it.
        let from = async |client: &str| -> Result<(StatusCode, HeaderMap), Failure> {
            let mut request = self.request("/orders")?;
            request.headers_mut().insert("x-forwarded-for", client.parse()?);
            let (head, _) = self.client.request(request).await?.into_parts();
            Ok((head.status, head.headers))
        };
        let field = |headers: &HeaderMap, name| headers.get(name).map(|value| format!("{name}: {value:?}"));
        for left in (0..PER_CLIENT).rev() {
            // One network of IPv6 is one client.
            let (status, headers) = from(&format!("198.51.100.{left}, 2001:db8::{left}")).await?;
            assert_eq!(status, StatusCode::OK);
            assert_eq!(headers["ratelimit-policy"], format!("\"orders\";q={PER_CLIENT};w=1"));
            assert_eq!(headers["ratelimit"], format!("\"orders\";r={left};t=1"));
        }
        let (status, headers) = from("2001:db8::cafe").await?;
        refused += 1;
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
        println!("refused: {status}");
        for name in ["retry-after", "ratelimit-policy", "ratelimit", "content-type"] {
            println!("  {}", field(&headers, name).ok_or_else(|| format!("no {name}"))?);
        }
        assert_eq!(headers["retry-after"], "1");
        let (status, _) = from("2001:db8:0:1::1").await?;
        assert_eq!(status, StatusCode::OK, "another client has its own quota");
        Ok(refused)
    }
}

/// What the server has counted must be what its clients saw.
pub(crate) fn compare(
    stats: &ErrorStats,
    seen: &Arc<Seen>,
    tally: &Tally,
    refused: u64,
) -> Result<(), Failure> {
    let Tally { released, refused: late } = *tally;
    let calls = stats.snapshot().calls;
    let busiest = busiest(&seen.released.lock());
    println!("{CALLS} calls at once: {released} released, {late} refused, at most {busiest} in any second");
    println!("{} answers of 5xx, {} calls cancelled", calls.responses.server_error, calls.cancelled);

    assert_eq!(released + late, u64::try_from(CALLS)?);
    assert!(busiest <= usize::try_from(PER_SECOND)?, "{busiest} in one second");
    let ordered = u64::from(PER_CLIENT) + 1;
    assert_eq!(
        (calls.responses.success, calls.responses.too_many_requests),
        (released + ordered, late + refused)
    );
    assert!(late > 0, "nobody would have waited too long");
    assert_eq!((calls.responses.server_error, calls.cancelled, calls.in_flight), (3, 1, 0));
    Ok(())
}

/// The most calls in any sliding second.
fn busiest(at: &[Instant]) -> usize {
    let within = |start: &Instant| {
        at.iter().filter(|&at| at >= start && *at - *start < Duration::from_secs(1)).count()
    };
    at.iter().map(within).max().unwrap_or(0)
}
