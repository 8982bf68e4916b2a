//! Before the first operation: does the service accept a good token, and which ones can it read at all?

use std::{collections::HashSet, time::Duration};

use countersign::testkit::BadToken;
use tokio::time::{Instant, sleep};

use super::{engine::Engine, key_server::KeyServer};
use crate::{
    AuditError, Cell, Finding, ISSUER, Operation, Report, Supply, Verdict,
    client::NoAnswer,
    document::Access,
    findings::kind,
    judge::control_problem,
    plan::{Call, Caller, Content, Credential, Edit, Phase, Which, Whose},
    report::fingerprint,
    tokens::Roles,
};

/// Between two attempts while the service may still be fetching keys.
const PAUSE: Duration = Duration::from_millis(250);
/// Operations that are tried for a first acceptance.
const TRIED: usize = 8;

/// What became of a good token.
enum Probe {
    Accepted,
    NotFound,
    Refused,
}

/// What the service can read.
#[derive(Debug, Default)]
pub(super) struct Probed {
    /// Rows whose good twin is accepted, or that have none.
    pub(super) rows: Vec<&'static BadToken>,
}

impl Engine {
    /// Finds a key whose tokens the service accepts.
    pub(super) async fn find_key(&mut self, served: Option<&KeyServer>) -> Result<(), AuditError> {
        let probes = self.probes();
        if probes.is_empty() {
            return Ok(());
        }
        let patience = Duration::from_secs(self.options.patience);
        let began = started();
        let mut last = String::new();
        loop {
            for key in self.mint.keys() {
                self.key = key;
                let (mut missing, mut refused) = (None, false);
                for operation in &probes {
                    match self.accepts(operation).await {
                        Ok(Probe::NotFound) => missing = missing.or(Some(operation)),
                        Ok(Probe::Accepted) => {
                            self.nonsense = self.ask_nonsense().await;
                            return Ok(());
                        }
                        Ok(Probe::Refused) => {
                            refused = true;
                            "no good token is accepted".clone_into(&mut last);
                        }
                        Err(problem) => {
                            (last, refused) = (problem, true);
                            break;
                        }
                    }
                }
                if let Some(operation) = missing.filter(|_| !refused) {
                    self.is_there(operation).await?;
                    self.nonsense = self.ask_nonsense().await;
                    return Ok(());
                }
            }
            if began.elapsed() >= patience {
                break;
            }
            sleep(PAUSE).await;
        }
        Err(AuditError::Unreachable(format!("{}: {last} ({})", self.options.target, self.advice(served))))
    }

    /// What to look at when nothing is accepted.
    fn advice(&self, served: Option<&KeyServer>) -> String {
        let audience = &self.options.audience;
        match (&self.options.supply, served) {
            (Supply::Gateway, _) => "are the sessions of the test users alive?".to_owned(),
            (Supply::SharedSecret(_), _) => format!(
                "does the service trust the issuer `{ISSUER}` with this secret, and is its audience `{audience}`?"
            ),
            (Supply::OwnKey { .. }, Some(served)) => format!(
                "does the service trust the issuer `{ISSUER}` with the key set at {}, and is its audience `{audience}`? \
                 The key set was fetched {} times",
                served.url(),
                served.fetched()
            ),
            (Supply::OwnKey { .. }, None) => format!(
                "does the service trust the issuer `{ISSUER}` with the key set that was written for it, and is its \
                 audience `{audience}`?"
            ),
        }
    }

    /// Operations whose good request harms nothing, safe ones first.
    fn probes(&self) -> Vec<Operation> {
        let ground = self.ground();
        let mut probes: Vec<Operation> = ground
            .order()
            .into_iter()
            .filter_map(|index| self.operation(index))
            .filter(|operation| ground.access(operation) != Access::Public && !ground.is_skipped(operation))
            .filter(|operation| operation.is_safe() || crate::plan::Shape::of(&ground, operation).control)
            .collect();
        probes.truncate(TRIED);
        probes
    }

    /// Where a good token gets 404 everywhere, no token at all must not: else the service knows none of these paths.
    async fn is_there(&self, operation: &Operation) -> Result<(), AuditError> {
        let mut call = self.ground().control(operation);
        call.credential = Credential::Absent;
        call.whose = Whose::Absent;
        let Ok(request) = self.resolve(&call, None) else { return Ok(()) };
        let prefix = &self.options.document.prefix;
        match self.client.send(&request).await {
            Ok(answer) if answer.status == 404 => Err(AuditError::Unreachable(format!(
                "{}: every operation that was tried answers 404, with and without a token: is this the right service, and \
                 does every path begin there?{}",
                self.options.target,
                if prefix.is_empty() || self.prefix.ends_with(prefix) {
                    String::new()
                } else {
                    format!(
                        " The document's server has `{prefix}` before each path: try `--target {}{prefix}`",
                        self.options.target
                    )
                }
            ))),
            _ => Ok(()),
        }
    }

    async fn accepts(&self, operation: &Operation) -> Result<Probe, String> {
        let mut call = self.ground().control(operation);
        if matches!(call.whose, Whose::Own) {
            // Nothing has been made yet.
            call.whose = Whose::Absent;
        }
        let request = self.resolve(&call, None)?;
        match self.client.send(&request).await {
            Ok(answer) if answer.status == 404 => Ok(Probe::NotFound),
            Ok(answer) if answer.status != 401 && answer.status < 500 => Ok(Probe::Accepted),
            Ok(_) => Ok(Probe::Refused),
            Err(NoAnswer::Connection(reason)) => Err(reason),
            Err(other) => Err(other.to_string()),
        }
    }

    async fn ask_nonsense(&self) -> Option<crate::client::Answer> {
        let call = Call {
            method: "GET".to_owned(),
            path: "/countersign-audit-nothing/here".to_owned(),
            edit: Edit::None,
            caller: Caller {
                organisation: Which::A,
                says_organisation: true,
                roles: Roles::List(Vec::new()),
                scopes: Vec::new(),
            },
            credential: Credential::Absent,
            whose: Whose::Sample,
            content: Content::None,
            query: Vec::new(),
            headers: Vec::new(),
        };
        self.client.send(&self.resolve(&call, None).ok()?).await.ok()
    }

    /// Asks one operation with each row's good twin and each odd token: rows whose twin is refused say nothing about
    /// this service.
    pub(super) async fn probe_catalogue(&self, report: &mut Report) -> Probed {
        if self.is_gateway() {
            return Probed::default();
        }
        let ground = self.ground();
        let now = self.options.clock.now();
        let mut chosen = None;
        for operation in self.probes().into_iter().filter(Operation::is_safe) {
            let request = self.resolve(&ground.control(&operation), None);
            let Ok(request) = request else { continue };
            if let Ok(answer) = self.client.send(&request).await
                && control_problem(&answer).is_none()
            {
                chosen = Some(operation);
                break;
            }
        }
        let caller = |operation: &Operation| ground.allowed(operation, Which::A);
        let Some(operation) = chosen else {
            let Some(first) = self.probes().into_iter().next() else { return Probed::default() };
            report.notes.push(
                "no safe operation accepts a good token: the twins of bad tokens were not tried".to_owned(),
            );
            return Probed { rows: self.mint.bad_rows(&ground.bearer(&caller(&first)), self.key, now) };
        };
        let caller = caller(&operation);
        let bearer = ground.bearer(&caller);
        let mut probed = Probed::default();
        let mut refused = HashSet::new();
        for row in self.mint.bad_rows(&bearer, self.key, now) {
            let twin = self.mint.has_twin(row, &bearer, self.key, now);
            if !twin || self.is_good(&operation, Credential::Twin(row)).await {
                probed.rows.push(row);
            } else {
                refused.insert(row.name());
            }
        }
        if !refused.is_empty() {
            let mut names: Vec<&str> = refused.into_iter().collect();
            names.sort_unstable();
            report.notes.push(format!(
                "{} bad tokens were not tried, because the service refuses their good twins too (it does not read such tokens): {}",
                names.len(),
                names.join(", ")
            ));
        }
        self.odd(&operation, &bearer, report).await;
        probed
    }

    async fn is_good(&self, operation: &Operation, credential: Credential) -> bool {
        let ground = self.ground();
        let call = ground.call(operation, ground.allowed(operation, Which::A), credential);
        let Ok(request) = self.resolve(&call, None) else { return true };
        self.client
            .send(&request)
            .await
            .is_ok_and(|answer| answer.status < 500 && !matches!(answer.status, 400 | 401))
    }

    async fn odd(&self, operation: &Operation, bearer: &crate::tokens::Bearer, report: &mut Report) {
        let mut refused = Vec::new();
        let mut cells = Vec::new();
        for row in self.mint.odd_rows(bearer, self.key, self.options.clock.now()) {
            let algorithm =
                ["good/es", "good/rs", "good/ps"].iter().any(|prefix| row.name().starts_with(prefix));
            if algorithm || row.name() == "good/plain" {
                continue;
            }
            let good = self.is_good(operation, Credential::Odd(row)).await;
            cells.push(Cell {
                name: row.name().into(),
                phase: Phase::Token,
                verdict: if good { Verdict::Pass } else { Verdict::Fail },
                reason: (!good).then(|| "a good token is refused".into()),
            });
            if !good {
                refused.push(row.name().to_owned());
            }
        }
        report.odd = cells;
        let (Some(kind), false) = (kind("good-token-refused"), refused.is_empty()) else { return };
        report.findings.push(Finding {
            id: kind.id.to_owned(),
            severity: kind.severity,
            method: operation.method.clone(),
            path: operation.path.clone(),
            reason: format!("refused: {}", refused.join(", ")),
            count: refused.len(),
            cells: refused.into_iter().take(Finding::MAX_CELLS).collect(),
            fingerprint: fingerprint(kind.id, &operation.method, &operation.path),
            line: operation.line,
            known: false,
        });
    }
}

/// Patience is measured, not told.
fn started() -> Instant {
    Instant::now()
}
