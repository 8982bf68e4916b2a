//! All cells of one operation, and what they amount to.

use std::{collections::BTreeMap, sync::Arc};

use tokio::task::JoinSet;

use super::{
    case::{Compared, NotDecided, Outcome},
    engine::Engine,
    start::Probed,
};
use crate::{
    Cell, Evidence, Finding, Operation, Report, Verdict,
    client::Answer,
    document::Access,
    findings::kind,
    judge::{Decision, control_problem},
    plan::{Case, Ground, NO_TOKEN_CELL, Rule, Shape, Which},
    report::{OperationRow, fingerprint, redact},
};

/// Everything about one operation.
#[derive(Debug)]
pub(super) struct Audited {
    pub(super) row: OperationRow,
    pub(super) findings: Vec<Finding>,
    evidence: Vec<Evidence>,
}

impl Audited {
    pub(super) fn into_report(self, report: &mut Report) {
        report.operations.push(self.row);
        report.findings.extend(self.findings);
        let room = Report::MAX_EVIDENCE.saturating_sub(report.evidence.len());
        report.evidence.extend(self.evidence.into_iter().take(room));
    }
}

/// What was seen so far: by finding and method.
#[derive(Debug, Default)]
struct Seen {
    cells: Vec<Cell>,
    found: BTreeMap<(&'static str, String), Found>,
    evidence: Vec<Evidence>,
}

#[derive(Debug)]
struct Found {
    reason: String,
    cells: Vec<String>,
    count: usize,
}

pub(super) async fn audit(engine: &Arc<Engine>, operation: &Operation, probed: &Probed) -> Audited {
    let mut seen = Seen::default();
    let control = if engine.ground().is_skipped(operation) {
        "skipped".to_owned()
    } else {
        seen.declared(&engine.ground(), operation);
        run(engine, operation, probed, &mut seen).await
    };
    let findings = seen.collapse(operation);
    let row = OperationRow {
        method: operation.method.clone(),
        path: operation.path.clone(),
        line: operation.line,
        control,
        cells: seen.cells,
    };
    Audited { row, findings, evidence: seen.evidence }
}

async fn run(engine: &Arc<Engine>, operation: &Operation, probed: &Probed, seen: &mut Seen) -> String {
    let (cases, shape, control) = {
        let ground = engine.ground();
        let mut control = ground.control(operation);
        if ground.access(operation) == Access::Public {
            control.credential = crate::plan::Credential::Absent;
        }
        (ground.cases(operation, &probed.rows), Shape::of(&ground, operation), control)
    };
    let answer = if shape.control {
        match engine.ask(&control, None).await {
            Ok((_, answer)) => {
                if shape.removes && answer.is_success() {
                    engine.renew(&operation.path, Which::A).await;
                }
                if let (Some(kind), true) = (&shape.makes, answer.is_success())
                    && let Some(id) = engine.created_id(kind, &answer)
                {
                    engine.remember(kind, Which::A, id);
                }
                answer
            }
            Err(NotDecided::Inconclusive(reason) | NotDecided::Skipped(reason)) => {
                seen.undecided(cases, &reason);
                return reason;
            }
        }
    } else {
        return without_control(engine, cases, seen, operation).await;
    };
    if let Some(problem) = control_problem(&answer) {
        seen.undecided(cases, &problem);
        return problem;
    }
    seen.cacheable(operation, &answer);
    let status = answer.status.to_string();
    let mut compared = Compared { control: answer, anonymous: None };
    let (mut together, mut alone) = (Vec::new(), Vec::new());
    for case in cases {
        if &*case.cell == NO_TOKEN_CELL {
            let outcome = engine.carry_out(&case, &compared).await;
            compared.anonymous.clone_from(&outcome.answer);
            seen.take(engine, operation, &case, &outcome);
        } else if shape.removes || case.after.is_some() || case.call.method == "DELETE" {
            alone.push(case);
        } else {
            together.push(case);
        }
    }
    all(engine, operation, together, &compared, seen).await;
    for case in alone {
        let outcome = engine.carry_out(&case, &compared).await;
        seen.take(engine, operation, &case, &outcome);
    }
    status
}

/// Many at a time, each answer dropped once it is judged.
async fn all(
    engine: &Arc<Engine>,
    operation: &Operation,
    cases: Vec<Case>,
    compared: &Compared,
    seen: &mut Seen,
) {
    let compared = Arc::new(compared.clone());
    let mut running = JoinSet::new();
    let mut waiting = cases.into_iter();
    loop {
        while running.len() < engine.options.concurrency.max(1) {
            let Some(case) = waiting.next() else { break };
            let (engine, compared) = (Arc::clone(engine), Arc::clone(&compared));
            running.spawn(async move {
                let outcome = engine.carry_out(&case, &compared).await;
                (case, outcome)
            });
        }
        match running.join_next().await {
            Some(Ok((case, outcome))) => seen.take(engine, operation, &case, &outcome),
            Some(Err(_)) => {}
            None => break,
        }
    }
}

/// The good request would change something that is not ours. Bad tokens are still sent, until one is accepted.
async fn without_control(
    engine: &Arc<Engine>,
    cases: Vec<Case>,
    seen: &mut Seen,
    operation: &Operation,
) -> String {
    let reason = "the good request would change something: describe an object in audit.toml, or use --allow-destructive";
    let nothing = Answer {
        status: 0,
        headers: http::HeaderMap::new(),
        body: bytes::Bytes::new(),
        took: std::time::Duration::ZERO,
    };
    let compared = Compared { control: nothing, anonymous: None };
    let mut stopped = false;
    for case in cases {
        if stopped || case.rule != Rule::Refused {
            seen.undecided(vec![case], reason);
            continue;
        }
        let mut outcome = engine.carry_out(&case, &compared).await;
        stopped = outcome.answer.as_ref().is_some_and(Answer::is_success);
        if !stopped && outcome.judgement.is_ok() {
            outcome.judgement = Err(NotDecided::Inconclusive(reason.to_owned()));
        }
        seen.take(engine, operation, &case, &outcome);
    }
    reason.to_owned()
}

impl Seen {
    /// What the document itself lacks.
    fn declared(&mut self, ground: &Ground<'_>, operation: &Operation) {
        let named = ground.settings.allow.contains_key(&operation.name());
        let (id, reason) = match ground.access(operation) {
            Access::Undeclared => {
                ("undeclared-operation", "neither the operation nor the document has `security`")
            }
            Access::Public if !named => {
                ("public-not-listed", "`security` is empty, and [allow] does not list it")
            }
            _ => return,
        };
        self.found(id, &operation.method, reason.to_owned(), "document");
    }

    fn cacheable(&mut self, operation: &Operation, control: &Answer) {
        let said = control.headers.get(http::header::CACHE_CONTROL).and_then(|value| value.to_str().ok());
        let shared = said.is_some_and(|said| {
            let said = said.to_ascii_lowercase();
            said.contains("public") || said.contains("s-maxage")
        });
        if shared && operation.method == "GET" && operation.access != Access::Public {
            let reason = format!("`Cache-Control: {}`", said.unwrap_or_default());
            self.found("sensitive-answer-cacheable", &operation.method, reason, "control");
        }
    }

    fn undecided(&mut self, cases: Vec<Case>, reason: &str) {
        let reason: Arc<str> = reason.into();
        self.cells.extend(cases.into_iter().map(|case| Cell {
            name: case.cell,
            phase: case.phase,
            verdict: Verdict::Inconclusive,
            reason: Some(Arc::clone(&reason)),
        }));
    }

    fn take(&mut self, engine: &Engine, operation: &Operation, case: &Case, outcome: &Outcome) {
        let method = case.method.clone().unwrap_or_else(|| operation.method.clone());
        let (verdict, reason) = match &outcome.judgement {
            Err(NotDecided::Inconclusive(reason)) => (Verdict::Inconclusive, Some(reason.clone())),
            Err(NotDecided::Skipped(reason)) => (Verdict::Skipped, Some(reason.clone())),
            Ok(judgement) => {
                for (id, reason) in &judgement.beside {
                    self.prove(engine, &method, id, reason, case, outcome);
                    self.found(id, &method, reason.clone(), &case.cell);
                }
                match &judgement.verdict {
                    Decision::Pass => (Verdict::Pass, None),
                    Decision::Inconclusive(reason) => (Verdict::Inconclusive, Some(reason.clone())),
                    Decision::Fail(id, reason) => {
                        self.prove(engine, &method, id, reason, case, outcome);
                        self.found(id, &method, reason.clone(), &case.cell);
                        (Verdict::Fail, Some(reason.clone()))
                    }
                }
            }
        };
        let reason = reason.map(Into::into);
        self.cells.push(Cell { name: Arc::clone(&case.cell), phase: case.phase, verdict, reason });
    }

    /// The first request and answer of a finding are kept, without secrets.
    fn prove(
        &mut self,
        engine: &Engine,
        method: &str,
        id: &'static str,
        reason: &str,
        case: &Case,
        outcome: &Outcome,
    ) {
        let known = self.found.contains_key(&(id, method.to_owned()));
        let (false, Some(sent), Some(answer)) = (known, &outcome.sent, &outcome.answer) else { return };
        self.evidence.push(redact::evidence(
            engine,
            id,
            &case.call.path,
            reason,
            &case.cell,
            sent,
            answer,
            method,
        ));
    }

    fn found(&mut self, id: &'static str, method: &str, reason: String, cell: &str) {
        let found = self.found.entry((id, method.to_owned())).or_insert_with(|| Found {
            reason,
            cells: Vec::new(),
            count: 0,
        });
        found.count += 1;
        if found.cells.len() < Finding::MAX_CELLS {
            found.cells.push(cell.to_owned());
        }
    }

    /// Leaves out what another finding explains.
    fn collapse(&mut self, operation: &Operation) -> Vec<Finding> {
        let ids: Vec<&str> = self.found.keys().map(|(id, _)| *id).collect();
        let mut findings = Vec::new();
        for ((id, method), found) in &self.found {
            let Some(kind) = kind(id) else { continue };
            if kind.implied_by.iter().any(|implied| ids.contains(implied)) {
                continue;
            }
            findings.push(Finding {
                id: kind.id.to_owned(),
                severity: kind.severity,
                method: method.clone(),
                path: operation.path.clone(),
                reason: found.reason.clone(),
                cells: found.cells.clone(),
                count: found.count,
                fingerprint: fingerprint(kind.id, method, &operation.path),
                line: operation.line,
                known: false,
            });
        }
        self.evidence.retain(|evidence| {
            findings
                .iter()
                .any(|finding| finding.id == evidence.finding && finding.method == evidence.operation_method)
        });
        findings
    }
}
