//! Puts the headers on.

use http::{HeaderMap, HeaderName, HeaderValue, Request};

use super::signable::SignableBody;
use crate::anchor::Anchor;
use crate::authenticate::Authenticate;
use crate::basis::Basis;
use crate::clock::{ServerClock, Timestamp};
use crate::credentials::ApplicationKeys;
use crate::endpoint::Endpoint;
use crate::error::AuthError;
use crate::failure::Failure;
use crate::kept::{Held, Lookup};
use crate::signature::signature;

const APPLICATION: HeaderName = HeaderName::from_static("x-ovh-application");
const CONSUMER: HeaderName = HeaderName::from_static("x-ovh-consumer");
const TIMESTAMP: HeaderName = HeaderName::from_static("x-ovh-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("x-ovh-signature");

/// What all services of one layer have in common.
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) endpoint: Endpoint,
    pub(crate) keys: ApplicationKeys,
    pub(crate) clock: ServerClock,
}

impl<B: SignableBody> Authenticate<B, Anchor> for Signer {
    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn given(&self, basis: &Basis) -> Option<Held<Anchor>> {
        basis.as_time()
    }

    fn look_up(&self) -> Lookup<Anchor> {
        self.clock.anchor()
    }

    fn check(&self, request: &Request<B>) -> Result<(), AuthError> {
        if !self.keys.has_consumer_key() {
            return Err(AuthError::no_consumer_key(request));
        }
        if request.body().signable().is_none() {
            return Err(AuthError::streaming_body(request));
        }
        Ok(())
    }

    /// Signs what is there: method, URL and body as they are.
    fn authenticate(&self, request: &mut Request<B>, held: &Held<Anchor>) -> Result<(), AuthError> {
        let Some(consumer) = &self.keys.consumer else {
            return Err(AuthError::no_consumer_key(request));
        };
        let Some(body) = request.body().signable() else {
            return Err(AuthError::streaming_body(request));
        };
        let (secret, at) = (&self.keys.secret, Timestamp::of(held).seconds());
        let signature = signature(secret, consumer, request.method(), request.uri(), &body, at);
        let headers = request.headers_mut();
        headers.insert(APPLICATION, self.keys.key.header());
        headers.insert(CONSUMER, consumer.header());
        headers.insert(TIMESTAMP, HeaderValue::from(at));
        headers.insert(SIGNATURE, signature);
        Ok(())
    }

    fn name_application(&self, headers: &mut HeaderMap) {
        headers.insert(APPLICATION, self.keys.key.header());
    }

    fn error(failure: &Failure) -> AuthError {
        AuthError::server_time(failure)
    }
}
