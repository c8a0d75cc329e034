//! Known secrets are driven through every error, `Debug`, `Display` and event, and looked for in all that comes out.
//! Alone in its file: a subscriber is seen by the whole process' callsites.

mod common;

use std::error::Error;
use std::fmt::{Debug, Display};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use common::{AK, AS, Api, Body, CK, endpoint, get, keys, text};
use http::{Method, Request, Response, Uri};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use ovh_auth::{
    ApplicationKeys, BearerLayer, Config, CredentialRequest, Credentials, Endpoint, OAuth2Client, Secret,
    ServerClock, Setting, SignLayer, Sources, Tokens,
};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

const CLIENT_ID: &str = "EU.0123456789abcdef";
const CLIENT_SECRET: &str = "c1ientsecret+slash/equals=";
const TOKEN: &str = "eyJhbGciOiJFZERTQSJ9.fetched.token";
const GIVEN: &str = "eyJhbGciOiJFZERTQSJ9.given.token";
const GRANTED_CK: &str = "MtSwSrPpNjqfVSmJhLbPyr2i45lSwPU1";
const VALIDATION: &str = "credentialToken-iQ1joJE0OmSPlUAoSw1IvAPWDeaD87ZM";
const PASSWORD: &str = "hunter2hunter2";

const SECRETS: [&str; 9] = [AK, AS, CK, CLIENT_SECRET, TOKEN, GIVEN, GRANTED_CK, VALIDATION, PASSWORD];

/// All that came out.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Output {
    fn note(&self, what: impl Display) {
        let mut output = self.0.lock().unwrap();
        output.extend_from_slice(what.to_string().as_bytes());
        output.push(b'\n');
    }

    fn debug(&self, what: impl Debug) {
        self.note(format_args!("{what:?}\n{what:#?}"));
    }

    /// An error with all below it, in both forms.
    fn error(&self, error: &(dyn Error + 'static)) {
        for error in wire_fault::chain(error) {
            self.note(error);
            self.debug(error);
        }
        self.note(wire_fault::Fault::of(error));
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    #[track_caller]
    fn assert_clean(&self, also: &[String]) {
        let text = self.text();
        for secret in SECRETS.iter().copied().chain([CLIENT_ID]).chain(also.iter().map(String::as_str)) {
            let escaped: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            for form in [secret, &escaped] {
                let Some(at) = text.find(form) else { continue };
                panic!("{secret} is in the output: {}", &text[at.saturating_sub(200)..at + form.len()]);
            }
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Output {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// A server that puts every secret into whatever it answers.
fn hostile(status: u16, content_type: &'static str, body: String) -> impl Fn() -> Response<Body> + Clone {
    move || {
        let response = Response::builder().status(status).header("content-type", content_type);
        response.header("location", PASSWORD).body(Full::from(body.clone())).unwrap()
    }
}

fn answering(
    answer: impl Fn() -> Response<Body> + Clone + Send + 'static,
) -> impl Service<Request<Body>, Response = Response<Body>, Error = BoxError, Future: Send> + Clone + Send + 'static
{
    service_fn(move |_: Request<Body>| {
        let answer = answer.clone();
        async move { Ok::<_, BoxError>(answer()) }
    })
}

fn hostile_answers() -> Vec<Box<dyn Fn() -> Response<Body>>> {
    let all = SECRETS.join(" ");
    let error =
        format!(r#"{{"error":"{AS}","error_description":"{all}","errorCode":"{CK}","message":"{all}"}}"#);
    let token = format!(
        r#"{{"access_token":"{all}","token_type":"{TOKEN}","consumerKey":"{all}","validationUrl":"{all}"}}"#
    );
    let mut answers: Vec<Box<dyn Fn() -> Response<Body>>> = vec![];
    for status in [200, 302, 400, 401, 403, 500, 503] {
        for (kind, body) in [("application/json", &error), ("application/json", &token), ("text/html", &all)]
        {
            let answer = hostile(status, kind, body.clone());
            answers.push(Box::new(answer));
        }
    }
    answers
}

fn credentials() -> [Credentials; 3] {
    [
        Credentials::Application(keys()),
        Credentials::OAuth2(OAuth2Client::new(CLIENT_ID, CLIENT_SECRET).unwrap()),
        Credentials::AccessToken(Secret::new(GIVEN).unwrap()),
    ]
}

fn values_and_configurations(output: &Output) {
    for credentials in credentials() {
        output.debug(&credentials);
        output.debug(Config::new(endpoint(), Some(credentials)).unwrap());
    }
    for secret in SECRETS {
        output.debug(Secret::new(secret).unwrap());
        for spoilt in
            [format!("{secret} "), format!("\"{secret}\""), format!("{secret}é"), secret.repeat(2_000)]
        {
            output.error(&Secret::new(spoilt).unwrap_err());
        }
    }

    let urls = [
        format!("https://user:{PASSWORD}@host/1.0"),
        format!("https://{PASSWORD}@host:x/"),
        format!("https://host/1.0?{PASSWORD}"),
        format!("https://host/1.0#{PASSWORD}"),
        format!("https://us er:{PASSWORD}@host/1.0/"),
    ];
    for url in urls {
        output.error(&url.parse::<Endpoint>().unwrap_err());
        let sources = Sources::new().with_env(|_| None).with_argument(Setting::Endpoint, url);
        output.debug(&sources);
        output.error(&sources.load().unwrap_err());
    }
    output.error(&endpoint().url(&format!("/a b?{PASSWORD}")).unwrap_err());
    output.error(&endpoint().url(&format!("/a#{PASSWORD}")).unwrap_err());

    // Every way to get a file, a variable or an argument wrong.
    let path = std::env::temp_dir().join(format!("ovh-auth-secrets-{}.conf", std::process::id()));
    let files = [
        format!("[ovh-eu]\napplication_key={AK}\n"),
        format!("[ovh-eu]\napplication_secret={AS}\n"),
        format!("[ovh-eu]\nconsumer_key={CK}\n"),
        format!("[ovh-eu]\nclient_id={CLIENT_ID}\n"),
        format!("[ovh-eu]\nclient_secret={CLIENT_SECRET}\n"),
        format!("[ovh-eu]\napplication_key={AK}\napplication_secret={AS} ; mine\n"),
        format!("[ovh-eu]\napplication_key={AK}\napplication_secret=\n{AS}\n"),
        format!("[ovh-eu]\n{AS}\n"),
        format!("[{AS}\n"),
        format!("[ovh-eu]\n={AS}\n"),
        format!("[ovh-eu]\napplication_key={AK}\nclient_secret={CLIENT_SECRET}\n"),
        format!("[ovh-eu]\naccess_token={GIVEN}\nconsumer_key={CK}\n"),
        format!(
            "[default]\nendpoint=kimsufi-eu\n[kimsufi-eu]\nclient_id={CLIENT_ID}\nclient_secret={CLIENT_SECRET}\n"
        ),
    ];
    for file in files {
        std::fs::write(&path, &file).unwrap();
        let sources = Sources::new().with_env(|_| None).with_files([PathBuf::from(&path)]);
        output.error(&sources.load().map(|_| file).unwrap_err());
    }
    std::fs::remove_file(&path).unwrap();
    for setting in [
        Setting::ApplicationKey,
        Setting::ApplicationSecret,
        Setting::ConsumerKey,
        Setting::ClientId,
        Setting::ClientSecret,
        Setting::AccessToken,
    ] {
        for value in [AS.to_owned(), format!("{AS}\n")] {
            let by_argument = Sources::new().with_env(|_| None).with_files([] as [&str; 0]);
            let by_argument = by_argument.with_argument(setting, value.clone());
            let in_env = Sources::new().with_files([] as [&str; 0]);
            let in_env =
                in_env.with_env(move |name| (name == setting.variable()).then(|| value.clone().into()));
            for sources in [by_argument, in_env] {
                output.debug(&sources);
                match sources.load() {
                    Ok(config) => output.debug(config),
                    Err(error) => output.error(&error),
                }
            }
        }
    }
}

/// Signs, and answers the signatures that were made.
async fn signed_calls(output: &Output) -> Vec<String> {
    let api = Api::new(1_000_000);
    let clock = api.clock();
    let layer = SignLayer::new(endpoint(), keys(), clock.clone());
    let shown = output.clone();
    let transport = api.clone();
    // What a transport that logs its requests would write.
    let inner = service_fn(move |request: Request<Body>| {
        shown.debug(&request);
        transport.clone().oneshot(request)
    });
    let service = layer.layer(inner);
    output.debug(&clock);
    output.debug(&layer);
    let call = service.clone().oneshot(get("/me"));
    output.debug(&call);
    output.debug(call.await.unwrap());
    output.debug(&clock);

    let mut named = service.clone();
    let credential =
        Request::post(endpoint().url("/auth/credential").unwrap()).body(Body::default()).unwrap();
    named.ready().await.unwrap().call(credential).await.unwrap();

    api.step(3_600);
    let rejected = service.clone().oneshot(get("/me")).await.unwrap();
    output.debug(&rejected);
    assert!(text(rejected).await.contains("QUERY_TIME_OUT"));
    service.clone().oneshot(get("/me")).await.unwrap();

    let foreign = format!("https://user:{PASSWORD}@example.com/me?token={PASSWORD}");
    let foreign = Request::get(foreign).body(Body::default()).unwrap();
    output.error(&*service.clone().oneshot(foreign).await.unwrap_err());
    let inner = service_fn(|_: Request<BoxBody<Bytes, std::convert::Infallible>>| async {
        Ok::<_, io::Error>(Response::new(Body::default()))
    });
    let url = endpoint().url(&format!("/me?token={PASSWORD}")).unwrap();
    let streaming = Request::post(&url).body(Full::from(PASSWORD).boxed()).unwrap();
    output.error(&*layer.layer(inner).oneshot(streaming).await.unwrap_err());
    let lone = SignLayer::new(endpoint(), ApplicationKeys::new(AK, AS).unwrap(), clock.clone());
    let request = Request::get(url).body(Body::default()).unwrap();
    output.error(&*lone.layer(api.clone()).oneshot(request).await.unwrap_err());

    let seen = api.seen();
    let signatures = seen.iter().filter_map(|seen| seen.headers.get("x-ovh-signature"));
    let signatures: Vec<_> = signatures.map(|value| value.to_str().unwrap().to_owned()).collect();
    assert_eq!(signatures.len(), 3);
    signatures
}

async fn fetches_that_fail(output: &Output) {
    for answer in hostile_answers() {
        // Each answer once, for each of the three that can be fetched.
        let response = Arc::new(Mutex::new(vec![answer(), answer(), answer()]));
        let service = service_fn(move |_: Request<Body>| {
            let response = response.lock().unwrap().pop().unwrap();
            async move { Ok::<_, BoxError>(response) }
        });
        output.error(&ServerClock::new(&endpoint(), service.clone()).now().await.unwrap_err());
        let keys = ApplicationKeys::new(AK, AS).unwrap();
        let credential = CredentialRequest::new().send(&endpoint(), &keys, service.clone()).await;
        output.error(&credential.unwrap_err());

        let client = OAuth2Client::new(CLIENT_ID, CLIENT_SECRET).unwrap();
        let tokens = Tokens::fetched(&endpoint(), &client, service).unwrap();
        let layer = BearerLayer::new(endpoint(), tokens);
        let inner = answering(|| Response::new(Body::default()));
        output.error(&*layer.layer(inner).oneshot(get("/me")).await.unwrap_err());
    }
}

async fn bearer_calls(output: &Output) {
    let token = format!(r#"{{"access_token":"{TOKEN}","token_type":"Bearer","expires_in":3599}}"#);
    let service = answering(hostile(200, "application/json", token));
    let client = OAuth2Client::new(CLIENT_ID, CLIENT_SECRET).unwrap();
    let fetched = Tokens::fetched(&endpoint(), &client, service.clone()).unwrap();
    for tokens in [fetched, Tokens::given(&Secret::new(GIVEN).unwrap())] {
        let shown = output.clone();
        let inner = service_fn(move |request: Request<Body>| {
            assert!(request.headers().contains_key("authorization"));
            shown.debug(&request);
            async { Ok::<_, BoxError>(Response::builder().status(401).body(Body::default()).unwrap()) }
        });
        let layer = BearerLayer::new(endpoint(), tokens.clone());
        output.debug((&tokens, &layer));
        let call = layer.layer(inner).oneshot(get("/me"));
        output.debug(&call);
        assert_eq!(call.await.unwrap().status(), 401);
    }
    output.error(&Tokens::fetched(&"kimsufi-eu".parse().unwrap(), &client, service).unwrap_err());
}

async fn a_consumer_key(output: &Output) {
    let granted = format!(
        r#"{{"consumerKey":"{GRANTED_CK}","validationUrl":"https://ovh.com/?{VALIDATION}","state":"x"}}"#
    );
    let service = answering(hostile(200, "application/json", granted));
    let request = CredentialRequest::new().allow(Method::GET, "/*").unwrap();
    output.debug(request.clone().with_redirection(&Uri::from_static("https://example.com/")));
    let pending = request.send(&endpoint(), &keys(), service).await.unwrap();
    assert!(pending.validation_url().ends_with(VALIDATION));
    output.debug(&pending);
    output.debug((pending.keys(), pending.consumer_key()));
    output.error(&CredentialRequest::new().allow(Method::PATCH, "/me").unwrap_err());
}

#[tokio::test(start_paused = true)]
async fn no_secret_comes_out_anywhere() {
    let output = Output::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(output.clone())
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::FULL)
        .with_ansi(false)
        .finish();
    // Other threads have no subscriber: what they come by first must not count as of no interest to anybody.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
    let _guard = tracing::subscriber::set_default(subscriber);

    values_and_configurations(&output);
    let signatures = signed_calls(&output).await;
    fetches_that_fail(&output).await;
    bearer_calls(&output).await;
    a_consumer_key(&output).await;

    // It has really been listened to.
    let text = output.text();
    for event in [
        "the server's time was fetched",
        "the server's time is stale",
        "an access token was fetched",
        "the access token was not accepted",
        "x-ovh-signature\": Sensitive",
        "authorization\": Sensitive",
        "no consumer key could be had",
        "is set, but `application_secret` is not",
    ] {
        assert!(text.contains(event), "{event} is missing");
    }
    output.assert_clean(&signatures);
}

#[test]
#[should_panic(expected = "is in the output")]
fn the_search_finds_what_it_looks_for() {
    let output = Output::default();
    output.debug(Full::new(Bytes::from(CLIENT_SECRET)));
    output.assert_clean(&[]);
}
