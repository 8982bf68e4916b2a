//! What a run found, in the forms that people and machines read.

mod html;
mod junit;
pub(crate) mod redact;
mod sarif;
mod terminal;

use std::sync::Arc;

use countersign::UnixTime;
use serde::Serialize;

pub use self::{html::html, junit::junit, sarif::sarif, terminal::terminal};
use crate::{Finding, Options, Severity, findings::kind, plan::Phase};

/// Everything a run found. Holds no signature and no cookie.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The version of this form.
    pub version: u32,
    /// The service under test.
    pub target: String,
    /// The document's file or URL.
    pub document: String,
    /// When the run began.
    pub began: UnixTime,
    /// How long it took, in whole seconds.
    pub seconds: u64,
    /// How many requests were sent.
    pub requests: usize,
    /// How much could be decided.
    pub coverage: Coverage,
    /// The worst first.
    pub findings: Vec<Finding>,
    /// How long a revoked token lived.
    pub log_out: Vec<LogOut>,
    /// What the reader must know.
    pub notes: Vec<String>,
    /// What could not be asked, and what would change that.
    pub not_checked: Vec<String>,
    /// The first request and answer of each finding, at most [`Self::MAX_EVIDENCE`].
    pub evidence: Vec<Evidence>,
    /// Every operation with its cells, in the order they were asked.
    pub operations: Vec<OperationRow>,
    /// Good tokens that look odd, asked of one operation.
    pub odd: Vec<Cell>,
}

/// How much could be decided. Skipped cells are not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Passed or failed.
    pub decided: usize,
    /// Passed, failed or inconclusive.
    pub cells: usize,
}

impl Coverage {
    /// 0 to 100, rounded down; 100 if there was nothing to decide.
    #[must_use]
    pub fn percent(&self) -> u8 {
        let percent = (self.decided * 100).checked_div(self.cells).unwrap_or(100);
        u8::try_from(percent).unwrap_or(100)
    }
}

/// One operation.
#[derive(Debug, Clone, Serialize)]
pub struct OperationRow {
    /// In capitals.
    pub method: String,
    /// The path template.
    pub path: String,
    /// Its line in the document.
    pub line: usize,
    /// The status of the good request, or why there is none.
    pub control: String,
    /// Its cells.
    pub cells: Vec<Cell>,
}

/// One question and what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct Cell {
    /// The catalogue's name of the token, or the cell's own.
    pub name: Arc<str>,
    pub(crate) phase: Phase,
    /// What became of it.
    pub verdict: Verdict,
    /// Why, unless it passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Arc<str>>,
}

/// What became of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// A finding.
    Fail,
    /// Could not be decided; never counted as passed.
    Inconclusive,
    /// As it must be.
    Pass,
    /// Not asked.
    Skipped,
}

/// How long a revoked token lived at one service. Times are milliseconds from the moment the revocation was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogOut {
    /// The name that `audit.toml` gives it, or an operation of the target: `GET /orders`.
    pub service: String,
    /// What was asked.
    pub url: String,
    /// When it began to refuse; none if it never did.
    pub milliseconds: Option<u64>,
    /// What is allowed.
    pub within: u64,
    /// How long it was asked at most.
    pub asked: u64,
}

/// A request and its answer, without signatures and cookies.
#[derive(Debug, Clone, Serialize)]
pub struct Evidence {
    /// The finding's id.
    pub finding: String,
    /// The finding's method.
    pub operation_method: String,
    /// The finding's path template.
    pub path: String,
    /// The cell.
    pub cell: String,
    /// What was seen.
    pub reason: String,
    /// The request's method.
    pub method: String,
    /// The request's URL.
    pub url: String,
    /// The request's fields; a token as its header and claims.
    pub request_headers: Vec<(String, String)>,
    /// The request's body, the first 2 KiB.
    pub request_body: String,
    /// Header and claims of the token, if there was one that can be read.
    pub token: Option<serde_json::Value>,
    /// The answer's status.
    pub status: u16,
    /// The answer's fields.
    pub response_headers: Vec<(String, String)>,
    /// The answer's body, the first 2 KiB.
    pub response_body: String,
    /// The request for a shell; the token is `$TOKEN`.
    pub curl: String,
}

impl Report {
    /// The most requests and answers that a report keeps.
    pub const MAX_EVIDENCE: usize = 500;

    pub(crate) fn new(options: &Options, began: UnixTime) -> Self {
        Self {
            version: 1,
            target: options.target.clone(),
            document: options.document.file.clone(),
            began,
            seconds: 0,
            requests: 0,
            coverage: Coverage::default(),
            findings: Vec::new(),
            log_out: Vec::new(),
            notes: Vec::new(),
            not_checked: Vec::new(),
            evidence: Vec::new(),
            operations: Vec::new(),
            odd: Vec::new(),
        }
    }

    /// The worst finding that is not in the baseline.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().filter(|finding| !finding.known).map(|finding| finding.severity).max()
    }

    /// 0 if nothing is as bad as `fail_on`; 1 if something is; 3 if no operation's good request was accepted; 4 if less
    /// than `min_coverage` percent could be decided.
    #[must_use]
    pub fn exit_code(&self, fail_on: Severity, min_coverage: u8) -> u8 {
        if self.worst().is_some_and(|worst| worst >= fail_on) {
            1
        } else if self.coverage.cells > 0 && self.coverage.decided == 0 {
            3
        } else if self.coverage.percent() < min_coverage {
            4
        } else {
            0
        }
    }

    /// The whole report as JSON.
    #[must_use]
    pub fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// Sorts, counts and marks what is known.
pub(crate) fn finish(report: &mut Report, options: &Options, requests: usize) {
    report.requests = requests;
    report.seconds = options.clock.now().saturating_since(report.began).as_secs();
    for finding in &mut report.findings {
        finding.known = options.baseline.as_ref().is_some_and(|baseline| baseline.knows(finding));
    }
    report.findings.sort_by(|one, other| {
        (other.severity, &one.id, &one.path, &one.method).cmp(&(
            one.severity,
            &other.id,
            &other.path,
            &other.method,
        ))
    });
    let mut coverage = Coverage::default();
    for cell in report.operations.iter().flat_map(|row| &row.cells).chain(&report.odd) {
        match cell.verdict {
            Verdict::Pass | Verdict::Fail => {
                coverage.decided += 1;
                coverage.cells += 1;
            }
            Verdict::Inconclusive => coverage.cells += 1,
            Verdict::Skipped => {}
        }
    }
    report.coverage = coverage;
}

/// Stays the same from run to run.
pub(crate) fn fingerprint(id: &str, method: &str, path: &str) -> String {
    // FNV-1a, 64 bits: a name, not a secret.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in format!("{id}\n{method}\n{path}").bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    format!("{hash:016x}")
}

/// Title and advice of a finding.
pub(crate) fn words(id: &str) -> (&'static str, &'static str) {
    kind(id).map_or(("", ""), |kind| (kind.title, kind.advice))
}
