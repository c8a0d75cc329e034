//! The one error that the layers invent.

use std::error::Error;
use std::fmt;

use http::{Method, Request, Uri};
use wire_fault::{Cause, Delivery, Fault, Healing, Mark, Phase, Verdict};

use crate::endpoint::Endpoint;
use crate::failure::Failure;

/// A call could not be authenticated, and so was not sent; or a credential could not be had.
///
/// Its [`source`](Error::source) is a [`Mark`] that says so. Where the fetch of the server's time or of a token failed,
/// the mark states *never sent* with the phase, cause and healing of that failure, so a retry above may repeat even a
/// POST; the error below is the fetch's own. [`AuthErrorKind::Credential`] states the fault of the call that asked. All
/// other kinds are refusals ([`Verdict::RefusedLocally`]): no repeat heals them.
///
/// No secret and no query string is in its texts.
#[derive(Debug)]
pub struct AuthError {
    kind: AuthErrorKind,
    text: String,
    mark: Mark,
}

/// Why a call was not authenticated.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthErrorKind {
    /// The request's URL is outside the endpoint, so its signature or token would go to a stranger.
    Foreign,
    /// The body's bytes are not known before it is sent, so it can't be signed.
    StreamingBody,
    /// There is no consumer key to sign with.
    NoConsumerKey,
    /// The server's time could not be had.
    ServerTime,
    /// No access token could be had.
    Token,
    /// A consumer key was asked for ([`CredentialRequest`](crate::CredentialRequest)) and not had.
    Credential,
}

impl AuthError {
    pub(crate) fn foreign<B>(request: &Request<B>, endpoint: &Endpoint) -> Self {
        let text = format!(
            "{} is outside the endpoint {endpoint} ({}), so it was neither authenticated nor sent; \
             an `Unsigned` request is sent as it is",
            Line::of(request),
            endpoint.base(),
        );
        Self::refusal(AuthErrorKind::Foreign, text)
    }

    pub(crate) fn streaming_body<B>(request: &Request<B>) -> Self {
        let line = Line::of(request);
        let text = format!("{line} can't be signed: the bytes of its body are not known before it is sent");
        Self::refusal(AuthErrorKind::StreamingBody, text)
    }

    pub(crate) fn no_consumer_key<B>(request: &Request<B>) -> Self {
        let text = format!("{} can't be signed: there is no consumer key", Line::of(request));
        Self::refusal(AuthErrorKind::NoConsumerKey, text)
    }

    pub(crate) fn server_time(failure: &Failure) -> Self {
        let text = format!("the server's time could not be had: {failure}");
        Self::before(AuthErrorKind::ServerTime, text, failure)
    }

    pub(crate) fn token(failure: &Failure) -> Self {
        Self::before(AuthErrorKind::Token, format!("no access token could be had: {failure}"), failure)
    }

    pub(crate) fn credential(failure: &Failure) -> Self {
        let text = format!("no consumer key could be had: {failure}");
        Self::carrying(AuthErrorKind::Credential, text, failure, failure.fault())
    }

    fn refusal(kind: AuthErrorKind, text: String) -> Self {
        let fault = Fault::new(Phase::Unknown, Delivery::NeverSent, Cause::Other, Healing::Permanent);
        Self { kind, text, mark: Mark::verdict(Verdict::RefusedLocally).with_fault(fault) }
    }

    /// The fetch failed before the call itself could be sent.
    fn before(kind: AuthErrorKind, text: String, failure: &Failure) -> Self {
        let fault = failure.fault();
        let fault = Fault::new(fault.phase, Delivery::NeverSent, fault.cause, fault.healing);
        Self::carrying(kind, text, failure, fault)
    }

    fn carrying(kind: AuthErrorKind, text: String, failure: &Failure, fault: Fault) -> Self {
        let mark = Mark::fault(fault);
        let mark = match failure.carried() {
            Some(error) => mark.with_source(error),
            None => mark,
        };
        Self { kind, text, mark }
    }

    /// Why.
    #[must_use]
    pub const fn kind(&self) -> AuthErrorKind {
        self.kind
    }

    /// What a retry above goes by.
    #[must_use]
    pub fn fault(&self) -> Fault {
        Fault::of(self)
    }
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for AuthError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.mark)
    }
}

/// "GET https://host/path": a request without its query and without user information.
struct Line<'a> {
    method: &'a Method,
    uri: &'a Uri,
}

impl<'a> Line<'a> {
    fn of<B>(request: &'a Request<B>) -> Self {
        Self { method: request.method(), uri: request.uri() }
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, uri } = self;
        write!(f, "{method} ")?;
        if let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) {
            let host = authority.as_str().rsplit('@').next().unwrap_or_default();
            write!(f, "{scheme}://{host}")?;
        }
        f.write_str(uri.path())
    }
}
