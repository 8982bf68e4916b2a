//! Carries a plan out: the only part that talks to the service.

mod case;
mod engine;
mod gateway;
mod key_server;
mod log_out;
mod objects;
mod operation;
mod resolve;
mod start;

use std::sync::Arc;

pub(crate) use self::engine::Engine;
pub use self::key_server::key_set_json;
use crate::{AuditError, Finding, Options, Report, Supply, findings::kind, report};

/// Is told how far a run is.
pub trait Progress: Send {
    /// An operation begins; so many are done of so many.
    fn operation(&mut self, name: &str, done: usize, of: usize);
    /// So many cells have been decided, and so many of them are findings.
    fn cells(&mut self, decided: usize, failed: usize);
}

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn operation(&mut self, _: &str, _: usize, _: usize) {}
    fn cells(&mut self, _: usize, _: usize) {}
}

/// Runs an audit. Must be called in a tokio runtime.
///
/// # Errors
/// [`AuditError`]: the target may not be asked or does not answer, or no good token is accepted.
pub async fn run(options: Options, progress: &mut dyn Progress) -> Result<Report, AuditError> {
    if options.document.operations.is_empty() {
        return Err(AuditError::Usage("the document has no operation".to_owned()));
    }
    let keys = match options.supply {
        Supply::OwnKey { listen: Some(address) } => Some(key_server::serve(address).await?),
        _ => None,
    };
    let attacker = key_server::serve_attacker().await?;
    let began = options.clock.now();
    let mut engine = Engine::new(options, Some(attacker.url())).await?;
    engine.find_key().await?;
    engine.make_objects().await;
    let mut report = Report::new(&engine.options, began);
    let probed = engine.probe_catalogue(&mut report).await;
    let engine = Arc::new(engine);

    let order = engine.ground().order();
    let total = order.len();
    for (done, index) in order.into_iter().enumerate() {
        let Some(operation) = engine.operation(index) else { continue };
        progress.operation(&operation.name(), done, total);
        let result = operation::audit(&engine, &operation, &probed).await;
        progress.cells(result.row.cells.len(), result.findings.len());
        result.into_report(&mut report);
    }
    gateway::audit(&engine, &mut report).await;
    log_out::measure(&engine, &mut report).await;
    engine.remove_objects(&mut report).await;
    drop((keys, attacker));
    report::finish(&mut report, &engine.options, engine.client.sent());
    Ok(report)
}

/// A finding that belongs to no cell of an operation.
fn findings_of(
    id: &str,
    method: &str,
    path: &str,
    line: usize,
    reason: String,
    cell: &str,
) -> Option<Finding> {
    let kind = kind(id)?;
    Some(Finding {
        id: kind.id.to_owned(),
        severity: kind.severity,
        method: method.to_owned(),
        path: path.to_owned(),
        reason,
        cells: vec![cell.to_owned()],
        count: 1,
        fingerprint: report::fingerprint(kind.id, method, path),
        line,
        known: false,
    })
}
