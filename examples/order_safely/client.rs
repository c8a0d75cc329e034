//! Paths and JSON in, types out, over either of the stacks.

use bytes::Bytes;
use http::{Extensions, Method, Request, Response};
use http_body_util::Full;
use ovh_auth::Endpoint;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceExt as _};

pub(crate) type Api = BoxCloneSyncService<Request<Full<Bytes>>, Response<Bytes>, BoxError>;

/// The API, through a stack.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) endpoint: Endpoint,
    pub(crate) api: Api,
}

impl Client {
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, BoxError> {
        read(&self.send(Method::GET, path, &Value::Null, Extensions::new()).await?)
    }

    /// A POST. The extensions say what the layers should know of it.
    pub(crate) async fn post(
        &self,
        path: &str,
        body: &Value,
        extensions: Extensions,
    ) -> Result<Response<Bytes>, BoxError> {
        self.send(Method::POST, path, body, extensions).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: &Value,
        extensions: Extensions,
    ) -> Result<Response<Bytes>, BoxError> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut request = Request::new(Full::from(body));
        *request.uri_mut() = self.endpoint.url(path)?;
        *request.extensions_mut() = extensions;
        request.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
        let what = format!("{method} {path}");
        *request.method_mut() = method;
        let response = self.api.clone().oneshot(request).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(format!("{what}: {}: {}", response.status(), String::from_utf8_lossy(response.body())).into())
    }
}

pub(crate) fn read<T: DeserializeOwned>(response: &Response<Bytes>) -> Result<T, BoxError> {
    Ok(serde_json::from_slice(response.body())?)
}
