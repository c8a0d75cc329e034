//! The hook, asked about answers that say nothing of what became of the call.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use crate::common::{Answer, S, Script, cut, layer, limits, ms, ok, request, status};
use http::{Method, Request, Response, StatusCode};
use jittered_backoff::{Once, RetryBudget};
use retry_on_tls_eof::{
    Attempt, EarlierFault, Failure, MayHaveLanded, Reconcile, Reconciled, RetryOnTlsEofLayer, RetrySafety,
};
use tokio::time::Instant;
use tower::{BoxError, Layer, ServiceExt};
use wire_fault::{Boxed, Delivery, Unprocessed};

type Shown = Result<Reconciled<Response<&'static str>>, BoxError>;
type Looking = RetryOnTlsEofLayer<Boxed, Reconcile<Response<&'static str>>>;
type Asked = Arc<Mutex<Vec<MayHaveLanded>>>;

/// Shows this, half a second after each question.
fn looking(layer: RetryOnTlsEofLayer<Boxed>, shown: impl IntoIterator<Item = Shown>) -> (Looking, Asked) {
    let shown = Arc::new(Mutex::new(VecDeque::from_iter(shown)));
    let asked = Asked::default();
    let questions = Arc::clone(&asked);
    let layer = layer.with_reconcile(move |question| {
        questions.lock().unwrap().push(question);
        let shown = shown.lock().unwrap().pop_front().expect("asked once more than scripted");
        async move {
            tokio::time::sleep(ms(500)).await;
            shown
        }
    });
    (layer, asked)
}

fn post() -> Request<String> {
    request(Method::POST)
}

fn attempt(response: &Response<&str>) -> u32 {
    response.extensions().get::<Attempt>().expect("it carries one").get()
}

fn earlier(response: &Response<&str>) -> Option<Delivery> {
    response.extensions().get::<EarlierFault>().map(|earlier| earlier.0.delivery)
}

/// All that says "something went wrong", and no more.
const UNCLEAR: [u16; 5] = [408, 500, 502, 503, 504];

#[tokio::test(start_paused = true)]
async fn landed_takes_the_answers_place() {
    for code in UNCLEAR {
        let (layer, asked) = looking(layer(3), [Ok(Reconciled::Landed(status(201)))]);
        let mut unclear = status(code);
        unclear.headers_mut().insert("x-ovh-queryid", "EU.ext-1".parse().expect("a header"));
        let script = Script::new([Ok(unclear)]);
        let response = layer.layer(script.clone()).oneshot(post()).await.expect("answered");
        assert_eq!((response.status(), attempt(&response)), (StatusCode::CREATED, 1));
        assert_eq!(earlier(&response), Some(Delivery::Answered), "it was not what the server said");
        assert_eq!(script.at(), [0]);

        let asked = asked.lock().unwrap();
        let [question] = &asked[..] else { panic!("asked once: {asked:?}") };
        assert_eq!(question.status().map(|status| status.as_u16()), Some(code));
        let head = question.response_head().expect("there was an answer");
        assert_eq!((head.status().as_u16(), head.query_id()), (code, Some("EU.ext-1")));
        assert_eq!((question.fault().delivery, question.attempts()), (Delivery::Answered, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn not_landed_permits_a_repeat() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = Arc::clone(&told);
    let layer = layer(3).on_retry(move |failure, wait, _| telling.lock().unwrap().push((failure, wait)));
    let (layer, asked) = looking(layer, [Ok(Reconciled::NotLanded), Ok(Reconciled::NotLanded)]);
    let mut busy = status(503);
    busy.headers_mut().insert("retry-after", "7".parse().expect("a header"));
    let script = Script::new([Ok(status(500)), Ok(busy), ok()]);
    let response = layer.layer(script.clone()).oneshot(post()).await.expect("healed");
    assert_eq!((response.status().as_u16(), attempt(&response)), (200, 3));
    assert_eq!(earlier(&response), None, "none of them has landed");
    // Half a second's look, then the wait: the backoff's first second, then the server's wish over its two.
    assert_eq!(script.at(), [0, 1_500, 9_000]);
    assert_eq!(asked.lock().unwrap().iter().map(MayHaveLanded::attempts).collect::<Vec<_>>(), [1, 2]);
    let status = |code| Failure::Status(StatusCode::from_u16(code).expect("a status"));
    assert_eq!(*told.lock().unwrap(), [(status(500), S), (status(503), 7 * S)]);
}

#[tokio::test(start_paused = true)]
async fn what_shows_nothing_leaves_the_answer() {
    async fn handed_on(layer: Looking, after: u128) {
        let start = Instant::now();
        let script = Script::new([Ok(status(504))]);
        let response = layer.layer(script.clone()).oneshot(post()).await.expect("answered");
        assert_eq!((response.status().as_u16(), attempt(&response), earlier(&response)), (504, 1, None));
        assert_eq!((start.elapsed().as_millis(), script.at().len()), (after, 1));
    }
    handed_on(looking(layer(3), [Ok(Reconciled::StillUnknown)]).0, 500).await;
    handed_on(looking(layer(3), [Err("the list did not come".into())]).0, 500).await;
    let panics = |_: MayHaveLanded| -> std::future::Ready<Shown> { panic!("when asked") };
    handed_on(layer(3).with_reconcile(panics), 0).await;
    let silent = || layer(3).with_reconcile(|_| std::future::pending::<Shown>());
    handed_on(silent().with_limits(limits(3).with_deadline(5 * S)), 5_000).await;
    handed_on(silent().with_limits(limits(3).without_deadline()), 90_000).await;
}

/// It has not landed, and can't be repeated: the answer is the end, and nothing before it may have landed.
#[tokio::test(start_paused = true)]
async fn not_landed_within_the_limits_only() {
    let undone = || [Ok(Reconciled::NotLanded)];
    let poor = RetryBudget::new(1, 100).expect("in range").with_reserve(0..=1).expect("in range");
    for layer in [
        layer(1),
        layer(3).with_budget(poor),
        layer(3).with_limits(limits(3).with_deadline(ms(1_400))),
        layer(3).with_never(|method, _| method == Method::POST),
    ] {
        let (layer, asked) = looking(layer, undone());
        let script = Script::new([Ok(status(502))]);
        let response = layer.layer(script.clone()).oneshot(post()).await.expect("answered");
        assert_eq!((response.status().as_u16(), earlier(&response)), (502, None));
        assert_eq!((script.at().len(), asked.lock().unwrap().len()), (1, 1));
    }
    let (never, _) = looking(layer(3), undone());
    let mut marked = post();
    marked.extensions_mut().insert(RetrySafety::Never);
    let script = Script::new([Ok(status(502))]);
    assert_eq!(never.layer(script).oneshot(marked).await.expect("answered").status().as_u16(), 502);
    let (once, _) = looking(layer(3), undone());
    let stream = post().map(Once::new);
    let script = Script::new([Ok(status(502))]);
    assert_eq!(once.layer(script).oneshot(stream).await.expect("answered").status().as_u16(), 502);
}

#[tokio::test(start_paused = true)]
async fn it_is_not_asked_about_what_is_clear() {
    let mut stale = status(500);
    stale.extensions_mut().insert(Unprocessed);
    let cases: [(Method, Vec<Answer>); 8] = [
        (Method::POST, vec![ok()]),
        (Method::POST, vec![Ok(status(400))]),
        (Method::POST, vec![Ok(status(409))]),
        (Method::POST, vec![Ok(status(429))]),
        (Method::POST, vec![Ok(status(501))]),
        (Method::POST, vec![Ok(stale), ok()]),
        (Method::GET, vec![Ok(status(503)), Ok(status(500)), Ok(status(504))]),
        (Method::PUT, vec![Ok(status(503)), ok()]),
    ];
    for (method, answers) in cases {
        let (layer, _) = looking(layer(3), []);
        let response = layer.layer(Script::new(answers)).oneshot(request(method)).await.expect("answered");
        assert_eq!(response.status().is_server_error(), [501, 504].contains(&response.status().as_u16()));
    }
    // A declared refusal has not acted, also where it is the last.
    let (declared, _) = looking(layer(2).repeat_refused(503).expect("it can be one"), []);
    let script = Script::new([Ok(status(503)), Ok(status(503))]);
    assert_eq!(declared.layer(script).oneshot(post()).await.expect("answered").status().as_u16(), 503);
}

/// A PUT is repeated first. When its attempts are used up, somebody looks; an earlier attempt counts, too.
#[tokio::test(start_paused = true)]
async fn an_idempotent_call_is_repeated_first() {
    let answers = || [Ok(status(503)), Err(cut()), Ok(status(504))];
    for (shown, code, before) in [
        (Reconciled::NotLanded, 504, None),
        (Reconciled::StillUnknown, 504, Some(Delivery::Perhaps)),
        (Reconciled::Landed(status(204)), 204, Some(Delivery::Answered)),
    ] {
        let (layer, asked) = looking(layer(3), [Ok(shown)]);
        let script = Script::new(answers());
        let put = layer.layer(script.clone()).oneshot(request(Method::PUT));
        let response = put.await.expect("answered");
        assert_eq!((response.status().as_u16(), earlier(&response)), (code, before));
        assert_eq!((script.at().len(), attempt(&response)), (3, 3));
        let asked = asked.lock().unwrap();
        assert_eq!((asked.len(), asked[0].status()), (1, Some(StatusCode::GATEWAY_TIMEOUT)));
    }
}

/// After a look the call goes on as any other: what comes next decides.
#[tokio::test(start_paused = true)]
async fn what_follows_the_repeat_decides() {
    // First an answer, then a cut, each looked after.
    let shown = [Ok(Reconciled::NotLanded), Ok(Reconciled::Landed(status(201)))];
    let (both, asked) = looking(layer(3), shown);
    let script = Script::new([Ok(status(504)), Err(cut())]);
    let response = both.layer(script).oneshot(post()).await.expect("it has landed");
    assert_eq!((response.status().as_u16(), earlier(&response)), (201, Some(Delivery::Perhaps)));
    let statuses: Vec<_> = asked.lock().unwrap().iter().map(MayHaveLanded::status).collect();
    assert_eq!(statuses, [Some(StatusCode::GATEWAY_TIMEOUT), None]);

    // A service that breaks in between: nothing has landed, and its error is the end.
    let (broken, _) = looking(layer(3), [Ok(Reconciled::NotLanded)]);
    let (transport, mut handle) = tower_test::mock::pair::<Request<String>, Response<&'static str>>();
    let mut service = broken.layer(transport);
    handle.allow(1);
    let call = async { tower::Service::call(service.ready().await.expect("ready"), post()).await };
    let server = async {
        let (_, send) = handle.next_request().await.expect("an attempt");
        send.send_response(status(503));
        handle.send_error("the transport is gone");
    };
    let (result, ()) = tokio::join!(call, server);
    assert!(result.expect_err("broken").to_string().contains("gone"));
}
