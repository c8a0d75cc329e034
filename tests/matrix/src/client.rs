//! What a client is to the matrix.

use std::fmt;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use tower::util::BoxCloneService;
use tower::{BoxError, Service, ServiceExt};

use crate::trust::Trust;

/// A client behind one face.
pub type Transport =
    BoxCloneService<Request<Full<Bytes>>, Response<UnsyncBoxBody<Bytes, BoxError>>, BoxError>;

/// A client, and what can be known over it.
#[derive(Clone, Copy)]
pub struct Client {
    pub name: &'static str,
    /// Whether it speaks HTTP/2, and not HTTP/1.1.
    pub http2: bool,
    /// Whether it keeps connections for other requests.
    pub reuses: bool,
    /// Whether the scenarios of a proxy are played to it.
    pub proxied: bool,
    /// Whether it keeps the status with which a proxy refuses.
    pub hears_the_proxy: bool,
    /// Whether a time limit over it can know that it had no connection yet.
    pub notes_connections: bool,
    /// Whether a connection's error may stand for the request's, so that a `GOAWAY` tells it nothing of the request.
    pub shows_connections: bool,
    /// Whether it takes the end of a connection without `close_notify` for a body's orderly end.
    pub content_with_eof: bool,
    pub build: fn(Self, &Trust, Option<&str>) -> Transport,
}

impl Client {
    /// A client over HTTP/1.1, of which nothing else is known.
    #[must_use]
    pub const fn new(name: &'static str, build: fn(Self, &Trust, Option<&str>) -> Transport) -> Self {
        Self {
            name,
            http2: false,
            reuses: false,
            proxied: false,
            hears_the_proxy: false,
            notes_connections: false,
            shows_connections: false,
            content_with_eof: false,
            build,
        }
    }

    /// A client that trusts `trust`, and goes through the proxy if there is one.
    ///
    /// # Panics
    ///
    /// If it can't be built.
    #[must_use]
    pub fn build(self, trust: &Trust, proxy: Option<&str>) -> Transport {
        (self.build)(self, trust, proxy)
    }

    /// Whether it is hyper-util's client without anything of this project's.
    pub(crate) fn is_plain_hyper_util(self) -> bool {
        self.reuses && self.notes_connections && !self.hears_the_proxy
    }

    /// The protocol that it offers in the handshake.
    #[must_use]
    pub fn protocol(self) -> &'static [u8] {
        if self.http2 { b"h2" } else { b"http/1.1" }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Hides a client's types.
pub fn erase<S, B>(service: S) -> Transport
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let service = service
        .map_response(|response: Response<B>| response.map(|body| body.map_err(Into::into).boxed_unsync()))
        .map_err(Into::into);
    BoxCloneService::new(service)
}
