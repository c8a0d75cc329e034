//! A service of any kind, as one type: what carries its requests is compiled once, not once for each service.

use std::future::poll_fn;
use std::pin::Pin;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;

use crate::erased::erase;
use crate::serve::{BoxError, RequestBody, Serve};

/// A response with its body as one type.
pub(crate) type Erased = Response<UnsyncBoxBody<Bytes, BoxError>>;

type Answering = Pin<Box<dyn Future<Output = Result<Erased, BoxError>> + Send>>;

/// The service behind a server.
pub(crate) struct Served(Box<dyn Call>);

impl Served {
    pub(crate) fn new<S: Serve>(service: S) -> Self {
        Self(Box::new(service))
    }

    /// Waits until the service is ready, and calls it.
    pub(crate) fn call(self, request: Request<RequestBody>) -> Answering {
        self.0.call_once_ready(request)
    }
}

impl Clone for Served {
    fn clone(&self) -> Self {
        Self(self.0.another())
    }
}

trait Call: Send {
    fn another(&self) -> Box<dyn Call>;
    fn call_once_ready(self: Box<Self>, request: Request<RequestBody>) -> Answering;
}

impl<S: Serve> Call for S {
    fn another(&self) -> Box<dyn Call> {
        Box::new(self.clone())
    }

    fn call_once_ready(mut self: Box<Self>, request: Request<RequestBody>) -> Answering {
        Box::pin(async move {
            poll_fn(|cx| self.poll_ready(cx)).await.map_err(Into::into)?;
            Ok((*self).call(request).await.map_err(Into::into)?.map(erase))
        })
    }
}
