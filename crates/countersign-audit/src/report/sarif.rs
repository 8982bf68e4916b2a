//! SARIF 2.1.0: one rule for each kind of finding, its place the operation's line in the document.

use serde_json::{Value, json};

use super::Report;
use crate::{FindingKind, KINDS, Severity, findings::kind};

/// The report as SARIF 2.1.0. The document must be a path in the repository for GitHub to show the place.
#[must_use]
pub fn sarif(report: &Report) -> String {
    let rules: Vec<Value> = KINDS.iter().map(rule).collect();
    let results: Vec<Value> = report
        .findings
        .iter()
        .filter_map(|finding| {
            let kind = kind(&finding.id)?;
            let proof = report.evidence.iter().find(|proof| {
                proof.finding == finding.id && proof.path == finding.path && proof.operation_method == finding.method
            });
            let mut result = json!({
                "ruleId": finding.id,
                "ruleIndex": KINDS.iter().position(|known| known.id == kind.id),
                "level": level(finding.severity),
                "message": { "text": format!("{} {}: {} ({})", finding.method, finding.path, kind.title, finding.reason) },
                "locations": [{
                    "physicalLocation": {
                        "artifactLocation": { "uri": report.document, "uriBaseId": "%SRCROOT%" },
                        "region": { "startLine": finding.line.max(1) },
                    },
                    "logicalLocations": [{ "fullyQualifiedName": format!("{} {}", finding.method, finding.path), "kind": "function" }],
                }],
                "partialFingerprints": { "countersignAudit/v1": finding.fingerprint },
                "baselineState": if finding.known { "unchanged" } else { "new" },
                "properties": { "cells": finding.cells, "count": finding.count },
            });
            if let (Some(proof), Some(members)) = (proof, result.as_object_mut()) {
                let fields = |fields: &[(String, String)]| -> Value {
                    fields.iter().map(|(name, value)| (name.clone(), json!(value))).collect::<serde_json::Map<_, _>>().into()
                };
                members.insert("webRequest".to_owned(), json!({
                    "protocol": "HTTP", "version": "1.1", "method": proof.method, "target": proof.url,
                    "headers": fields(&proof.request_headers), "body": { "text": proof.request_body },
                }));
                members.insert("webResponse".to_owned(), json!({
                    "protocol": "HTTP", "version": "1.1", "statusCode": proof.status,
                    "headers": fields(&proof.response_headers), "body": { "text": proof.response_body },
                }));
            }
            Some(result)
        })
        .collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "countersign audit",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": rules,
            } },
            "originalUriBaseIds": { "%SRCROOT%": { "description": { "text": "the repository" } } },
            "invocations": [{ "executionSuccessful": true }],
            "properties": {
                "target": report.target, "decided": report.coverage.decided, "cells": report.coverage.cells,
            },
            "results": results,
        }],
    });
    let mut text = serde_json::to_string_pretty(&log).unwrap_or_default();
    text.push('\n');
    text
}

fn rule(kind: &FindingKind) -> Value {
    let cwe = format!("external/cwe/cwe-{:03}", kind.cwe);
    json!({
        "id": kind.id,
        "name": kind.id,
        "shortDescription": { "text": kind.title },
        "fullDescription": { "text": format!("{}. {}.", kind.title, kind.advice) },
        "help": { "text": kind.advice, "markdown": format!("**{}**\n\n{}.\n\nCWE-{}, OWASP ASVS 5.0 v{}, OWASP {}", kind.title, kind.advice, kind.cwe, kind.asvs, kind.owasp) },
        "defaultConfiguration": { "level": level(kind.severity) },
        "properties": {
            "security-severity": kind.severity.score(),
            "precision": "very-high",
            "tags": ["security", cwe, format!("OWASP-{}", kind.owasp), format!("ASVS-5.0-{}", kind.asvs)],
        },
    })
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Note => "note",
    }
}
