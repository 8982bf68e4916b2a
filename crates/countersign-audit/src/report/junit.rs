//! JUnit XML: one test case for each cell.

use std::fmt::Write as _;

use super::{Evidence, Report, Verdict, words};
use crate::findings::kind;

/// The report as JUnit XML. A failure's text is what to do, the request for a shell and the answer.
#[must_use]
pub fn junit(report: &Report) -> String {
    let count = |verdict: &[Verdict]| {
        let cells = report.operations.iter().flat_map(|row| &row.cells);
        cells.filter(|cell| verdict.contains(&cell.verdict)).count()
    };
    let total: usize = report.operations.iter().map(|row| row.cells.len()).sum();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        text,
        "<testsuites name=\"countersign audit\" tests=\"{total}\" failures=\"{}\" skipped=\"{}\" time=\"{}\">",
        count(&[Verdict::Fail]),
        count(&[Verdict::Inconclusive, Verdict::Skipped]),
        report.seconds
    );
    for row in &report.operations {
        let name = format!("{} {}", row.method, row.path);
        let of = |verdict: Verdict| row.cells.iter().filter(|cell| cell.verdict == verdict).count();
        let _ = writeln!(
            text,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" skipped=\"{}\">",
            escaped(&name),
            row.cells.len(),
            of(Verdict::Fail),
            of(Verdict::Inconclusive) + of(Verdict::Skipped)
        );
        for cell in &row.cells {
            let case =
                format!("    <testcase classname=\"{}\" name=\"{}\"", escaped(&name), escaped(&cell.name));
            let reason = cell.reason.as_deref().unwrap_or_default();
            let _ = match cell.verdict {
                Verdict::Pass => writeln!(text, "{case}/>"),
                Verdict::Inconclusive => {
                    writeln!(
                        text,
                        "{case}><skipped message=\"inconclusive: {}\"/></testcase>",
                        escaped(reason)
                    )
                }
                Verdict::Skipped => {
                    writeln!(text, "{case}><skipped message=\"{}\"/></testcase>", escaped(reason))
                }
                Verdict::Fail => {
                    let proof = report
                        .evidence
                        .iter()
                        .find(|proof| proof.path == row.path && *proof.cell == *cell.name);
                    let told = proof.map(told).unwrap_or_default();
                    writeln!(
                        text,
                        "{case}><failure message=\"{}\">{}</failure></testcase>",
                        escaped(reason),
                        escaped(&told)
                    )
                }
            };
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn told(proof: &Evidence) -> String {
    let (title, advice) = words(&proof.finding);
    let cwe = kind(&proof.finding).map_or(0, |kind| kind.cwe);
    format!(
        "{}: {title} (CWE-{cwe})\n{advice}\n\n{}\n\n{}\n{}",
        proof.finding, proof.curl, proof.status, proof.response_body
    )
}

/// XML 1.0 has no place for most control characters.
pub(super) fn escaped(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => result.push_str("&amp;"),
            '<' => result.push_str("&lt;"),
            '>' => result.push_str("&gt;"),
            '"' => result.push_str("&quot;"),
            '\'' => result.push_str("&#39;"),
            '\n' | '\t' => result.push(letter),
            letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => {
                result.push('\u{fffd}')
            }
            letter => result.push(letter),
        }
    }
    result
}
