//! One token, as the server gives it.

use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, StatusCode};
use serde::Deserialize;
use tokio::time::Instant;

use crate::exchange::Answer;
use crate::failure::{Failure, Seen};
use crate::secret::Secret;

/// How long before its end a token is no longer used: what the official clients do (go-ovh by golang.org/x/oauth2).
const EARLY: Duration = Duration::from_secs(10);

/// How long a token is used at least, whatever it says: calls that wait for one would otherwise find it ended when their turn
/// comes, and fetch for ever.
const LEAST: Duration = Duration::from_secs(1);

/// How long a token is kept for which one was dropped that the API refused: a choice. Where the refusals are about the caller's
/// rights, each further one would cost another fetch.
const FRESH: Duration = Duration::from_secs(30);

/// The longest answer read. Tokens have some 1 to 2 KiB.
pub(super) const ANSWER: usize = 16 * 1024;

/// A token as the header that it goes into.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    header: HeaderValue,
    /// None: it says of none.
    good_until: Option<Instant>,
    /// Until then no refusal is about the token itself.
    fresh_until: Option<Instant>,
}

impl Token {
    pub(super) fn new(token: &Secret) -> Self {
        // Visible ASCII, as a `Secret` is, after a word of the same.
        let mut header = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
            .unwrap_or_else(|_| HeaderValue::from_static(""));
        header.set_sensitive(true);
        Self { header, good_until: None, fresh_until: None }
    }

    pub(super) fn authorise<B>(&self, request: &mut Request<B>) {
        request.headers_mut().insert(AUTHORIZATION, self.header.clone());
    }

    /// One that was fetched in place of a token which the API refused.
    pub(super) fn replacing_refused(self) -> Self {
        Self { fresh_until: Instant::now().checked_add(FRESH), ..self }
    }

    pub(super) fn is_fresh(&self) -> bool {
        self.fresh_until.is_some_and(|until| Instant::now() < until)
    }

    pub(super) fn is_good(&self) -> bool {
        self.good_until.is_none_or(|until| Instant::now() < until)
    }
}

/// What a token endpoint answers ([RFC 6749, 5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1)).
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    token_type: Option<String>,
    expires_in: Option<u64>,
}

/// What it answers in error ([5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)). The description is not read:
/// it may quote what was sent.
#[derive(Deserialize)]
struct Denied {
    error: String,
}

/// The codes of RFC 6749, 5.2. Others are not repeated, since a server may put anything there.
const CODES: [&str; 6] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
];

pub(super) fn read(answer: &Answer) -> Result<Token, Failure> {
    let Answer { head, at, body } = answer;
    let code = || serde_json::from_slice::<Denied>(body.as_ref()?).ok().and_then(|denied| denied.code());
    let status = |code| Failure::Status { answer: Seen::of(head), code };
    let unreadable = || Failure::Unreadable { answer: Seen::of(head) };
    if head.status != StatusCode::OK {
        return Err(status(code()));
    }
    let granted = body.as_ref().and_then(|body| serde_json::from_slice::<Granted>(body).ok());
    let Some(granted) = granted else {
        return Err(code().map_or_else(unreadable, |code| status(Some(code))));
    };
    if !granted.token_type.is_none_or(|kind| kind.eq_ignore_ascii_case("bearer")) {
        return Err(unreadable());
    }
    let secret = Secret::new(&granted.access_token).map_err(|_| unreadable())?;
    let lasts = granted.expires_in.map(Duration::from_secs);
    // One that ends beyond what the clock can count never ends.
    let good_until = lasts.and_then(|lasts| at.checked_add((lasts - EARLY.min(lasts / 2)).max(LEAST)));
    Ok(Token { good_until, ..Token::new(&secret) })
}

impl Denied {
    fn code(&self) -> Option<&'static str> {
        CODES.into_iter().find(|code| *code == self.error)
    }
}
