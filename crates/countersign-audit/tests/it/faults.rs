//! A correct service has no finding; a faulty one has exactly that of its fault.

use std::collections::BTreeSet;

use countersign_audit::{Keys, Quiet, Report, Settings, Severity, parse_document, report::terminal, run};

use crate::service::{Fault, audited, options, start};

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

/// Without audit.toml the tokens are checked, and what cannot be is said.
#[tokio::test]
async fn without_settings_authentication_is_checked_and_the_rest_is_named() {
    let keys = Keys::generate().unwrap();
    let address = start(Fault::ForeignObjectIsRead, &keys).await;
    let mut plain = options(address, keys).audience("notes");
    plain.settings = Settings::default();
    let report = run(plain, &mut Quiet).await.unwrap();
    assert_eq!(ids(&report), BTreeSet::from(["public-not-listed"]), "{}", terminal(&report, false));
    assert!(report.coverage.cells > 1_500, "{}", report.coverage.cells);
    let [organisations] = &report.not_checked[..] else { panic!("{:?}", report.not_checked) };
    assert!(organisations.starts_with("whether one organisation sees another's data"), "{organisations}");
    assert!(terminal(&report, false).contains("\nnot checked:\n  whether one organisation"));
}

/// A service that knows none of the paths is not one that is half checked.
#[tokio::test]
async fn a_target_without_the_documents_prefix_is_said() {
    let keys = Keys::generate().unwrap();
    let address = start(Fault::None, &keys).await;
    let mut wrong = options(address, keys);
    let text = "openapi: 3.0.0\nservers: [{ url: 'https://notes.example/api/' }]\npaths: {/elsewhere: {get: {security: [{a: []}]}}}\ncomponents: {securitySchemes: {a: {type: http, scheme: bearer}}}\n";
    wrong.document = parse_document("openapi.yaml", text.as_bytes()).unwrap();
    wrong.settings = Settings::default();
    let error = run(wrong, &mut Quiet).await.unwrap_err();
    assert_eq!(error.exit_code(), 3);
    let told = error.to_string();
    assert!(told.contains("answers 404, with and without a token"), "{told}");
    assert!(told.ends_with(&format!("try `--target http://{address}/api`")), "{told}");
}
