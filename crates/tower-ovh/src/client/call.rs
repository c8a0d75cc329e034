//! One call, being put together.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, USER_AGENT};
use http::{Extensions, HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::Full;
use ovh_auth::{Endpoint, Unsigned};
use retry_on_tls_eof::RetrySafety;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower::ServiceExt as _;

use super::answer_error::AnswerError;
use super::api::Api;
use super::api_error::ApiError;
use super::call_error::CallError;

/// A call that is being put together: sent when it is awaited. `T` is what the answer's JSON is read as.
#[must_use = "a call is sent when it is awaited"]
pub struct Call<T> {
    endpoint: Endpoint,
    api: Api,
    method: Method,
    path_and_query: String,
    headers: HeaderMap,
    extensions: Extensions,
    body: Result<Bytes, serde_json::Error>,
    answer: PhantomData<fn() -> T>,
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const AGENT: HeaderValue = HeaderValue::from_static(concat!("tower-ovh/", env!("CARGO_PKG_VERSION")));

impl<T> Call<T> {
    pub(super) fn new(endpoint: Endpoint, api: Api, method: Method, path: &str) -> Self {
        let headers = HeaderMap::from_iter([(ACCEPT, JSON), (USER_AGENT, AGENT)]);
        Self {
            endpoint,
            api,
            method,
            path_and_query: path.to_owned(),
            headers,
            extensions: Extensions::new(),
            body: Ok(Bytes::new()),
            answer: PhantomData,
        }
    }

    /// Adds a parameter to the query, escaped as forms are. The same name may come several times.
    pub fn query(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.path_and_query.push(if self.path_and_query.contains('?') { '&' } else { '?' });
        let pair =
            form_urlencoded::Serializer::new(String::new()).append_pair(name, &value.to_string()).finish();
        self.path_and_query.push_str(&pair);
        self
    }

    /// Sends this as JSON.
    pub fn json(mut self, body: &(impl Serialize + ?Sized)) -> Self {
        self.body = serde_json::to_vec(body).map(Bytes::from);
        self.headers.insert(CONTENT_TYPE, JSON);
        self
    }

    /// Sends this header too: `X-Pagination-Mode`, say.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Sends the call without signature or token: some under `/order` fail with one.
    pub fn unsigned(mut self) -> Self {
        self.extensions.insert(Unsigned);
        self
    }

    /// Says whether the call does harm when it is sent twice, where its method says too little or too much.
    pub fn retry_safety(mut self, safety: RetrySafety) -> Self {
        self.extensions.insert(safety);
        self
    }

    /// Sends the call. The answer's status is success; its headers may have the next page's cursor.
    ///
    /// # Errors
    ///
    /// Any [`CallError`]; [`Answer`](CallError::Answer) only if the body is longer than the stack reads.
    pub async fn response(self) -> Result<Response<Bytes>, CallError> {
        let safety = self.safety();
        let Self { endpoint, api, method, path_and_query, headers, extensions, body, .. } = self;
        let url = endpoint.url(&path_and_query).map_err(CallError::Path)?;
        let mut request = Request::new(Full::new(body.map_err(CallError::Body)?));
        *request.method_mut() = method;
        *request.uri_mut() = url;
        *request.headers_mut() = headers;
        *request.extensions_mut() = extensions;
        let response = api.oneshot(request).await.map_err(|error| CallError::failed(error, safety))?;
        if response.status().is_success() {
            Ok(response)
        } else {
            Err(CallError::Api(ApiError::answered(&response, safety)))
        }
    }

    fn safety(&self) -> RetrySafety {
        RetrySafety::of(&self.method, &self.extensions)
    }
}

/// The future of a [`Call`].
pub type CallFuture<T> = Pin<Box<dyn Future<Output = Result<T, CallError>> + Send>>;

impl<T: DeserializeOwned + 'static> IntoFuture for Call<T> {
    type Output = Result<T, CallError>;
    type IntoFuture = CallFuture<T>;

    fn into_future(self) -> CallFuture<T> {
        Box::pin(async move {
            let safety = self.safety();
            AnswerError::read(&self.response().await?, safety).map_err(CallError::Answer)
        })
    }
}

/// Method and path: a query or a body may hold what is nobody's business.
impl<T> fmt::Debug for Call<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path_and_query.split('?').next().unwrap_or_default();
        f.debug_struct("Call").field("method", &self.method).field("path", &path).finish_non_exhaustive()
    }
}
