//! Asking for a consumer key.

use std::io;
use std::sync::{Arc, Mutex};

use crate::common::{AK, AS, Body, endpoint, header};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use ovh_auth::{ApplicationKeys, AuthError, AuthErrorKind, CredentialRequest, PendingCredential};
use tower::service_fn;
use wire_fault::{Delivery, Healing};

type Heard = Arc<Mutex<Vec<Request<Bytes>>>>;

async fn ask(
    request: CredentialRequest,
    answer: Result<Response<Body>, io::Error>,
    heard: &Heard,
) -> Result<PendingCredential, AuthError> {
    let (answer, heard) = (Arc::new(Mutex::new(Some(answer))), heard.clone());
    let service = service_fn(move |request: Request<Body>| {
        let (answer, heard) = (answer.lock().unwrap().take().unwrap(), heard.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            heard.lock().unwrap().push(Request::from_parts(head, body));
            answer
        }
    });
    request.send(&endpoint(), &ApplicationKeys::new(AK, AS).unwrap(), service).await
}

fn answer(status: u16, body: &'static str) -> Result<Response<Body>, io::Error> {
    Ok(Response::builder().status(status).body(Body::from(body)).unwrap())
}

#[tokio::test]
async fn a_key_is_asked_for_with_its_rules_and_comes_with_its_url() {
    let heard = Heard::default();
    let request = CredentialRequest::new()
        .allow(Method::GET, "/me")
        .unwrap()
        .allow(Method::DELETE, "/order/*")
        .unwrap()
        .with_redirection(&"https://example.com/back".parse().unwrap());
    let granted = r#"{"consumerKey":"MtSwSrPpNjqf","state":"pendingValidation","validationUrl":"https://www.ovh.com/auth/?credentialToken=x"}"#;
    let pending = ask(request, answer(200, granted), &heard).await.unwrap();
    assert_eq!(pending.validation_url(), "https://www.ovh.com/auth/?credentialToken=x");
    assert_eq!(pending.consumer_key().unwrap().expose(), "MtSwSrPpNjqf");
    assert_eq!(
        pending.keys(),
        ApplicationKeys::new(AK, AS).unwrap().with_consumer_key("MtSwSrPpNjqf").unwrap()
    );

    let heard = heard.lock().unwrap();
    assert_eq!(
        (heard[0].method(), heard[0].uri().to_string().as_str()),
        (&Method::POST, "https://eu.api.ovh.com/1.0/auth/credential")
    );
    assert_eq!(header(heard[0].headers(), "x-ovh-application"), Some(AK));
    assert_eq!(header(heard[0].headers(), "content-type"), Some("application/json"));
    assert_eq!(
        heard[0].body(),
        r#"{"accessRules":[{"method":"GET","path":"/me"},{"method":"DELETE","path":"/order/*"}],"redirection":"https://example.com/back"}"#
    );
}

#[tokio::test]
async fn a_failure_is_that_of_the_call_itself() {
    let heard = Heard::default();
    let refused = answer(
        403,
        r#"{"errorCode":"INVALID_KEY","httpCode":"403 Forbidden","message":"This application key is invalid"}"#,
    );
    let reset = Err(io::ErrorKind::ConnectionReset.into());
    for (answer, text, delivery, healing) in [
        (refused, "the answer was 403 Forbidden, INVALID_KEY", Delivery::Answered, Healing::Permanent),
        (
            answer(503, "busy"),
            "the answer was 503 Service Unavailable",
            Delivery::Answered,
            Healing::Transient,
        ),
        (answer(200, "{}"), "the answer is not of the expected form", Delivery::Answered, Healing::Unknown),
        (reset, "the call for it failed", Delivery::Perhaps, Healing::Transient),
    ] {
        let request = CredentialRequest::new();
        let error = ask(request, answer, &heard).await.unwrap_err();
        assert_eq!(error.kind(), AuthErrorKind::Credential);
        assert_eq!(error.to_string(), format!("no consumer key could be had: {text}"));
        assert_eq!((error.fault().delivery, error.fault().healing), (delivery, healing));
    }
}

#[test]
fn a_rule_that_cant_be_is_named() {
    for (method, path) in [(Method::PATCH, "/me"), (Method::GET, "me"), (Method::GET, "")] {
        let error = CredentialRequest::new().allow(method.clone(), path).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "access rule `{method} {path}`: accepted are GET, POST, PUT and DELETE on paths that begin with a slash"
            )
        );
    }
}
