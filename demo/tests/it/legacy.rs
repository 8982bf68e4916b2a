//! The audit finds every fault of the legacy service, and nothing else; and nothing where there is no fault.
//!
//! "Exactly that finding" is decided by the finding's id: one fault may show on several operations, and by several
//! tokens of one class, but every finding must be of an id that the table names, and each of these must be there.

use std::{sync::LazyLock, thread};

use countersign::KeySet;
use countersign_audit::{
    ISSUER, Keys, Options, Quiet, Report, Settings, Supply, Verdict, parse_document, run,
};
use countersign_demo::legacy::{self, AUDIT_CONFIG, Fault, Faults, JwksSource, Trust};

/// What each fault is found as.
const fn finding(fault: Fault) -> &'static str {
    match fault {
        Fault::AlgorithmFromHeader => "algorithm-confusion",
        Fault::AlgorithmNone => "algorithm-none-accepted",
        Fault::AnswerCacheable => "sensitive-answer-cacheable",
        Fault::AnyOriginAllowed => "cors-any-origin",
        Fault::AnyScheme => "scheme-ignored",
        Fault::AudienceNotChecked => "audience-not-checked",
        Fault::BoundTokenAccepted => "bound-token-accepted",
        Fault::ChallengeMissing => "challenge-missing",
        Fault::CookieAccepted => "token-in-cookie",
        Fault::CriticalHeaderIgnored => "critical-header-ignored",
        Fault::DeleteNotFiltered | Fault::UpdateNotFiltered => "foreign-object-writable",
        Fault::DuplicateMembersAccepted => "duplicate-members-accepted",
        Fault::EmbeddedKeyTrusted | Fault::KeyUrlTrusted => "key-from-token",
        Fault::ErrorTellsMore => "error-tells-more",
        Fault::ExistenceTold => "foreign-object-exists",
        Fault::ExpiryMissingAccepted => "expiry-not-required",
        Fault::ExpiryNotChecked => "expiry-not-checked",
        Fault::FilterParameterWins => "filter-crosses-organisations",
        Fault::FirstOrganisationTaken => "organisation-ambiguous",
        Fault::HeadUnprotected => "head-unprotected",
        Fault::IssuedAtNotChecked => "issued-in-future",
        Fault::IssuerNotChecked => "issuer-not-checked",
        Fault::KeyIdAsPath => "key-id-as-path",
        Fault::LifetimeNotLimited => "lifetime-not-limited",
        Fault::ListNotFiltered | Fault::SearchNotFiltered => "list-not-filtered",
        Fault::MethodOverrideHonoured => "method-override-honoured",
        Fault::NotBeforeNotChecked => "not-before-not-checked",
        Fault::OldVersionOpen => "old-version-open",
        Fault::OperationUnprotected => "no-token-accepted",
        Fault::OptionsLeak => "options-leaks",
        Fault::OrganisationFromBody => "body-sets-organisation",
        Fault::OrganisationHeaderWins => "header-crosses-organisations",
        Fault::OrganisationMissingSeesAll => "organisation-not-required",
        Fault::OtherSpellingsAccepted => "token-not-canonical",
        Fault::ReadNotFiltered => "foreign-object-readable",
        Fault::RedirectNotRefusal => "redirect-not-401",
        Fault::RoleByPart | Fault::RoleCaseIgnored => "role-compared-loosely",
        Fault::RoleNotChecked => "role-not-checked",
        Fault::RoleTextAccepted => "role-string-accepted",
        Fault::SignatureNotChecked => "signature-not-checked",
        Fault::SubjectMissingAccepted => "subject-not-required",
        Fault::TokenInQueryAccepted => "token-in-query",
        Fault::TrailingSlashOpen => "trailing-slash-open",
        Fault::TypeNotChecked => "type-not-checked",
        Fault::UndocumentedDeleteOpen | Fault::UndocumentedPutOpen => "undocumented-method-open",
        Fault::UserHeaderTrusted => "identity-header-trusted",
    }
}

async fn audit(faults: impl Into<Faults>) -> Report {
    static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys::generate().unwrap());
    let key_set = KeySet::parse(KEYS.key_set_json().as_bytes()).unwrap();
    let trust = Trust::new(ISSUER, "legacy", JwksSource::Keys(key_set));
    let running = legacy::start(faults.into(), trust).await.unwrap();
    let settings = Settings::parse("audit.toml", AUDIT_CONFIG).unwrap();
    let document = parse_document("openapi.json", running.openapi.as_bytes()).unwrap();
    settings.check_against(&document, "audit.toml", AUDIT_CONFIG).unwrap();
    let supply = Supply::OwnKey { keys: Some(KEYS.clone()), listen: None };
    let options = Options::for_target(&running.url()).document(document).settings(settings).supply(supply);
    run(options, &mut Quiet).await.unwrap()
}

/// The ids that were found, each once.
fn found(report: &Report) -> Vec<&str> {
    let mut ids: Vec<&str> = report.findings.iter().map(|finding| finding.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

#[tokio::test]
async fn without_a_fault_nothing_is_found_and_everything_is_decided() {
    let report = audit(Faults::NONE).await;
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
    let undecided: Vec<String> = report
        .operations
        .iter()
        .flat_map(|row| row.cells.iter().map(move |cell| (row, cell)))
        .filter(|(_, cell)| cell.verdict == Verdict::Inconclusive)
        .map(|(row, cell)| format!("{} {} {}: {:?}", row.method, row.path, cell.name, cell.reason))
        .collect();
    assert_eq!(report.coverage.percent(), 100, "{undecided:#?}");
    assert!(report.coverage.decided > 3_000, "{:?}", report.coverage);
    for row in &report.operations {
        assert!(row.control.starts_with('2'), "{} {}: {}", row.method, row.path, row.control);
    }
}

/// What is wrong with what the audit finds of that fault.
async fn told_otherwise(fault: Fault) -> Option<String> {
    let report = audit(fault).await;
    if found(&report) == [finding(fault)] {
        return None;
    }
    let told = report.findings.iter().map(|finding| {
        let [method, path] = [&finding.method, &finding.path];
        format!("{} {method} {path}: {} {:?}", finding.id, finding.reason, finding.cells)
    });
    let told: Vec<String> = told.collect();
    Some(format!("{fault} must be `{}`, and is {told:#?}", finding(fault)))
}

/// Two at a time: that many cores there are everywhere.
#[test]
fn each_fault_is_found_as_itself_and_as_nothing_else() {
    let halves = Fault::ALL.split_at(Fault::ALL.len() / 2);
    let half = |faults: &'static [Fault]| {
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut wrong = Vec::new();
                for fault in faults {
                    wrong.extend(told_otherwise(*fault).await);
                }
                wrong
            })
        })
    };
    let (one, other) = (half(halves.0), half(halves.1));
    let wrong = [one.join().unwrap(), other.join().unwrap()].concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
