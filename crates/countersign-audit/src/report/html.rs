//! One page for people: nothing is fetched, works without a network, by keyboard, in light and dark.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Report, Verdict, words};
use crate::{findings::kind, plan::Phase};

/// The report as one HTML page.
#[must_use]
pub fn html(report: &Report) -> String {
    let data = serde_json::to_string(&data(report)).unwrap_or_default().replace('<', "\\u003c");
    let mut page = String::with_capacity(data.len() + 32_768);
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n\
         <title>Audit of {}</title>\n<style>{}</style>\n{}\n<script type=\"application/json\" id=\"data\">{data}</script>\n<script>{}</script>\n</html>\n",
        super::junit::escaped(&report.target),
        include_str!("html/page.css"),
        include_str!("html/page.html"),
        include_str!("html/page.js"),
    );
    page
}

/// What the page shows: cells as one letter each, in the columns' order.
fn data(report: &Report) -> Value {
    let groups = [
        "token",
        "form",
        "json",
        "header",
        "algorithm",
        "signature",
        "key",
        "time",
        "claims",
        "place",
        "role",
        "organisation",
        "method",
        "path",
        "identity",
    ];
    let rows: Vec<Value> = report
        .operations
        .iter()
        .map(|row| {
            let cells: Vec<Value> = groups
                .iter()
                .map(|group| {
                    let of: Vec<_> = row.cells.iter().filter(|cell| cell.name.split('/').next() == Some(group)).collect();
                    let count = |verdict: Verdict| of.iter().filter(|cell| cell.verdict == verdict).count();
                    let not_passed: Vec<Value> = of
                        .iter()
                        .filter(|cell| cell.verdict != Verdict::Pass)
                        .map(|cell| json!([cell.name, letter(cell.verdict), cell.reason]))
                        .collect();
                    json!({
                        "p": count(Verdict::Pass), "f": count(Verdict::Fail), "i": count(Verdict::Inconclusive),
                        "s": count(Verdict::Skipped), "x": not_passed,
                    })
                })
                .collect();
            json!({ "m": row.method, "p": row.path, "l": row.line, "c": row.control, "g": cells })
        })
        .collect();
    let findings: Vec<Value> = report
        .findings
        .iter()
        .map(|finding| {
            let (title, advice) = words(&finding.id);
            let kind = kind(&finding.id);
            let proof = report.evidence.iter().find(|proof| {
                proof.finding == finding.id && proof.path == finding.path && proof.operation_method == finding.method
            });
            json!({
                "id": finding.id, "severity": finding.severity, "method": finding.method, "path": finding.path,
                "line": finding.line, "reason": finding.reason, "cells": finding.cells, "count": finding.count,
                "known": finding.known, "title": title, "advice": advice, "cwe": kind.map(|kind| kind.cwe),
                "asvs": kind.map(|kind| kind.asvs), "owasp": kind.map(|kind| kind.owasp), "proof": proof,
            })
        })
        .collect();
    let counted = |phase: Phase| {
        report.operations.iter().flat_map(|row| &row.cells).filter(|cell| cell.phase == phase).count()
    };
    json!({
        "target": report.target, "document": report.document, "began": report.began, "seconds": report.seconds,
        "requests": report.requests, "decided": report.coverage.decided, "cells": report.coverage.cells,
        "percent": report.coverage.percent(), "groups": groups, "rows": rows, "findings": findings,
        "notes": report.notes, "not_checked": report.not_checked, "log_out": report.log_out, "tokens": counted(Phase::Token),
    })
}

const fn letter(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Fail => "f",
        Verdict::Inconclusive => "i",
        Verdict::Pass => "p",
        Verdict::Skipped => "s",
    }
}
