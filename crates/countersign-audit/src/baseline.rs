//! Findings that are known.

use std::{collections::HashSet, path::Path};

use serde::Deserialize;

use crate::{AuditError, Finding};

/// The findings of an earlier report: they are shown, and not counted.
#[derive(Debug, Clone, Default)]
pub struct Baseline(HashSet<String>);

#[derive(Deserialize)]
struct Earlier {
    findings: Vec<EarlierFinding>,
}

#[derive(Deserialize)]
struct EarlierFinding {
    fingerprint: String,
}

impl Baseline {
    /// Reads an earlier report in JSON.
    ///
    /// # Errors
    /// The file cannot be read or is no report.
    pub fn read(file: &Path) -> Result<Self, AuditError> {
        let text = std::fs::read(file)
            .map_err(|source| AuditError::Io { what: format!("cannot read {}", file.display()), source })?;
        Self::parse(&text).ok_or_else(|| {
            AuditError::Usage(format!("{} is no report of `countersign audit --json`", file.display()))
        })
    }

    /// The same from its bytes.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let earlier: Earlier = serde_json::from_slice(text).ok()?;
        Some(Self(earlier.findings.into_iter().map(|finding| finding.fingerprint).collect()))
    }

    pub(crate) fn knows(&self, finding: &Finding) -> bool {
        self.0.contains(&finding.fingerprint)
    }
}
