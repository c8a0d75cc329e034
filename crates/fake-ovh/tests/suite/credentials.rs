//! How keys and tokens are had.

use std::time::Duration;

use crate::common::{BASE, Reply, direct, signed_as, unsigned};
use fake_ovh::{APPLICATION_KEY, CredentialState, Failure, FakeOvh, InvalidSetting};
use http::{HeaderValue, Method, Request};
use serde_json::json;

const ROOT: &str = "https://www.ovh.com";
const TOKEN: &str = "/auth/oauth2/token";

async fn me(api: &FakeOvh, token: &str) -> Reply {
    let mut request = unsigned(BASE, Method::GET, "/me", "");
    request.headers_mut().insert("authorization", HeaderValue::try_from(format!("Bearer {token}")).unwrap());
    direct(api, request).await
}

#[tokio::test(start_paused = true)]
async fn a_consumer_key_is_asked_for_validated_and_used() -> Result<(), InvalidSetting> {
    let api = FakeOvh::new();
    let body = r#"{"accessRules":[{"method":"GET","path":"/me"},{"method":"GET","path":"/auth/*"}],"redirection":"https://example.com/"}"#;
    let ask = |body: &str, application: Option<&'static str>| {
        let mut request = unsigned(BASE, Method::POST, "/auth/credential", body);
        if let Some(key) = application {
            request.headers_mut().insert("x-ovh-application", HeaderValue::from_static(key));
        }
        request
    };
    assert_eq!(direct(&api, ask(body, None)).await.status, 401);
    let refused = direct(&api, ask(body, Some("other"))).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["errorCode"]), (403, &json!("INVALID_KEY")));
    for bad in ["", "{}", r#"{"accessRules":[{"method":"GET","path":"me"}]}"#] {
        assert_eq!(direct(&api, ask(bad, Some(APPLICATION_KEY))).await.status, 400, "{bad}");
    }

    let given = direct(&api, ask(body, Some(APPLICATION_KEY))).await.good();
    assert_eq!(given["state"], "pendingValidation");
    assert!(given["validationUrl"].as_str().unwrap().contains("credentialToken="), "{given}");
    let key = given["consumerKey"].as_str().unwrap();
    let call = |path: &str| signed_as(key, BASE, Method::GET, path, "", api.time());
    assert_eq!(direct(&api, call("/me")).await.json()["errorCode"], "INVALID_CREDENTIAL");
    api.set_credential(key, CredentialState::Validated)?;
    direct(&api, call("/me")).await.good();
    assert_eq!(direct(&api, call("/me/order")).await.json()["errorCode"], "NOT_GRANTED_CALL");
    let current = direct(&api, call("/auth/currentCredential")).await.good();
    assert_eq!((&current["status"], current["rules"].as_array().unwrap().len()), (&json!("validated"), 2));

    let second = direct(&api, ask(body, Some(APPLICATION_KEY))).await.good();
    assert_ne!(second["consumerKey"], given["consumerKey"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn client_credentials_buy_a_token_that_ends() -> Result<(), InvalidSetting> {
    let lifetime = Duration::from_secs(60);
    let api = FakeOvh::new().with_oauth2_client("id", "se cret&")?.with_token_lifetime(lifetime)?;
    let form = "grant_type=client_credentials&scope=all&client_id=id&client_secret=se+cret%26";
    let ask = |form: &str| unsigned(ROOT, Method::POST, TOKEN, form);
    let given = direct(&api, ask(form)).await.good();
    assert_eq!((&given["token_type"], &given["expires_in"]), (&json!("Bearer"), &json!(60)));
    let token = given["access_token"].as_str().unwrap();
    me(&api, token).await.good();
    assert_eq!(me(&api, "other").await.status, 401);
    tokio::time::advance(lifetime - Duration::from_nanos(1)).await;
    me(&api, token).await.good();
    tokio::time::advance(Duration::from_nanos(1)).await;
    assert_eq!(me(&api, token).await.status, 401);
    assert_eq!(api.tally().tokens, 1);

    // The same by header, urlencoded first: "id:se+cret%26".
    let by_header = |value: &'static str| -> Request<_> {
        let mut request = ask("grant_type=client_credentials&scope=all");
        request.headers_mut().insert("authorization", HeaderValue::from_static(value));
        request
    };
    let given = direct(&api, by_header("Basic aWQ6c2UrY3JldCUyNg==")).await.good();
    let token = given["access_token"].as_str().unwrap();
    me(&api, token).await.good();
    api.revoke_tokens();
    assert_eq!(me(&api, token).await.status, 401);

    for (request, status, error) in [
        (ask("grant_type=client_credentials&client_id=id&client_secret=other"), 400, "invalid_client"),
        (ask("grant_type=client_credentials"), 400, "invalid_client"),
        (ask("grant_type=password&client_id=id&client_secret=x"), 400, "unsupported_grant_type"),
        (by_header("Basic aWQ6b3RoZXI="), 401, "invalid_client"),
    ] {
        let refused = direct(&api, request).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["error"]), (status, &json!(error)));
        assert!(refused.json()["error_description"].is_string());
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_token_endpoint_fails_as_it_was_seen_to() -> Result<(), InvalidSetting> {
    let api = FakeOvh::new().with_access_token("static")?;
    me(&api, "static").await.good();
    for (failure, status) in [(Failure::Unavailable, 503), (Failure::HtmlOk, 200)] {
        api.fail_next(TOKEN, failure);
        let reply = direct(&api, unsigned(ROOT, Method::POST, TOKEN, "")).await;
        assert_eq!((reply.status.as_u16(), reply.header("content-type")), (status, "text/html"));
        assert!(reply.text().starts_with("<html>"));
    }
    assert!(FakeOvh::new().with_token_lifetime(Duration::ZERO).is_err());
    assert!(FakeOvh::new().with_access_token("").is_err());
    assert!(FakeOvh::new().with_oauth2_client("", "x").is_err());
    Ok(())
}
