//! Joins the attempts with what the server knows it did to their connections, and finds where the two disagree.

use std::collections::{BTreeMap, VecDeque};

use flaky_tls::{ConnectionRecord, CutPoint, Scenario};
use tokio::time::Instant;
use wire_fault::{Cause, Fault, Phase};

use crate::attempts::{Attempt, End};

/// One connection, as the server saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connection {
    pub(crate) port: u16,
    pub(crate) accepted: Instant,
    pub(crate) scenario: Scenario,
    /// Whether the scenario's fault was carried out.
    pub(crate) struck: bool,
    /// How many complete requests came over it.
    pub(crate) received: u64,
}

impl From<&ConnectionRecord> for Connection {
    fn from(record: &ConnectionRecord) -> Self {
        Self {
            port: record.client.port(),
            accepted: record.accepted_at,
            scenario: record.scenario,
            struck: record.carried_out,
            received: record.tally.received,
        }
    }
}

/// What belongs together, and what does not add up.
#[derive(Debug, Default)]
pub(crate) struct Join {
    pub(crate) pairs: Vec<(Attempt, Connection)>,
    pub(crate) problems: Vec<String>,
}

/// Joins by client port. Connections are in order of accept.
pub(crate) fn join(attempts: &[Attempt], connections: &[Connection]) -> Join {
    // A port can be used again, but not by two connections at once: the n-th use of a port here is the n-th there.
    let mut by_port: BTreeMap<u16, VecDeque<Connection>> = BTreeMap::new();
    for connection in connections {
        by_port.entry(connection.port).or_default().push_back(*connection);
    }
    let mut connected: Vec<_> = attempts.iter().filter_map(|a| Some((a.connected?, *a))).collect();
    connected.sort_by_key(|(connected, _)| connected.at);

    let mut join = Join::default();
    let mut unjoined = Vec::new();
    for (at, attempt) in connected {
        let candidates = by_port.entry(at.port).or_default();
        // What was accepted before this attempt was released is an older user of the port.
        while candidates.front().is_some_and(|connection| connection.accepted < attempt.released) {
            unjoined.extend(candidates.pop_front());
        }
        match candidates.pop_front() {
            Some(connection) => join.pair(attempt, connection),
            // One that was given up may have been left waiting to be accepted.
            None if was_given_up(&attempt) => {}
            None => join.problems.push(format!(
                "an attempt of call {} from port {} joins no connection of the server",
                attempt.call, at.port
            )),
        }
    }
    unjoined.extend(by_port.into_values().flatten());
    join.strangers(attempts, &unjoined);
    for attempt in attempts {
        join.unconnected(attempt);
    }
    join
}

impl Join {
    fn pair(&mut self, attempt: Attempt, connection: Connection) {
        if let Some(problem) = disagreement(attempt.end, &connection) {
            let Connection { port, scenario, .. } = connection;
            self.problems.push(format!("call {}, port {port}, {scenario}: {problem}", attempt.call));
        }
        self.pairs.push((attempt, connection));
    }

    /// Connections that joined no attempt.
    fn strangers(&mut self, attempts: &[Attempt], connections: &[Connection]) {
        // An attempt given up while it connected has not learnt its port; such a connection stays silent, and what is
        // silent is not cut.
        let allowed = attempts.iter().filter(|a| a.connected.is_none() && was_given_up(a)).count();
        let silent = connections.iter().filter(|connection| !connection.struck).count();
        for connection in connections.iter().filter(|connection| connection.struck || silent > allowed) {
            let Connection { port, scenario, .. } = connection;
            self.problems.push(format!("the connection from port {port} ({scenario}) joins no attempt"));
        }
    }

    /// Without a connection an attempt can only have failed to get one.
    fn unconnected(&mut self, attempt: &Attempt) {
        let early = match attempt.end {
            End::Failed(fault) => matches!(fault.phase, Phase::Dns | Phase::Tcp),
            End::Open | End::Answered(_) => false,
        };
        if attempt.connected.is_none() && !early && !was_given_up(attempt) {
            self.problems.push(format!("an attempt of call {} has no port: {:?}", attempt.call, attempt.end));
        }
    }
}

/// Whether it was this side that ended the attempt.
fn was_given_up(attempt: &Attempt) -> bool {
    match attempt.end {
        End::Open => true,
        End::Failed(fault) => fault.cause == Cause::Timeout,
        End::Answered(_) => false,
    }
}

/// Where the client's reading of an attempt and the server's truth contradict each other.
fn disagreement(end: End, connection: &Connection) -> Option<String> {
    let Connection { scenario, struck, received, .. } = *connection;
    match end {
        End::Open => None,
        End::Answered(_) if struck => Some("answered, although the server struck".into()),
        End::Answered(_) if received != 1 => Some(format!("answered, but received {received} times")),
        End::Answered(_) => None,
        End::Failed(fault) if !fault.may_have_landed() && received > 0 => {
            Some(format!("{fault:?}, but received {received} times"))
        }
        End::Failed(fault) if !struck => {
            // A limit of our own can run out on a machine that is busy; nothing else fails of itself.
            (fault.cause != Cause::Timeout).then(|| format!("{fault:?}, but the server did nothing to it"))
        }
        End::Failed(fault) => {
            let phases = phases(scenario, fault);
            (!phases.contains(&fault.phase)).then(|| format!("{fault:?}, where only {phases:?} can be"))
        }
    }
}

/// Where a client on rustls can see this fault of the server's, over HTTP/1.1.
fn phases(scenario: Scenario, fault: Fault) -> &'static [Phase] {
    let at = match scenario {
        Scenario::Cut { at, .. } | Scenario::Stall(at) => at,
        // Both end the handshake.
        _ => CutPoint::ServerHello,
    };
    let timed_out = fault.cause == Cause::Timeout;
    match at {
        // The attempt's limit knows only whether the client had a connection to hand the request to.
        CutPoint::Accept | CutPoint::ClientHello | CutPoint::ServerHello if timed_out => &[Phase::Pool],
        _ if timed_out => &[Phase::Pool, Phase::InFlight],
        CutPoint::Accept | CutPoint::ClientHello | CutPoint::ServerHello => &[Phase::TlsHandshake],
        // Under TLS 1.3 the client is done first, so it may hear of the cut before it hands the request over, while or
        // after; under 1.2 a reset can overtake the end of the handshake.
        CutPoint::Handshake => &[Phase::TlsHandshake, Phase::Pool, Phase::InFlight],
        CutPoint::Request | CutPoint::Head => &[Phase::InFlight],
        CutPoint::Body => &[Phase::Body],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use flaky_tls::{AlertDescription, CutBy};
    use http::StatusCode;
    use wire_fault::{CallId, Delivery, Healing};

    use super::*;
    use crate::attempts::Connected;

    const OK: End = End::Answered(StatusCode::OK);

    fn failed(phase: Phase, delivery: Delivery, cause: Cause) -> End {
        End::Failed(Fault::new(phase, delivery, cause, Healing::Transient))
    }

    fn eof(phase: Phase) -> End {
        failed(phase, Delivery::Perhaps, Cause::Eof)
    }

    struct Run {
        start: Instant,
        attempts: Vec<Attempt>,
        connections: Vec<Connection>,
    }

    impl Run {
        fn new() -> Self {
            Self { start: Instant::now(), attempts: Vec::new(), connections: Vec::new() }
        }

        /// Released and connected at this millisecond.
        fn attempt(&mut self, millis: u64, port: Option<u16>, end: End) -> &mut Self {
            let released = self.start + Duration::from_millis(millis);
            let connected = port.map(|port| Connected { port, at: released });
            self.attempts.push(Attempt { call: CallId::next(), released, connected, end });
            self
        }

        fn connection(&mut self, millis: u64, port: u16, scenario: Scenario, received: u64) -> &mut Self {
            let accepted = self.start + Duration::from_millis(millis);
            let struck = scenario != Scenario::Healthy;
            self.connections.push(Connection { port, accepted, scenario, struck, received });
            self
        }

        fn problems(&self) -> Vec<String> {
            join(&self.attempts, &self.connections).problems
        }
    }

    fn cut(at: CutPoint) -> Scenario {
        Scenario::Cut { at, by: CutBy::Fin }
    }

    #[test]
    fn a_port_used_again_joins_in_order() {
        let mut run = Run::new();
        run.attempt(0, Some(7), eof(Phase::TlsHandshake)).attempt(10, Some(7), OK).attempt(20, Some(8), OK);
        run.connection(0, 7, cut(CutPoint::Accept), 0);
        run.connection(10, 7, Scenario::Healthy, 1).connection(20, 8, Scenario::Healthy, 1);
        let join = join(&run.attempts, &run.connections);
        assert_eq!(join.problems, [""; 0]);
        let scenarios: Vec<_> = join.pairs.iter().map(|(_, connection)| connection.scenario).collect();
        assert_eq!(scenarios, [cut(CutPoint::Accept), Scenario::Healthy, Scenario::Healthy]);
    }

    #[test]
    fn a_silent_connection_of_an_attempt_given_up_does_not_shift_the_port() {
        let mut run = Run::new();
        run.attempt(0, None, End::Open).attempt(10, Some(7), OK);
        run.connection(1, 7, Scenario::Healthy, 0).connection(11, 7, Scenario::Healthy, 1);
        assert_eq!(run.problems(), [""; 0]);
    }

    #[test]
    fn what_joins_nothing_is_a_problem() {
        let mut run = Run::new();
        run.attempt(0, Some(7), OK);
        assert_eq!(run.problems().len(), 1, "no connection");

        let mut run = Run::new();
        run.connection(0, 7, Scenario::Healthy, 0);
        assert_eq!(run.problems().len(), 1, "no attempt");

        let mut run = Run::new();
        run.attempt(0, None, End::Open).connection(0, 7, cut(CutPoint::Accept), 0);
        assert_eq!(run.problems().len(), 1, "a cut that joins nothing, even if an attempt was given up");

        let mut run = Run::new();
        run.attempt(0, None, eof(Phase::InFlight));
        assert_eq!(run.problems().len(), 1, "in flight without a connection");

        let mut run = Run::new();
        run.attempt(0, None, failed(Phase::Tcp, Delivery::NeverSent, Cause::ConnectionRefused));
        run.attempt(0, None, End::Open).attempt(0, Some(9), End::Open);
        assert_eq!(run.problems(), [""; 0]);
    }

    #[test]
    fn phases_must_fit_the_cut() {
        use CutPoint as C;
        use Phase as P;
        let all = [P::Dns, P::Tcp, P::Proxy, P::TlsHandshake, P::Pool, P::InFlight, P::Body, P::Unknown];
        let alert = Scenario::Alert(AlertDescription::InternalError);
        let rows: [(Scenario, &[Phase]); 8] = [
            (cut(C::Accept), &[P::TlsHandshake]),
            (cut(C::ClientHello), &[P::TlsHandshake]),
            (cut(C::ServerHello), &[P::TlsHandshake]),
            (alert, &[P::TlsHandshake]),
            (cut(C::Handshake), &[P::TlsHandshake, P::Pool, P::InFlight]),
            (cut(C::Request), &[P::InFlight]),
            (cut(C::Head), &[P::InFlight]),
            (cut(C::Body), &[P::Body]),
        ];
        for (scenario, allowed) in rows {
            for phase in all {
                let mut run = Run::new();
                run.attempt(0, Some(7), eof(phase)).connection(0, 7, scenario, 0);
                assert_eq!(run.problems().is_empty(), allowed.contains(&phase), "{scenario}: {phase}");
            }
        }
    }

    #[test]
    fn claims_about_the_delivery_are_held_against_the_truth() {
        let unsent = failed(Phase::TlsHandshake, Delivery::NeverSent, Cause::Eof);
        for (end, scenario, received, problems) in [
            (unsent, cut(CutPoint::Handshake), 0, 0),
            (unsent, cut(CutPoint::Handshake), 1, 1),
            (OK, Scenario::Healthy, 1, 0),
            (OK, Scenario::Healthy, 0, 1),
            (OK, Scenario::Healthy, 2, 1),
            (OK, cut(CutPoint::Body), 1, 1),
            (eof(Phase::InFlight), Scenario::Healthy, 1, 1),
            (failed(Phase::InFlight, Delivery::Perhaps, Cause::Timeout), Scenario::Healthy, 1, 0),
            (
                failed(Phase::InFlight, Delivery::Perhaps, Cause::Timeout),
                Scenario::Stall(CutPoint::Request),
                1,
                0,
            ),
            (
                failed(Phase::InFlight, Delivery::Perhaps, Cause::Timeout),
                Scenario::Stall(CutPoint::ClientHello),
                0,
                1,
            ),
            (
                failed(Phase::Pool, Delivery::NeverSent, Cause::Timeout),
                Scenario::Stall(CutPoint::ClientHello),
                0,
                0,
            ),
            (End::Open, cut(CutPoint::Body), 1, 0),
        ] {
            let mut run = Run::new();
            run.attempt(0, Some(7), end).connection(0, 7, scenario, received);
            assert_eq!(run.problems().len(), problems, "{end:?}, {scenario}, received {received}");
        }
    }
}
