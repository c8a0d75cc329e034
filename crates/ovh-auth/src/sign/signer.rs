//! Puts the headers on.

use http::{HeaderMap, HeaderName, HeaderValue, Request};

use super::signable::SignableBody;
use crate::clock::{ServerClock, Timestamp};
use crate::credentials::ApplicationKeys;
use crate::endpoint::Endpoint;
use crate::error::AuthError;
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

impl Signer {
    pub(crate) fn name_application(&self, headers: &mut HeaderMap) {
        headers.insert(APPLICATION, self.keys.key.header());
    }

    /// Signs what is there: method, URL and body as they are.
    pub(crate) fn sign<B: SignableBody>(
        &self,
        request: &mut Request<B>,
        at: Timestamp,
    ) -> Result<(), AuthError> {
        let Some(consumer) = &self.keys.consumer else {
            return Err(AuthError::no_consumer_key(request));
        };
        let Some(body) = request.body().signable() else {
            return Err(AuthError::streaming_body(request));
        };
        let secret = &self.keys.secret;
        let signature = signature(secret, consumer, request.method(), request.uri(), &body, at.seconds());
        let consumer = consumer.header();
        let headers = request.headers_mut();
        self.name_application(headers);
        headers.insert(CONSUMER, consumer);
        headers.insert(TIMESTAMP, HeaderValue::from(at.seconds()));
        headers.insert(SIGNATURE, signature);
        Ok(())
    }

    /// Whether [`sign`](Self::sign) would, so that nothing is fetched for a request that can't be signed.
    pub(crate) fn can_sign<B: SignableBody>(&self, request: &Request<B>) -> Result<(), AuthError> {
        if !self.keys.has_consumer_key() {
            return Err(AuthError::no_consumer_key(request));
        }
        if request.body().signable().is_none() {
            return Err(AuthError::streaming_body(request));
        }
        Ok(())
    }
}
