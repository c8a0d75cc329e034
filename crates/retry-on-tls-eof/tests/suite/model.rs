//! Any call over any attempts, held against the rules in a few lines.

use crate::common;
use std::sync::{Arc, Mutex};

use crate::common::{Answer, Script, backoff, ms};
use http::{Method, Request, Response};
use jittered_backoff::{Limits, RetryBudget};
use proptest::prelude::*;
use retry_on_tls_eof::{
    Attempt, EarlierFault, Exhausted, MayHaveLanded, OutcomeUnknown, Reconciled, RetryOnTlsEofLayer,
    RetrySafety,
};
use tokio::time::Instant;
use tower::{BoxError, Layer, ServiceExt};
use wire_fault::{Boxed, Cause, Delivery, Fault, Healing, Mark, Phase};

/// What comes of an attempt.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    Fault(Delivery, Healing),
    Status(u16),
}

use Outcome::{Fault as F, Status};

impl Outcome {
    fn answer(self) -> Answer {
        match self {
            F(delivery, healing) => {
                let phase = if delivery == Delivery::Answered { Phase::Body } else { Phase::InFlight };
                Err(Mark::fault(Fault::new(phase, delivery, Cause::Eof, healing)).into())
            }
            Status(code) => Ok(common::status(code)),
        }
    }
}

#[derive(Clone, Debug)]
struct Call {
    method: Method,
    marked: Option<RetrySafety>,
    attempts: u32,
    outcomes: Vec<(u64, Outcome)>,
    /// What a hook shows, each time it is asked; no hook without.
    shown: Option<Vec<Reconciled<()>>>,
    /// A status declared a refusal.
    declared: Option<u16>,
}

impl Call {
    fn safety(&self) -> RetrySafety {
        self.marked.unwrap_or_else(|| RetrySafety::of_method(&self.method))
    }

    fn is_consequential(&self) -> bool {
        !self.method.is_safe() || self.safety() != RetrySafety::Idempotent
    }

    fn is_declared(&self, outcome: Outcome) -> bool {
        matches!(outcome, Status(code) if self.declared == Some(code))
    }

    /// Nobody knows whether the server has acted.
    fn is_unclear(&self, outcome: Outcome) -> bool {
        match outcome {
            F(delivery, _) => matches!(delivery, Delivery::Perhaps | Delivery::Answered),
            Status(code) => matches!(code, 408 | 500 | 502 | 503 | 504) && !self.is_declared(outcome),
        }
    }

    /// Whether the attempt may be followed by another, if the hook showed this of it.
    fn may_repeat(&self, outcome: Outcome, shown: Option<Reconciled<()>>) -> bool {
        let undone = shown == Some(Reconciled::NotLanded);
        let idempotent = self.safety() == RetrySafety::Idempotent;
        self.safety() != RetrySafety::Never
            && match outcome {
                F(_, Healing::Permanent) => false,
                F(Delivery::NeverSent | Delivery::Refused, _) => true,
                outcome if self.is_declared(outcome) => true,
                Status(429) => idempotent,
                outcome => self.is_unclear(outcome) && (idempotent || undone),
            }
    }
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let delivery = prop_oneof![
        4 => Just(Delivery::NeverSent),
        1 => Just(Delivery::Refused),
        3 => Just(Delivery::Perhaps),
        1 => Just(Delivery::Answered),
    ];
    let healing = prop_oneof![6 => Just(Healing::Transient), 1 => Just(Healing::Unknown), 1 => Just(Healing::Permanent)];
    prop_oneof![
        3 => (delivery, healing).prop_map(|(delivery, healing)| F(delivery, healing)),
        2 => prop::sample::select(vec![200, 201, 404, 408, 409, 429, 500, 501, 502, 503, 504]).prop_map(Status),
    ]
}

fn call() -> impl Strategy<Value = Call> {
    let method =
        prop::sample::select(vec![Method::GET, Method::POST, Method::POST, Method::PUT, Method::DELETE]);
    let safety = prop::sample::select(vec![
        None,
        None,
        Some(RetrySafety::Never),
        Some(RetrySafety::IfNeverSent),
        Some(RetrySafety::Idempotent),
    ]);
    let shown = prop::sample::select(vec![
        Reconciled::NotLanded,
        Reconciled::NotLanded,
        Reconciled::Landed(()),
        Reconciled::StillUnknown,
    ]);
    let outcomes = prop::collection::vec((0..3_000u64, outcome()), 6);
    let shown = prop::option::of(prop::collection::vec(shown, 6));
    let declared = prop::sample::select(vec![None, None, Some(429), Some(503)]);
    (method, safety, 1..=6u32, outcomes, shown, declared).prop_map(
        |(method, marked, attempts, outcomes, shown, declared)| Call {
            method,
            marked,
            attempts,
            outcomes,
            shown,
            declared,
        },
    )
}

/// What came of it.
#[derive(Debug)]
struct Ended {
    result: Result<Response<&'static str>, BoxError>,
    sent: usize,
    /// The attempts that the hook was asked about, and what it showed.
    asked: Vec<(u32, Reconciled<()>)>,
    elapsed: u128,
    permits: u32,
}

async fn run(call: &Call, limits: Limits, permits: u32) -> Ended {
    let budget = RetryBudget::new(1, 1_000_000).expect("in range");
    let budget = budget.with_reserve(permits..=9).expect("in range");
    let layer = RetryOnTlsEofLayer::<Boxed>::new(backoff()).with_limits(limits).with_budget(budget.clone());
    let layer = match call.declared {
        Some(status) => layer.repeat_refused(status).expect("a refusal"),
        None => layer,
    };
    let outcomes = call.outcomes.iter().map(|(takes, outcome)| (ms(*takes), outcome.answer()));
    let script = Script::timed(outcomes);
    let mut request: Request<String> = common::request(call.method.clone());
    request.extensions_mut().extend(call.marked.map_or_else(Default::default, |safety| {
        let mut extensions = http::Extensions::new();
        extensions.insert(safety);
        extensions
    }));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let start = Instant::now();
    let result = match call.shown.clone() {
        None => layer.layer(script.clone()).oneshot(request).await,
        Some(shown) => {
            let asked = Arc::clone(&asked);
            let looking = layer.with_reconcile(move |question: MayHaveLanded| {
                let mut asked = asked.lock().unwrap();
                let shown = shown[asked.len()];
                asked.push((question.attempts(), shown));
                async move {
                    tokio::time::sleep(ms(50)).await;
                    Ok(match shown {
                        Reconciled::Landed(()) => Reconciled::Landed(common::status(299)),
                        Reconciled::NotLanded => Reconciled::NotLanded,
                        Reconciled::StillUnknown => Reconciled::StillUnknown,
                    })
                }
            });
            looking.layer(script.clone()).oneshot(request).await
        }
    };
    let elapsed = start.elapsed().as_millis();
    assert_eq!(script.under_way(), 0);
    let asked = asked.lock().unwrap().clone();
    Ended { result, sent: script.at().len(), asked, elapsed, permits: budget.permits() }
}

/// What holds of every call, however it is limited.
fn check(call: &Call, ended: &Ended, permits: u32) {
    let Ended { result, sent, asked, .. } = ended;
    let sent = *sent;
    assert!((1..=call.attempts as usize).contains(&sent));
    assert_eq!(ended.permits, permits - (sent as u32 - 1), "each repeat is paid for, and nothing else");
    let shown =
        |attempt: usize| asked.iter().find(|(asked, _)| *asked as usize == attempt).map(|(_, shown)| *shown);
    let outcome = |attempt: usize| call.outcomes[attempt - 1].1;

    let mut unclear = false;
    for attempt in 1..sent {
        assert!(call.may_repeat(outcome(attempt), shown(attempt)), "repeated attempt {attempt}");
        let acted = matches!(outcome(attempt), Status(429)) && !call.is_declared(outcome(attempt));
        unclear |= call.is_unclear(outcome(attempt)) || acted;
        if shown(attempt) == Some(Reconciled::NotLanded) {
            unclear = false;
        }
    }
    let earlier = unclear && call.is_consequential();
    let last = outcome(sent);
    match result {
        Ok(response) => {
            let (attempt, fault) =
                (response.extensions().get::<Attempt>(), response.extensions().get::<EarlierFault>());
            assert_eq!(attempt.map(|attempt| attempt.get() as usize), Some(sent));
            match shown(sent) {
                Some(Reconciled::Landed(())) => {
                    assert_eq!((response.status().as_u16(), fault.is_some()), (299, true));
                }
                shown => {
                    assert!(matches!(last, Status(code) if response.status() == code));
                    assert_eq!(fault.is_some(), earlier && shown != Some(Reconciled::NotLanded));
                }
            }
        }
        Err(error) => {
            let may_have_landed = match (last, shown(sent)) {
                (_, Some(Reconciled::NotLanded)) => false,
                (F(Delivery::Perhaps | Delivery::Answered, _), _) => call.is_consequential(),
                _ => earlier,
            };
            assert_eq!(OutcomeUnknown::of(&**error).is_some(), may_have_landed, "{error:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn with_time_and_permits_only_the_rules_end_it(call in call()) {
        let limits = Limits::new().with_attempts(call.attempts).expect("in range").without_deadline();
        let ended = block_on(run(&call, limits, 9));
        check(&call, &ended, 9);
        let last = call.outcomes[ended.sent - 1].1;
        let shown = ended.asked.last().filter(|(asked, _)| *asked as usize == ended.sent).map(|(_, shown)| *shown);
        let could = call.may_repeat(last, shown);
        if ended.sent < call.attempts as usize {
            prop_assert!(!could || shown.is_some_and(|shown| shown != Reconciled::NotLanded), "it gave up");
        }
        // Whoever may have landed is asked after, if there is anybody to ask.
        if let (Some(_), true, true) = (&call.shown, call.is_consequential(), call.is_unclear(last)) {
            prop_assert_eq!(ended.asked.last().map(|(asked, _)| *asked as usize), Some(ended.sent));
        }
        if let Err(error) = &ended.result {
            // A call of one attempt has not used anything up: its error passes untouched.
            let last_of_many = call.attempts > 1 && ended.sent == call.attempts as usize;
            let exhausted = Exhausted::of(&**error).is_some();
            let used_up = last_of_many && could && OutcomeUnknown::of(&**error).is_none();
            prop_assert_eq!(exhausted, used_up);
        }
    }

    #[test]
    fn short_of_time_and_permits_the_rules_hold(call in call(), deadline in 1..20_000u64, permits in 0..4u32) {
        let limits = Limits::new().with_attempts(call.attempts).expect("in range").with_deadline(ms(deadline));
        let ended = block_on(run(&call, limits, permits));
        prop_assert!(ended.elapsed <= u128::from(deadline));
        // A call that was cut in its last attempt never learnt what came of it.
        let cut = ended.elapsed == u128::from(deadline);
        if !cut {
            check(&call, &ended, permits);
        }
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(future)
}
