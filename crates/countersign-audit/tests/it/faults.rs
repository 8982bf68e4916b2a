//! A correct service has no finding; a faulty one has exactly that of its fault.

use std::collections::BTreeSet;

use countersign_audit::{Report, Severity, report::terminal};

use crate::service::{Fault, audited};

fn ids(report: &Report) -> BTreeSet<&str> {
    report.findings.iter().map(|finding| finding.id.as_str()).collect()
}

#[tokio::test]
async fn a_correct_service_is_clean() {
    let report = audited(Fault::None).await;
    assert!(report.findings.is_empty(), "{}", terminal(&report, false));
    assert!(report.notes.is_empty(), "{:?}", report.notes);
    assert_eq!(report.coverage.percent(), 100, "{}", terminal(&report, false));
    assert!(report.coverage.cells > 1_500, "{}", report.coverage.cells);
    assert_eq!(report.exit_code(Severity::Note, 100), 0);
}

#[tokio::test]
async fn each_fault_is_found_and_nothing_else() {
    let faults = [
        (Fault::ForeignObjectIsForbidden, "foreign-object-exists"),
        (Fault::HeaderNamesOrganisation, "header-crosses-organisations"),
        (Fault::ListIsNotFiltered, "list-not-filtered"),
        (Fault::RoleIsNotChecked, "role-not-checked"),
    ];
    for (fault, expected) in faults {
        let report = audited(fault).await;
        assert_eq!(ids(&report), BTreeSet::from([expected]), "{fault:?}\n{}", terminal(&report, false));
        assert_eq!(report.exit_code(Severity::Medium, 0), 1);
    }
}

#[tokio::test]
async fn a_foreign_object_that_is_read_is_found_for_every_method() {
    let report = audited(Fault::ForeignObjectIsRead).await;
    let all: BTreeSet<&str> = ids(&report);
    assert_eq!(
        all,
        BTreeSet::from(["foreign-object-readable", "foreign-object-writable"]),
        "{}",
        terminal(&report, false)
    );
}
