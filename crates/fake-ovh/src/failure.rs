//! Answers that are none: what gateways and a failing backend say.

use axum::response::Response;
use http::StatusCode;

use crate::answer::{Refusal, html};

/// A failure of the API or of what stands before it.
///
/// Those named `…After` come after the call was carried out: the order exists, the answer says that something broke, as
/// users of the real API have seen. The others come instead of it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// 200 with a page of HTML in place of JSON. Seen at the OAuth2 endpoint.
    HtmlOk,
    /// 408 with HTML.
    RequestTimeout,
    /// 500 with an error of class `Server::InternalServerError`.
    InternalError,
    /// 500 with the same error, after the call was carried out.
    InternalErrorAfter,
    /// 502 with HTML.
    BadGateway,
    /// 502 with HTML, after the call was carried out.
    BadGatewayAfter,
    /// 503 with HTML.
    Unavailable,
    /// 504 with HTML.
    GatewayTimeout,
    /// 504 with HTML, after the call was carried out.
    GatewayTimeoutAfter,
}

impl Failure {
    /// All there are.
    pub const ALL: [Self; 9] = [
        Self::HtmlOk,
        Self::RequestTimeout,
        Self::InternalError,
        Self::InternalErrorAfter,
        Self::BadGateway,
        Self::BadGatewayAfter,
        Self::Unavailable,
        Self::GatewayTimeout,
        Self::GatewayTimeoutAfter,
    ];

    /// Whether the call is carried out all the same.
    #[must_use]
    pub fn is_after(self) -> bool {
        matches!(self, Self::InternalErrorAfter | Self::BadGatewayAfter | Self::GatewayTimeoutAfter)
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::HtmlOk => StatusCode::OK,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::InternalError | Self::InternalErrorAfter => StatusCode::INTERNAL_SERVER_ERROR,
            Self::BadGateway | Self::BadGatewayAfter => StatusCode::BAD_GATEWAY,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::GatewayTimeout | Self::GatewayTimeoutAfter => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    pub(crate) fn response(self) -> Response {
        match self {
            Self::InternalError | Self::InternalErrorAfter => {
                axum::response::IntoResponse::into_response(Refusal::internal())
            }
            _ => html(self.status()),
        }
    }
}
