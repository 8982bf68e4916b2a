//! Proves that every endpoint of a service refuses what it must: every operation × every bad token × every role × the
//! other organisation.
//!
//! A run goes one way: document and `audit.toml` → plan (pure) → requests → judgement (pure) → report.
//!
//! 1. Nothing is guessed: each operation is first asked with a good token. Where that is not accepted the operation is
//!    *inconclusive*, never passed.
//! 2. A cell is decided by status, by canary values and by comparison with "does not exist", never by how a body looks.
//! 3. Bad tokens come from the catalogue of `countersign::testkit` alone, and each has a good twin.
//! 4. One fault is one finding: what a found fault implies is not reported again for the same operation.
//! 5. A report keeps header and claims of a token, never its signature, and no cookie.
//!
//! ```no_run
//! # async fn example() -> Result<(), countersign_audit::AuditError> {
//! use countersign_audit::{Options, Quiet, Supply};
//! let bytes = std::fs::read("openapi.json").expect("the document is there");
//! let document = countersign_audit::parse_document("openapi.json", &bytes)?;
//! let supply = Supply::OwnKey { keys: None, listen: Some(([127, 0, 0, 1], 9310).into()) };
//! let options = Options::for_target("http://127.0.0.1:9001").document(document).audience("orders").supply(supply);
//! let report = countersign_audit::run(options, &mut Quiet).await?;
//! assert!(report.findings.is_empty());
//! # Ok(()) }
//! ```

mod baseline;
mod classes;
mod client;
mod config;
mod document;
mod error;
mod findings;
mod init;
mod judge;
mod keys;
mod options;
mod plan;
pub mod report;
mod run;
mod tokens;

pub use baseline::Baseline;
pub use config::{ConfigError, Settings};
pub use document::{Document, DocumentError, MAX_DOCUMENT_BYTES, Operation, parse_document, parse_routes};
pub use error::AuditError;
pub use findings::{Finding, FindingKind, KINDS, Severity, kind};
pub use init::first_settings;
pub use keys::Keys;
pub use options::{
    DEFAULT_CONCURRENCY, DEFAULT_MAX_REQUESTS, DEFAULT_PATIENCE, Destructive, Options, Supply,
};
pub use report::{Cell, Coverage, Evidence, LogOut, Report, Verdict};
pub use run::{Progress, Quiet, run};

/// The issuer of every token of the audit. No production configuration may trust it: `countersign check` says so.
pub const ISSUER: &str = "https://countersign-audit.invalid";
