//! Asks about one plan again and again, and prints what changes.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::Full;
use retry_on_tls_eof::Exhausted;
use tokio::sync::watch;
use tokio::time::{self, Instant, MissedTickBehavior};
use tower::{BoxError, ServiceExt as _};
use wire_fault::{CallId, Fault, chain};

use crate::attempts::Attempts;
use crate::board::Board;
use crate::calls::Calls;
use crate::clock::Clock;
use crate::stack::Api;
use crate::stock::Stock;
use crate::text::one_line;

/// Below the base URL.
pub(crate) const PATH: &str = "/dedicated/server/datacenter/availabilities";

/// The query for one plan. All values are codes, which need no escaping.
pub(crate) fn query(plan: &str, datacenters: &[String], options: &[String]) -> String {
    let mut query = format!("planCode={plan}");
    if !datacenters.is_empty() {
        // Writing to a String does not fail.
        let _ = write!(query, "&datacenters={}&excludeDatacenters=false", datacenters.join(","));
    }
    for option in options {
        let _ = write!(query, "&addonFamily={option}");
    }
    query
}

/// One plan under watch.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) plan: Arc<str>,
    pub(crate) url: Uri,
    pub(crate) interval: Duration,
    pub(crate) api: Api,
    pub(crate) calls: Calls,
    pub(crate) attempts: Attempts,
    pub(crate) clock: Clock,
    /// Where news go; `None` is: to stdout, a line each.
    pub(crate) board: Option<Board>,
}

impl Watch {
    /// Watches until it is told to stop; a call that is under way then is finished. An error is stdout's.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) -> io::Result<()> {
        let mut ticks = time::interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut known = None;
        loop {
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
                _ = ticks.tick() => {}
            }
            let id = CallId::next();
            let (begun, call) = (Instant::now(), self.calls.begin(id, &self.plan));
            match self.ask(id).await {
                Ok(stock) => {
                    call.succeeded();
                    if let Some(board) = &self.board {
                        board.answered(
                            &self.plan,
                            &stock,
                            self.attempts.failed_of(id, begun),
                            Instant::now(),
                        );
                    }
                    self.tell(known.as_ref(), &stock)?;
                    known = Some(stock);
                }
                Err(reason) => {
                    if let Some(board) = &self.board {
                        let time = self.clock.at(Instant::now());
                        board.tell(format!("{time}  call {id}, {}: {}", self.plan, reason.escape_default()));
                    }
                    call.failed(reason);
                }
            }
        }
    }

    async fn ask(&self, id: CallId) -> Result<Stock, String> {
        let mut request = Request::new(Full::<Bytes>::default());
        *request.uri_mut() = self.url.clone();
        request.extensions_mut().insert(id);
        let response = self.api.clone().oneshot(request).await.map_err(|error| reason(&error))?;
        match response.status() {
            StatusCode::OK => Stock::parse(response.body()).map_err(|error| {
                format!("the answer is no list of availabilities: {}", one_line(&error.to_string()))
            }),
            StatusCode::NOT_FOUND if says_none(response.body()) => Ok(Stock::default()),
            status => Err(format!("answered {status}")),
        }
    }

    fn tell(&self, known: Option<&Stock>, stock: &Stock) -> io::Result<()> {
        let time = self.clock.at(Instant::now());
        let Some(known) = known else {
            let (plan, len, available) = (&self.plan, stock.len(), stock.available());
            return self.say(format!("{time}  {plan}  {available} of {len} available at first"));
        };
        known.changes(stock).iter().try_for_each(|change| self.say(format!("{time}  {change}")))
    }

    fn say(&self, line: String) -> io::Result<()> {
        match &self.board {
            None => writeln!(io::stdout(), "{line}"),
            Some(board) => {
                board.tell(line);
                Ok(())
            }
        }
    }
}

/// Whether this 404 is the API's way to say that the list is empty, and not that the URL is wrong.
fn says_none(body: &[u8]) -> bool {
    let text = b"No availabilities found";
    body.windows(text.len()).any(|window| window == text)
}

/// Why a call failed, in one line: where on its way, and the innermost error's words.
fn reason(error: &BoxError) -> String {
    let fault = Fault::of(&**error);
    let innermost = chain(&**error).last().map(ToString::to_string).unwrap_or_default();
    let innermost = one_line(&innermost);
    match Exhausted::of(&**error) {
        Some(exhausted) => format!("{exhausted}: {fault} ({innermost})"),
        None => format!("{fault} ({innermost})"),
    }
}
