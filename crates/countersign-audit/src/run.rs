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
mod users;

use std::sync::Arc;

pub(crate) use self::engine::Engine;
use crate::{AuditError, Finding, Keys, Options, Report, Supply, findings::kind, report};

/// Is told how far a run is.
pub trait Progress: Send {
    /// The service is asked until it accepts a first good token: it may still have to fetch the keys.
    fn waiting(&mut self) {}
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
    let keys = keys(&options.supply)?;
    let served = match (&options.supply, &keys) {
        (Supply::OwnKey { listen: Some(address), .. }, Some(keys)) => {
            Some(key_server::serve(*address, keys).await?)
        }
        _ => None,
    };
    let attacker = key_server::serve_attacker().await?;
    let began = options.clock.now();
    let mut engine = Engine::new(options, keys.as_ref(), Some(attacker.url())).await?;
    progress.waiting();
    engine.find_key(served.as_ref()).await?;
    engine.make_objects().await;
    let mut report = Report::new(&engine.options, began);
    report.not_checked = engine.ground().gaps();
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
    // Who is logged out can remove nothing any more.
    engine.remove_objects(&mut report).await;
    log_out::measure(&engine, &mut report).await;
    drop((served, attacker));
    report::finish(&mut report, &engine.options, engine.client.sent());
    Ok(report)
}

/// The keys of a run.
fn keys(supply: &Supply) -> Result<Option<Keys>, AuditError> {
    match supply {
        Supply::OwnKey { keys: Some(keys), .. } => Ok(Some(keys.clone())),
        Supply::OwnKey { keys: None, listen: Some(_) } => Keys::generate().map(Some),
        Supply::OwnKey { keys: None, listen: None } => Err(AuditError::Usage(
            "no service can know this run's keys: serve them with `--serve-jwks ADDRESS`, or keep them with `--key FILE` \
             and write the key set for the service with `--write-jwks FILE`"
                .to_owned(),
        )),
        Supply::Gateway | Supply::SharedSecret(_) => Ok(None),
    }
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
