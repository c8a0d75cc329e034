//! Known secrets go through everything that can fail, at TRACE level, and none comes out in a text.

mod common;

use std::fmt::Write as _;
use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use common::{Body, Doing, get, trusting};
use fake_ovh::{FakeOvh, RetryAfter, Throttle};
use flaky_tls::{BadCertificate, CutBy, CutPoint, FlakyTls, HttpVersions, Scenario, Script};
use futures_util::future::join_all;
use jittered_backoff::{Backoff, Limits};
use ovh_auth::{ApplicationKeys, Config, Credentials, OAuth2Client, Secret, Setting, Sources};
use rate_limit::{Limiter, Pauses, Quota};
use retry_on_tls_eof::RetryOnTlsEofLayer;
use serde_json::{Value, json};
use tower_ovh::{CallError, Connector, OvhClient, OvhStack, Proxy, ReqwestTransport, Roots};
use tracing_subscriber::fmt::MakeWriter;

const KEY: &str = "ApplicationKeyXK1";
const SECRET: &str = "ApplicationSecretXS2";
const CONSUMER: &str = "ConsumerKeyXC3";
const CLIENT: &str = "ClientIdXI4";
const CLIENT_SECRET: &str = "ClientSecretXT5";
const TOKEN: &str = "AccessTokenXA6";
const PROXY_PASSWORD: &str = "ProxyPasswordXP7";
const BODY: &str = "BodyXB8";
const QUERY: &str = "QueryXQ9";

/// Everything that is written.
#[derive(Clone, Default)]
struct Out(Arc<Mutex<String>>);

impl io::Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().push_str(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Out {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Out {
    fn show(&self, thing: &impl std::fmt::Debug) {
        writeln!(self.0.lock().unwrap(), "{thing:?} {thing:#?}").unwrap();
    }

    /// An error and all its causes, in both forms.
    fn error(&self, error: &(dyn std::error::Error + 'static)) {
        for error in wire_fault::chain(error) {
            writeln!(self.0.lock().unwrap(), "{error} {error:?} {error:#?}").unwrap();
        }
    }
}

fn keys() -> Credentials {
    let keys = ApplicationKeys::new(KEY, SECRET).unwrap();
    Credentials::Application(keys.with_consumer_key(CONSUMER).unwrap())
}

fn quick() -> OvhStack {
    let wait = Duration::from_millis(1);
    let limits = Limits::new().with_deadline(Duration::from_secs(2));
    OvhStack::new()
        .with_retry(RetryOnTlsEofLayer::new(Backoff::exponential(wait..=wait).unwrap()).with_limits(limits))
        // A pause that is asked for would be waited for in real time.
        .with_pauses(Pauses::default().with_most(Duration::from_millis(5)))
        .with_limiter(Limiter::new(Quota::per_second(1_000).unwrap()))
        .with_signed_limiter(Limiter::new(Quota::per_second(1_000).unwrap()))
}

/// It knows these secrets.
fn api() -> FakeOvh {
    FakeOvh::new()
        .with_application(KEY, SECRET)
        .and_then(|api| api.with_consumer_key(KEY, CONSUMER, fake_ovh::AccessRule::everything()))
        .and_then(|api| api.with_oauth2_client(CLIENT, CLIENT_SECRET))
        .and_then(|api| api.with_access_token(TOKEN))
        .unwrap()
}

/// Of each kind, and wrong ones.
fn credentials() -> [Credentials; 4] {
    let oauth2 = Credentials::OAuth2(OAuth2Client::new(CLIENT, CLIENT_SECRET).unwrap());
    let token = Credentials::AccessToken(Secret::new(TOKEN).unwrap());
    let wrong = ApplicationKeys::new(KEY, "WrongXS2").unwrap().with_consumer_key(CONSUMER).unwrap();
    [keys(), oauth2, token, Credentials::Application(wrong)]
}

async fn everything(out: &Out) {
    let api = api();
    let scenarios =
        [CutPoint::Accept, CutPoint::ServerHello, CutPoint::Handshake, CutPoint::Head, CutPoint::Body]
            .map(|at| Scenario::Cut { at, by: CutBy::Fin })
            .into_iter()
            .chain([
                Scenario::Certificate(BadCertificate::Expired),
                Scenario::Stall(CutPoint::Head),
                Scenario::Healthy,
            ]);
    let credentials = credentials();

    let api = &api;
    let credentials = &credentials;
    let each =
        scenarios.flat_map(|scenario| credentials.iter().map(move |credentials| (scenario, credentials)));
    // All at once, since most of the time is waiting.
    join_all(each.map(|(scenario, credentials)| async move {
        let script = Script::list([scenario, scenario], Scenario::Healthy);
        let server = FlakyTls::new().with_script(script).serve(api.router()).await.unwrap();
        let endpoint: ovh_auth::Endpoint = format!("{}/1.0", server.url()).parse().unwrap();
        let token_url = format!("{}/auth/oauth2/token", server.url()).parse().unwrap();
        let config = Config::new(endpoint.with_token_url(token_url), Some(credentials.clone())).unwrap();
        let connector = trusting(&server);
        let stack = quick().with_attempt_timeout(Duration::from_millis(100)).unwrap();
        let ovh = OvhClient::connect(&config, stack.clone(), &connector).unwrap();
        out.show(&config);
        out.show(&stack.clone().with_config(&config).unwrap());
        out.show(&stack.with_config(&config).unwrap().layer());
        calls(out, &ovh).await;
    }))
    .await;

    // Throttled, out of time, and refused by a limiter.
    api.set_throttle(Some(
        Throttle::new(1, Duration::from_secs(60)).unwrap().with_retry_after(RetryAfter::Date),
    ));
    let config = Config::new("ovh-eu".parse().unwrap(), Some(keys())).unwrap();
    let limiter = Limiter::new(Quota::per_minute(3).unwrap()).with_max_queue(0);
    calls(out, &OvhClient::with_stack(&config, quick().with_limiter(limiter), api.router()).unwrap()).await;
    api.set_throttle(None);
    api.set_skew(3_600);
    calls(out, &OvhClient::with_stack(&config, quick(), api.router()).unwrap()).await;

    // Through proxies that refuse, and over reqwest.
    let server = FlakyTls::new().serve(api.router()).await.unwrap();
    let config = Config::new(format!("{}/1.0", server.url()).parse().unwrap(), Some(keys())).unwrap();
    for doing in
        [Doing::Tunnel, Doing::Say("HTTP/1.1 403 x\r\n\r\n"), Doing::Say("garbage\r\n"), Doing::Say("")]
    {
        for asked in [None, Some("Basic nobody")] {
            let proxy = common::Proxy::asking_for(doing.clone(), asked, None).await;
            let through =
                Proxy::new(proxy.url()).unwrap().with_credentials("aladdin", PROXY_PASSWORD).unwrap();
            out.show(&through);
            let connector = trusting(&server).with_proxy(through);
            out.show(&connector);
            calls(out, &OvhClient::connect(&config, quick(), &connector).unwrap()).await;
        }
    }
    let tls = server.authority().client_config().unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls);
    let transport = ReqwestTransport::new(client).unwrap();
    out.show(&transport);
    calls(out, &OvhClient::with_stack(&config, quick(), transport.clone()).unwrap()).await;
    server.shutdown().await;
    calls(out, &OvhClient::with_stack(&config, quick(), transport).unwrap()).await;

    // What can't be set up.
    for url in [
        format!("socks5://u:{PROXY_PASSWORD}@p"),
        format!("http://u:{PROXY_PASSWORD} @p"),
        format!("u:{PROXY_PASSWORD}@"),
        format!("http://u:{PROXY_PASSWORD}#x@p"),
        format!("http://u:1/{PROXY_PASSWORD}@p"),
        format!("http://u:{PROXY_PASSWORD}%@p"),
        format!("http://u:{PROXY_PASSWORD}"),
        format!("http://u:{PROXY_PASSWORD}@p:99999"),
    ] {
        out.error(&Proxy::new(url).unwrap_err());
    }
    for (setting, value) in [(Setting::ApplicationSecret, SECRET), (Setting::ConsumerKey, CONSUMER)] {
        let sources =
            Sources::new().with_env(|_| None).with_files([] as [&str; 0]).with_argument(setting, value);
        out.show(&sources);
        if let Err(error) = sources.load() {
            out.error(&error);
        }
    }
    out.show(&Connector::trusting(Roots::none()).unwrap().client::<Body>());
    let foreign = quick().with_config(&config).unwrap();
    let foreign = tower::Layer::layer(&foreign.layer(), api.router());
    let elsewhere = get(format!("https://elsewhere.example/?q={QUERY}"));
    out.error(&*tower::ServiceExt::oneshot(foreign, elsewhere).await.unwrap_err());
}

async fn calls(out: &Out, ovh: &OvhClient) {
    let post = ovh
        .post::<Value>("/order/cart")
        .query("q", QUERY)
        .json(&json!({ "ovhSubsidiary": "FR", "description": BODY }));
    let get = ovh.get::<Value>("/me").query("q", QUERY);
    // No fetch of the time comes before this one.
    let unsigned = ovh.get::<Value>("/order/cart").query("q", QUERY).unsigned();
    out.show(&post);
    for result in [
        get.await,
        unsigned.await,
        post.await,
        ovh.get("/no/such").query("q", QUERY).await,
        ovh.get(&format!("/a b?{QUERY}")).await,
    ] {
        match result {
            Ok(_) => {}
            Err(error) => {
                out.error(&error);
                if let CallError::Failed(error) = &error {
                    out.error(&**error);
                }
            }
        }
    }
    out.show(ovh);
    out.show(ovh.stats());
    out.show(&ovh.stats().snapshot());
    writeln!(out.0.lock().unwrap(), "{}", ovh.stats().snapshot()).unwrap();
}

/// What is written at TRACE level on this thread while this runs.
async fn written<F: Future>(out: &Out, running: F) -> String {
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(out.clone())
        .finish();
    // Other threads have no subscriber: what they come by first must not count as of no interest to anybody.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
    let guard = tracing::subscriber::set_default(subscriber);
    running.await;
    drop(guard);
    out.0.lock().unwrap().clone()
}

fn assert_silent(text: &str, signs: &[&str]) {
    // Something was written at each level, by every layer and by what lies below them.
    for sign in signs {
        assert!(text.contains(sign), "nothing of {sign} was written");
    }
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("aladdin:{PROXY_PASSWORD}"));
    let encoded: String = PROXY_PASSWORD.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let secrets = [
        KEY,
        SECRET,
        CONSUMER,
        CLIENT,
        CLIENT_SECRET,
        TOKEN,
        PROXY_PASSWORD,
        &basic,
        &encoded,
        BODY,
        QUERY,
        "WrongXS2",
        "$1$",
        // The fake's own tokens.
        "fake-",
    ];
    for secret in secrets {
        if let Some(at) = text.find(secret) {
            let start = text[..at].rfind('\n').map_or(0, |at| at + 1);
            let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
            panic!("{secret} is in: {}", &text[start..end]);
        }
    }
}

#[tokio::test]
async fn no_secret_is_in_any_text() {
    let out = Out::default();
    // The whole test runs on this thread.
    let text = written(&out, everything(&out)).await;
    let layers = ["repeating the call", "error_stats", "ovh_auth", "hyper_util"];
    assert_silent(&text, &[&["TRACE", "DEBUG", "WARN", "ERROR"][..], &layers].concat());
}

/// The server is on a thread of its own: only the client's events are read, for it has no secrets from itself.
#[tokio::test]
async fn nor_over_http2() {
    let (send, served) = std::sync::mpsc::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let api = api();
            let server = FlakyTls::new().with_http(HttpVersions::Http2).serve(api.router()).await.unwrap();
            send.send((server.url(), server.authority().pem().to_owned())).unwrap();
            let _ = stopped.await;
            api.tally().calls
        })
    });
    let (url, pem) = served.recv().unwrap();
    let connector = Connector::trusting(Roots::none().with_pem(pem).unwrap()).unwrap().with_http2();
    let out = Out::default();
    let text = written(&out, async {
        for credentials in credentials() {
            let endpoint: ovh_auth::Endpoint = format!("{url}/1.0").parse().unwrap();
            let endpoint = endpoint.with_token_url(format!("{url}/auth/oauth2/token").parse().unwrap());
            let config = Config::new(endpoint, Some(credentials)).unwrap();
            calls(&out, &OvhClient::connect(&config, quick(), &connector).unwrap()).await;
        }
    })
    .await;
    stop.send(()).unwrap();
    assert!(server.join().unwrap() > 10, "calls were received");
    assert_silent(&text, &["TRACE", "ovh_auth", "h2::"]);
}
