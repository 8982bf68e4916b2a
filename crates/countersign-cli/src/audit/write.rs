//! Files that a run leaves behind.

use std::path::Path;

use countersign_audit::{AuditError, Report, report};

use crate::arguments::AuditArguments;

/// The reports that were asked for.
pub(super) fn reports<'a>(arguments: &'a AuditArguments, found: &Report) -> Vec<(&'a Path, String)> {
    let mut files: Vec<(&Path, String)> = Vec::new();
    if let Some(file) = &arguments.json {
        files.push((file, found.json()));
    }
    if let Some(file) = &arguments.junit {
        files.push((file, report::junit(found)));
    }
    if let Some(file) = &arguments.sarif {
        files.push((file, report::sarif(found)));
    }
    if let Some(file) = &arguments.html {
        files.push((file, report::html(found)));
    }
    files
}

pub(super) fn file(file: &Path, text: &str) -> Result<(), AuditError> {
    std::fs::write(file, text)
        .map_err(|source| AuditError::Io { what: format!("cannot write {}", file.display()), source })
}
