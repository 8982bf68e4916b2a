//! A table for people.

use std::{collections::BTreeSet, fmt::Write as _};

use super::{Report, Verdict, words};
use crate::{Finding, Severity, plan::Phase};

/// The report for a terminal; with colours if `colours`.
#[must_use]
pub fn terminal(report: &Report, colours: bool) -> String {
    let paint = |colour: &str, text: &str| {
        if colours { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
    };
    let mut text = String::new();
    let width = report
        .operations
        .iter()
        .map(|row| row.method.len() + 1 + row.path.chars().count())
        .max()
        .unwrap_or(0);
    let width = width.clamp(20, 60);
    let heading = format!(
        "{:<width$}  {:>7}  {:<11} {:<11} {:<13} {:<11}",
        "operation", "control", "tokens", "roles", "organisations", "methods"
    );
    let _ = writeln!(text, "{}", paint("2", heading.trim_end()));
    for row in &report.operations {
        let name = format!("{} {}", row.method, row.path);
        let control: String = row.control.chars().take(7).collect();
        let control = if row.control.len() <= 3 { control } else { "—".to_owned() };
        let cells = |phase: Phase, width: usize| {
            let of = row.cells.iter().filter(|cell| cell.phase == phase);
            let (mut pass, mut fail, mut open) = (0_usize, 0_usize, 0_usize);
            for cell in of {
                match cell.verdict {
                    Verdict::Pass => pass += 1,
                    Verdict::Fail => fail += 1,
                    Verdict::Inconclusive => open += 1,
                    Verdict::Skipped => {}
                }
            }
            let (shown, colour) = match (pass, fail, open) {
                (0, 0, 0) => ("·".to_owned(), "2"),
                (_, 0, 0) => (format!("✓ {pass}"), "32"),
                (0, 0, open) => (format!("? {open}"), "33"),
                (pass, 0, open) => (format!("✓ {pass} ? {open}"), "33"),
                (pass, fail, _) => (format!("✗ {fail} of {}", pass + fail), "1;31"),
            };
            paint(colour, &format!("{shown:<width$}"))
        };
        let _ = writeln!(
            text,
            "{name:<width$}  {control:>7}  {} {} {} {}",
            cells(Phase::Token, 11),
            cells(Phase::Role, 11),
            cells(Phase::Organisation, 13),
            cells(Phase::Method, 11)
        );
    }
    findings(&mut text, report, &paint);
    log_out(&mut text, report, &paint);
    undecided(&mut text, report);
    if !report.not_checked.is_empty() {
        let _ = writeln!(text, "\nnot checked:");
    }
    for gap in &report.not_checked {
        let _ = writeln!(text, "  {}", paint("33", gap));
    }
    for note in &report.notes {
        let _ = writeln!(text, "{}", paint("2", &format!("note: {note}")));
    }
    let coverage = report.coverage;
    let _ = writeln!(
        text,
        "\n{} of {} cells decided ({} %), {} requests, {} s",
        coverage.decided,
        coverage.cells,
        coverage.percent(),
        report.requests,
        report.seconds
    );
    text
}

/// How long each service accepted a revoked token.
fn log_out(text: &mut String, report: &Report, paint: &dyn Fn(&str, &str) -> String) {
    let Some(first) = report.log_out.first() else { return };
    let _ = writeln!(text, "\nlog-out: refused after the revocation ({} ms are allowed)", first.within);
    for entry in &report.log_out {
        let (took, colour) = match entry.milliseconds {
            Some(took) if took <= entry.within => (format!("{took} ms"), "32"),
            Some(took) => (format!("{took} ms"), "1;31"),
            None => {
                let asked = std::time::Duration::from_millis(entry.asked);
                (format!("never within {} s", asked.as_secs_f64()), "1;31")
            }
        };
        let took = paint(colour, &format!("{took:>18}"));
        let _ = writeln!(text, "{took}  {}  {}", entry.service, paint("2", &entry.url));
    }
}

/// One paragraph for each kind of finding: what is wrong, what to do, and where.
fn findings(text: &mut String, report: &Report, paint: &dyn Fn(&str, &str) -> String) {
    if report.findings.is_empty() {
        let _ = writeln!(text, "\n{}", paint("1;32", "no findings"));
        return;
    }
    for places in report.findings.chunk_by(|one, other| one.id == other.id) {
        let Some(first) = places.first() else { continue };
        let colour = match first.severity {
            Severity::High => "1;31",
            Severity::Medium => "31",
            Severity::Low => "33",
            Severity::Note => "36",
        };
        let (title, advice) = words(&first.id);
        let name = paint(colour, first.severity.name());
        let _ = writeln!(text, "\n{name} {}: {title}", paint("1", &first.id));
        let _ = writeln!(text, "  {}", paint("2", advice));
        let width = places.iter().map(|place| place_of(place).chars().count()).max().unwrap_or(0).min(50);
        let lines = places.iter().map(|place| place.line.to_string().len() + 1).max().unwrap_or(0);
        let mut said = String::new();
        for finding in places.iter().take(MAX_PLACES) {
            let line = if finding.line > 0 { format!(":{}", finding.line) } else { String::new() };
            // What is the same as above but for a status is not said again.
            let like: String = finding.reason.chars().filter(|letter| !letter.is_ascii_digit()).collect();
            let reason = if like == said { String::new() } else { told(finding) };
            said = like;
            let known = if finding.known { "  (known)" } else { "" };
            let place = format!("{:<width$}  {reason}", place_of(finding));
            let _ =
                writeln!(text, "  {}  {}{known}", paint("2", &format!("{line:>lines$}")), place.trim_end());
        }
        if places.len() > MAX_PLACES {
            let _ = writeln!(text, "  and {} more places", places.len() - MAX_PLACES);
        }
    }
    counted(text, report, paint);
}

/// Most places of one kind that are listed; the other reports have them all.
const MAX_PLACES: usize = 12;

fn place_of(finding: &Finding) -> String {
    format!("{} {}", finding.method, finding.path)
}

/// What was seen, and with which token or cell.
fn told(finding: &Finding) -> String {
    let more = if finding.count > 1 { format!(" and {} more", finding.count - 1) } else { String::new() };
    let cell = finding.cells.first().map(|cell| format!(" [{cell}{more}]")).unwrap_or_default();
    format!("{}{cell}", finding.reason)
}

/// `4 high, 2 medium, 1 low, in 44 places; 3 known`.
fn counted(text: &mut String, report: &Report, paint: &dyn Fn(&str, &str) -> String) {
    let fresh = || report.findings.iter().filter(|finding| !finding.known);
    let kinds: Vec<String> = Severity::ALL
        .iter()
        .rev()
        .filter_map(|severity| {
            let ids: BTreeSet<&str> = fresh()
                .filter(|finding| finding.severity == *severity)
                .map(|finding| finding.id.as_str())
                .collect();
            (!ids.is_empty()).then(|| format!("{} {}", ids.len(), severity.name()))
        })
        .collect();
    let (places, known) = (fresh().count(), report.findings.iter().filter(|finding| finding.known).count());
    let new = match (kinds.is_empty(), places) {
        (true, _) => "nothing new".to_owned(),
        (false, 1) => format!("{}, in 1 place", kinds.join(", ")),
        (false, places) => format!("{}, in {places} places", kinds.join(", ")),
    };
    let known = if known > 0 { format!("; {known} known") } else { String::new() };
    let colour = if kinds.is_empty() { "1;32" } else { "1;31" };
    let _ = writeln!(
        text,
        "\n{}  {}",
        paint(colour, &format!("{new}{known}")),
        paint("2", &format!("lines are those of {}", report.document))
    );
}

/// Why cells could not be decided, the most frequent reason first.
fn undecided(text: &mut String, report: &Report) {
    let mut reasons: Vec<(&str, usize)> = Vec::new();
    for cell in report
        .operations
        .iter()
        .flat_map(|row| &row.cells)
        .filter(|cell| cell.verdict == Verdict::Inconclusive)
    {
        let reason = cell.reason.as_deref().unwrap_or_default();
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => reasons.push((reason, 1)),
        }
    }
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    if !reasons.is_empty() {
        let _ = writeln!(text, "\nnot decided:");
    }
    for (reason, count) in reasons.iter().take(8) {
        let _ = writeln!(text, "  {count:>6}  {reason}");
    }
}
