use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use countersign_gateway::{
    error::Refusal,
    observe::{
        KeyPhase, Observation, Observer, ReloadOutcome,
        audit::{AuditLimits, AuditLog},
    },
};
use serde_json::{Value, json};

use super::{Fixed, TIME, began, refused, signed};

fn observer(audit: AuditLog) -> Observer {
    Observer::new(Arc::default(), audit, None, Arc::new(Fixed))
}

/// Lets `tell` speak to an audit log at `path` and waits until all is written.
fn audited(path: &Path, limits: AuditLimits, tell: impl FnOnce(&Observer)) {
    let (audit, guard) = AuditLog::open(path.to_owned(), limits).unwrap();
    tell(&observer(audit));
    drop(guard);
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is not whole");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn file(outer: &tempfile::TempDir) -> PathBuf {
    outer.path().join("audit.jsonl")
}

/// Gives the writing thread its turn until `done`.
fn until(done: impl Fn() -> bool) {
    for _ in 0..5_000_000 {
        if done() {
            return;
        }
        std::thread::yield_now();
    }
    panic!("it does not happen");
}

#[test]
fn it_says_who_was_let_in_and_who_was_refused() {
    let outer = tempfile::tempdir().unwrap();
    audited(&file(&outer), AuditLimits::DEFAULT, |observer| {
        let session = "s-1".into();
        observer.observe(began(&session));
        signed(&session, |observation| observer.observe(observation));
        observer.observe(refused(Refusal::RoleMissing, &session));
        observer.observe(Observation::Key { kid: &"k-1".into(), phase: KeyPhase::Signing, signs_from: None });
        observer.observe(Observation::Reloaded { outcome: ReloadOutcome::Refused, detail: Some("line 3") });
    });
    assert_eq!(
        lines(&file(&outer)),
        [
            json!({"time": TIME, "event": "session_began", "session": "s-1"}),
            json!({"time": TIME, "event": "token_signed", "jti": "t-1", "kid": "k-1", "subject": "ada",
                   "session": "s-1", "audience": "orders", "route": "/orders/", "expires": 1_800_000_300}),
            json!({"time": TIME, "event": "refused", "code": "role_missing", "decision": "d-17",
                   "route": "/orders/", "session": "s-1", "client": "192.0.2.7", "reason": "needs editor"}),
            json!({"time": TIME, "event": "key_changed", "kid": "k-1", "phase": "signing"}),
            json!({"time": TIME, "event": "reloaded", "outcome": "refused"}),
        ]
    );
    assert_eq!(fs::metadata(file(&outer)).unwrap().mode() & 0o7777, 0o600);
}

#[test]
fn only_judgements_on_a_caller_are_in_it() {
    let outer = tempfile::tempdir().unwrap();
    audited(&file(&outer), AuditLimits::DEFAULT, |observer| {
        for refusal in Refusal::ALL {
            observer.observe(refused(*refusal, &"s-1".into()));
        }
    });
    let found: Vec<_> =
        lines(&file(&outer)).iter().map(|line| line["code"].as_str().unwrap().to_owned()).collect();
    for there in ["session_ended", "role_missing", "csrf", "ambiguous_credential", "organisation_missing"] {
        assert!(found.iter().any(|code| code == there), "{there}");
    }
    for absent in
        ["credential_missing", "framing", "no_route", "source_unavailable", "upstream_timeout", "bug"]
    {
        assert!(!found.iter().any(|code| code == absent), "{absent}");
    }
}

#[test]
fn it_is_appended_to_and_tightened_and_a_torn_line_is_ended() {
    let outer = tempfile::tempdir().unwrap();
    let path = file(&outer);
    audited(&path, AuditLimits::DEFAULT, |observer| observer.observe(began(&"s-1".into())));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let mut torn = fs::read(&path).unwrap();
    torn.extend_from_slice(b"{\"time\":\"20");
    fs::write(&path, torn).unwrap();
    audited(&path, AuditLimits::DEFAULT, |observer| observer.observe(began(&"s-2".into())));
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].contains("s-1") && lines[2].contains("s-2"), "{text}");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
}

#[test]
fn it_is_rotated_by_size_and_the_oldest_goes() {
    let outer = tempfile::tempdir().unwrap();
    let path = file(&outer);
    let limits = AuditLimits { file_bytes: 200, kept_files: 2 };
    for number in 0..12 {
        // One line of 70 bytes for each opening: two fit.
        audited(&path, limits, |observer| observer.observe(began(&format!("s-{number:02}").into())));
    }
    let sessions = |name: &str| {
        let lines = lines(&outer.path().join(name));
        lines.iter().map(|line| line["session"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(sessions("audit.jsonl"), ["s-10", "s-11"]);
    assert_eq!(sessions("audit.jsonl.1"), ["s-08", "s-09"]);
    assert_eq!(sessions("audit.jsonl.2"), ["s-06", "s-07"]);
    assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 3);
    for entry in fs::read_dir(outer.path()).unwrap() {
        let metadata = entry.unwrap().metadata().unwrap();
        assert!(metadata.len() <= limits.file_bytes && metadata.mode() & 0o7777 == 0o600);
    }
}

#[test]
fn a_disk_that_takes_nothing_is_reported_and_what_was_lost_is_told() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("log");
    fs::create_dir(&folder).unwrap();
    let path = folder.join("audit.jsonl");
    // Every line begins a new file, which cannot be made while the folder is away.
    let limits = AuditLimits { file_bytes: 1, kept_files: 1 };
    let (audit, guard) = AuditLog::open(path.clone(), limits).unwrap();
    let losses = audit.losses().unwrap();
    let observer = observer(audit);
    observer.observe(began(&"s-1".into()));
    until(|| fs::read_to_string(&path).unwrap().ends_with('\n'));
    fs::rename(&folder, outer.path().join("away")).unwrap();
    observer.observe(began(&"s-2".into()));
    until(|| losses.failing());
    assert_eq!(losses.lost(), 1);
    fs::rename(outer.path().join("away"), &folder).unwrap();
    observer.observe(began(&"s-3".into()));
    drop(guard);
    assert!(!losses.failing());
    let lines = lines(&path);
    assert_eq!(lines[0]["event"], "lines_lost");
    assert_eq!(lines[0]["count"], 1);
    assert_eq!(lines[1]["session"], "s-3");
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error_at_the_start() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("missing");
    assert!(AuditLog::open(folder.join("audit.jsonl"), AuditLimits::DEFAULT).is_err());
}
