//! Which calls are repeated after what: statuses, declared refusals, idempotency keys, and `Never`, which nothing lifts.

use crate::common::{Answer, S, Script, certificate, cut, layer, never_sent, ok, request, status};
use http::{Method, Request, Uri};
use retry_on_tls_eof::{
    EarlierFault, Exhausted, NoRefusal, OutcomeUnknown, Reconciled, RetryOnTlsEofLayer, RetrySafety,
};
use tower::{Layer, ServiceExt};
use wire_fault::{Boxed, Unprocessed};

fn marked(method: Method, safety: RetrySafety) -> Request<String> {
    let mut request = request(method);
    request.extensions_mut().insert(safety);
    request
}

fn keyed(key: &str) -> Request<String> {
    let mut request = request(Method::POST);
    request.headers_mut().insert("idempotency-key", key.parse().expect("a header"));
    request
}

/// Sends a request over these answers: how it ended, and when it was sent, in milliseconds.
async fn run(
    layer: &RetryOnTlsEofLayer<Boxed>,
    request: Request<String>,
    answers: impl IntoIterator<Item = Answer>,
) -> (Answer, Vec<u128>) {
    let script = Script::new(answers);
    let result = layer.layer(script.clone()).oneshot(request).await;
    (result, script.at())
}

fn saying(code: u16, name: &'static str, value: &str) -> Answer {
    let mut response = status(code);
    response.headers_mut().insert(name, value.parse().expect("a header"));
    Ok(response)
}

/// The table of OVHcloud's statuses, row by row.
#[tokio::test(start_paused = true)]
async fn statuses() {
    for (code, repeated) in [
        (400, false),
        (401, false),
        (403, false),
        (404, false),
        (408, true),
        (409, false),
        (429, true),
        (460, false),
        (500, true),
        (501, false),
        (502, true),
        (503, true),
        (504, true),
    ] {
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE] {
            let (result, at) =
                run(&layer(3), request(method), [Ok(status(code))].into_iter().chain(repeated.then(ok)))
                    .await;
            assert_eq!(
                (result.expect("an answer").status() == 200, at.len()),
                (repeated, 1 + usize::from(repeated))
            );
        }
        for method in [Method::POST, Method::PATCH] {
            let (result, at) = run(&layer(3), request(method), [Ok(status(code))]).await;
            assert_eq!((result.expect("an answer").status().as_u16(), at.len()), (code, 1));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_limits_reset_is_a_floor_of_429_and_503() {
    let get = || request(Method::GET);
    for (code, name, value, second) in [
        (429, "ratelimit", "\"m\";r=0;t=7", 7_000),
        (503, "ratelimit", "\"m\";r=0;t=7", 7_000),
        (503, "ratelimit-reset", "7", 7_000),
        (429, "retry-after", "7", 7_000),
        (429, "ratelimit", "\"m\";r=3;t=7", 1_000),
        (500, "ratelimit", "\"m\";r=0;t=7", 1_000),
        (500, "retry-after", "7", 7_000),
        (429, "ratelimit-reset", "0", 1_000),
    ] {
        let (_, at) = run(&layer(3), get(), [saying(code, name, value), ok()]).await;
        assert_eq!(at, [0, second], "{code} {name}: {value}");
    }
    // Retry-After has the last word, as the draft says.
    let mut both = status(429);
    both.headers_mut().insert("retry-after", "3".parse().expect("a header"));
    both.headers_mut().insert("ratelimit", "\"m\";r=0;t=50".parse().expect("a header"));
    let (_, at) = run(&layer(3), get(), [Ok(both), ok()]).await;
    assert_eq!(at, [0, 3_000]);
    // And none of it need fit the deadline of 60 s.
    let (result, at) = run(&layer(3), get(), [saying(429, "ratelimit-reset", "1700000000")]).await;
    assert_eq!((result.expect("handed on").status().as_u16(), at.len()), (429, 1));
}

#[tokio::test(start_paused = true)]
async fn a_post_answered_429_is_repeated_by_declaration_only() {
    let (result, at) = run(&layer(3), request(Method::POST), [saying(429, "retry-after", "2")]).await;
    assert_eq!((result.expect("handed on").status().as_u16(), at.len()), (429, 1));

    let declared = layer(3).repeat_refused(429).expect("a refusal");
    let (result, at) =
        run(&declared, request(Method::POST), [saying(429, "retry-after", "2"), Ok(status(429)), ok()]).await;
    assert_eq!((result.expect("healed").status().as_u16(), at), (200, vec![0, 2_000, 4_000]));
    // That status and no other.
    let (result, at) = run(&declared, request(Method::POST), [Ok(status(503))]).await;
    assert_eq!((result.expect("handed on").status().as_u16(), at.len()), (503, 1));
    let more = declared.repeat_refused(503).expect("a refusal").repeat_refused(421).expect("a refusal");
    let (result, at) = run(&more, request(Method::POST), [Ok(status(503)), Ok(status(421)), ok()]).await;
    assert_eq!((result.expect("healed").status().as_u16(), at.len()), (200, 3));
}

/// By the declaration it leaves no doubt behind, whatever follows it.
#[tokio::test(start_paused = true)]
async fn a_declared_refusal_has_not_landed() {
    let declared = layer(3).repeat_refused(429).expect("a refusal");
    for method in [Method::POST, Method::PUT] {
        let answers = [Ok(status(429)), Err(never_sent()), Err(never_sent())];
        let (result, at) = run(&declared, request(method), answers).await;
        let error = result.expect_err("used up");
        assert!(OutcomeUnknown::of(&*error).is_none(), "{error}");
        assert_eq!((Exhausted::of(&*error).map(Exhausted::attempts), at.len()), (Some(3), 3));
    }
    let (result, _) = run(&declared, request(Method::DELETE), [Ok(status(429)), Ok(status(404))]).await;
    assert_eq!(result.expect("an answer").extensions().get::<EarlierFault>(), None);

    // Undeclared, nobody knows.
    let answers = [Ok(status(429)), Err(never_sent()), Err(never_sent())];
    let (result, _) = run(&layer(3), request(Method::PUT), answers).await;
    assert!(OutcomeUnknown::of(&*result.expect_err("used up")).is_some());
}

#[test]
fn only_a_refusal_can_be_declared_one() {
    for code in [0, 200, 400, 408, 409, 460, 500, 502, 504, 1_000] {
        let refused: NoRefusal = layer(3).repeat_refused(code).expect_err("no refusal");
        assert_eq!(
            refused.to_string(),
            format!("status {code} does not say that a request was refused: 421, 425, 429 and 503 can")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_idempotency_key_counts_where_the_server_is_declared_to_honour_it() {
    let (result, at) = run(&layer(3), keyed("a"), [Err(cut())]).await;
    assert!(OutcomeUnknown::of(&*result.expect_err("it may have landed")).is_some());
    assert_eq!(at.len(), 1);

    let honoured = layer(3).honours_idempotency_key();
    let (result, at) = run(&honoured, keyed("a"), [Err(cut()), Ok(status(500)), ok()]).await;
    assert_eq!((result.expect("healed").status().as_u16(), at.len()), (200, 3));
    for without in [request(Method::POST), keyed("")] {
        let (result, _) = run(&honoured, without, [Err(cut())]).await;
        assert!(OutcomeUnknown::of(&*result.expect_err("no key")).is_some());
    }
    // It changes something all the same: used up, it is unknown.
    let (result, _) = run(&honoured, keyed("a"), [Err(cut()), Err(never_sent()), Err(never_sent())]).await;
    assert!(OutcomeUnknown::of(&*result.expect_err("used up")).is_some());
    // The request's own word comes first.
    let mut said = keyed("a");
    said.extensions_mut().insert(RetrySafety::IfNeverSent);
    let (result, _) = run(&honoured, said, [Err(cut())]).await;
    assert!(OutcomeUnknown::of(&*result.expect_err("said so")).is_some());
}

/// Every reason there is to repeat a call, all at once, against each way to say never.
#[tokio::test(start_paused = true)]
async fn never_wins_over_everything() {
    let all = || {
        layer(9)
            .repeat_refused(429)
            .expect("a refusal")
            .repeat_refused(503)
            .expect("a refusal")
            .honours_idempotency_key()
    };
    let checkout = |method: &Method, uri: &Uri| method == Method::POST && uri.path().ends_with("/order");
    let mut unprocessed = status(400);
    unprocessed.extensions_mut().insert(Unprocessed);
    for said in
        [None, Some(RetrySafety::Idempotent), Some(RetrySafety::IfNeverSent), Some(RetrySafety::Never)]
    {
        let request = || {
            let mut request = keyed("a");
            if let Some(said) = said {
                request.extensions_mut().insert(said);
            }
            request
        };
        let layer = || match said {
            Some(RetrySafety::Never) => all(),
            _ => all().with_never(checkout),
        };
        for code in [429, 500, 503] {
            let (result, at) = run(&layer(), request(), [saying(code, "retry-after", "1")]).await;
            assert_eq!((result.expect("handed on").status().as_u16(), at.len()), (code, 1), "{said:?}");
        }
        let (result, at) = run(&layer(), request(), [Ok(unprocessed.clone())]).await;
        assert_eq!((result.expect("handed on").status().as_u16(), at.len()), (400, 1));
        for error in [never_sent(), cut(), certificate()] {
            let text = error.to_string();
            let (result, at) = run(&layer(), request(), [Err(error)]).await;
            let error = result.expect_err("sent once");
            assert!(at.len() == 1 && (OutcomeUnknown::of(&*error).is_some() || error.to_string() == text));
        }
        // A hook's word that it hasn't landed ends the doubt, and still repeats nothing.
        let script = Script::new([Err(cut())]);
        let looking = layer().with_reconcile(async |_| Ok(Reconciled::NotLanded));
        let error = looking.layer(script.clone()).oneshot(request()).await.expect_err("sent once");
        assert!(error.is::<std::io::Error>(), "known not to have landed, and untouched: {error:?}");
        assert_eq!(script.at().len(), 1);
    }
    // The rule picks its calls, and no others.
    let (result, at) = run(&all().with_never(checkout), request(Method::PUT), [Err(cut()), ok()]).await;
    assert_eq!((result.is_ok(), at), (true, vec![0, S.as_millis()]));
}

/// What must not be sent twice has an outcome that matters, whatever its method: also a GET's may be unknown.
#[tokio::test(start_paused = true)]
async fn never_says_that_it_changes_something() {
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::POST] {
        let request = || marked(method.clone(), RetrySafety::Never);
        let (result, at) = run(&layer(3), request(), [Err(cut())]).await;
        let error = result.expect_err("sent once");
        assert!(OutcomeUnknown::of(&*error).is_some(), "{method}: {error:?}");
        assert_eq!(at.len(), 1);
        // What was never sent is known, and so is what was answered.
        let (result, _) = run(&layer(3), request(), [Err(never_sent())]).await;
        assert!(OutcomeUnknown::of(&*result.expect_err("sent once")).is_none());
        let (result, _) = run(&layer(3), request(), [Ok(status(503))]).await;
        assert_eq!(result.expect("handed on").status().as_u16(), 503);
    }
    // By a rule, too.
    let ruled = layer(3).with_never(|_, uri| uri.path() == "/order");
    let (result, _) = run(&ruled, request(Method::GET), [Err(cut())]).await;
    assert!(OutcomeUnknown::of(&*result.expect_err("sent once")).is_some());
    // A look may settle it.
    let looking = layer(3).with_reconcile(async |_| Ok(Reconciled::Landed(status(201))));
    let script = Script::new([Err(cut())]);
    let landed = looking.layer(script).oneshot(marked(Method::GET, RetrySafety::Never)).await;
    assert_eq!(landed.expect("it has landed").status().as_u16(), 201);
}

#[tokio::test(start_paused = true)]
async fn an_extension_is_asked_before_the_method() {
    let (result, _) = run(&layer(3), marked(Method::POST, RetrySafety::Idempotent), [Err(cut()), ok()]).await;
    result.expect("healed");
    let (result, at) = run(&layer(3), marked(Method::GET, RetrySafety::IfNeverSent), [Ok(status(503))]).await;
    assert_eq!((result.expect("handed on").status().as_u16(), at.len()), (503, 1));
}
