//! How a consumer key is had.

use std::error::Error;
use std::fmt;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, Uri};
use http_body::Body;
use serde::{Deserialize, Serialize};
use tower_service::Service;

use crate::credentials::ApplicationKeys;
use crate::endpoint::Endpoint;
use crate::error::AuthError;
use crate::exchange::{Answer, exchange};
use crate::failure::{BoxError, Failure, Seen};
use crate::secret::Secret;

/// The longest answer read; they have some 300 bytes.
const ANSWER: usize = 16 * 1024;

/// Asks for a consumer key, which a person then validates in a browser: `POST /auth/credential`.
///
/// ```
/// use bytes::Bytes;
/// use http::{Method, Request, Response};
/// use http_body_util::Full;
/// use ovh_auth::{ApplicationKeys, CredentialRequest};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let service = tower::service_fn(|request: Request<Full<Bytes>>| async move {
/// #     assert_eq!(request.headers()["x-ovh-application"], "7kbG7Bk7S9Nt7ZSV");
/// #     let answer = r#"{"consumerKey":"MtSwSrPpNjqfVSmJhLbPyr2i45lSwPU1","state":"pendingValidation",
/// #         "validationUrl":"https://www.ovh.com/auth/sso/api?credentialToken=iQ1joJE"}"#;
/// #     Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::from(answer)))
/// # });
/// let application = ApplicationKeys::new("7kbG7Bk7S9Nt7ZSV", "EXEgWIz07P0HYwtQDs7cNIqCiQaWSuHF")?;
/// let pending = CredentialRequest::new()
///     .allow(Method::GET, "/me")?
///     .allow(Method::POST, "/order/*")?
///     .send(&"ovh-eu".parse()?, &application, service)
///     .await?;
///
/// println!("Please visit {}", pending.validation_url());
/// let keys = pending.keys();
/// assert!(keys.has_consumer_key());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CredentialRequest {
    access_rules: Vec<AccessRule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redirection: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
struct AccessRule {
    method: &'static str,
    path: String,
}

impl CredentialRequest {
    /// A request that allows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows a method on a path, in which `*` stands for anything: `/*` is every call.
    ///
    /// # Errors
    ///
    /// If the method is not GET, POST, PUT or DELETE, or the path does not begin with a slash.
    pub fn allow(mut self, method: Method, path: impl Into<String>) -> Result<Self, InvalidRule> {
        let path = path.into();
        let known = ["GET", "POST", "PUT", "DELETE"].into_iter().find(|known| method == *known);
        match known {
            Some(method) if path.starts_with('/') => {
                self.access_rules.push(AccessRule { method, path });
                Ok(self)
            }
            _ => Err(InvalidRule { method, path }),
        }
    }

    /// Where the browser is sent after the validation.
    #[must_use]
    pub fn with_redirection(self, to: &Uri) -> Self {
        Self { redirection: Some(to.to_string()), ..self }
    }

    /// Sends it, with the application's key, through `service`, which need not authenticate it.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Credential`](crate::AuthErrorKind::Credential) if the service failed, or the answer is not what
    /// was asked for. A repeat does no harm: a key that nobody validates opens nothing.
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops the call.
    pub async fn send<S, B, R>(
        &self,
        endpoint: &Endpoint,
        application: &ApplicationKeys,
        service: S,
    ) -> Result<PendingCredential, AuthError>
    where
        S: Service<Request<B>, Response = Response<R>>,
        S::Error: Into<BoxError>,
        B: From<Bytes>,
        R: Body,
        R::Error: Into<BoxError>,
    {
        let result = match self.request(endpoint, application) {
            Ok(request) => exchange(service, request.map(B::from), ANSWER).await,
            Err(error) => Err(error),
        };
        match result.and_then(|answer| read(&answer)) {
            Ok(granted) => Ok(PendingCredential {
                keys: ApplicationKeys { consumer: Some(granted.consumer_key), ..application.clone() },
                validation_url: granted.validation_url,
            }),
            Err(failure) => Err(AuthError::credential(&failure)),
        }
    }

    fn request(&self, endpoint: &Endpoint, application: &ApplicationKeys) -> Result<Request<Bytes>, Failure> {
        let body = serde_json::to_vec(self).map_err(Failure::service)?;
        let mut request = Request::new(Bytes::from(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = endpoint.own_url("/auth/credential");
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("x-ovh-application", application.key.header());
        Ok(request)
    }
}

/// A consumer key that works once a person has validated it. `Debug` shows neither.
#[derive(Clone)]
pub struct PendingCredential {
    keys: ApplicationKeys,
    validation_url: String,
}

impl PendingCredential {
    /// Where a person validates it. The URL is as good as the key until then: show it to that person only.
    #[must_use]
    pub fn validation_url(&self) -> &str {
        &self.validation_url
    }

    /// The application's keys with the new consumer key.
    #[must_use]
    pub fn keys(&self) -> ApplicationKeys {
        self.keys.clone()
    }

    /// The consumer key, to be stored.
    #[must_use]
    pub fn consumer_key(&self) -> Option<&Secret> {
        self.keys.consumer.as_ref()
    }
}

impl fmt::Debug for PendingCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingCredential").finish_non_exhaustive()
    }
}

struct Granted {
    consumer_key: Secret,
    validation_url: String,
}

fn read(answer: &Answer) -> Result<Granted, Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        consumer_key: String,
        validation_url: String,
    }
    let Answer { head, body, .. } = answer;
    let body = body.as_ref().map_or(&b""[..], |body| body);
    if !head.status.is_success() {
        return Err(Failure::Status { answer: Seen::of(head), code: code(body) });
    }
    let unreadable = || Failure::Unreadable { answer: Seen::of(head) };
    let Body { consumer_key, validation_url } = serde_json::from_slice(body).map_err(|_| unreadable())?;
    let consumer_key = Secret::new(consumer_key).map_err(|_| unreadable())?;
    Ok(Granted { consumer_key, validation_url })
}

/// The codes that are known of the API. Others are not repeated, since a server may put anything there.
const CODES: [&str; 6] = [
    "INVALID_KEY",
    "INVALID_CREDENTIAL",
    "NOT_CREDENTIAL",
    "NOT_GRANTED_CALL",
    "FORBIDDEN",
    "QUERY_TIME_OUT",
];

fn code(body: &[u8]) -> Option<&'static str> {
    #[derive(Deserialize)]
    struct ApiError {
        #[serde(rename = "errorCode")]
        error_code: String,
    }
    let error: ApiError = serde_json::from_slice(body).ok()?;
    CODES.into_iter().find(|code| *code == error.error_code)
}

/// A rule that the API has no use for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidRule {
    method: Method,
    path: String,
}

impl fmt::Display for InvalidRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, path } = self;
        write!(
            f,
            "access rule `{method} {path}`: accepted are GET, POST, PUT and DELETE on paths that begin with a slash"
        )
    }
}

impl Error for InvalidRule {}
