//! `countersign audit db` against a PostgreSQL that takes TLS alone.

use std::process::{Command, Output};

use crate::counterpart::postgresql::Postgresql;

fn countersign(arguments: &[&str], url: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    let Output { status, stdout, stderr } =
        command.args(arguments).env("DATABASE_URL", url).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (status.code(), text(&stdout), text(&stderr))
}

fn audit(url: &str) -> (Option<i32>, String, String) {
    countersign(&["audit", "db"], url)
}

#[test]
fn a_server_with_a_certificate_of_its_own_authority_is_asked_and_no_other() {
    let server = Postgresql::start();
    server.carry_out("CREATE TABLE notes (id bigint NOT NULL, organisation text)");
    let (code, migration, _) = countersign(&["rls", "init", "notes"], "");
    assert_eq!(code, Some(0));
    server.carry_out(&migration);
    let with = |mode: &str, ca: &str| {
        server.url("localhost", &format!("?sslmode={mode}&sslrootcert={}", server.file(ca).display()))
    };

    let (code, told, complaint) = audit(&with("verify-full", "ca.pem"));
    assert_eq!((code, &*complaint), (Some(0), ""), "{told}");
    assert!(told.starts_with("ok    ") && told.ends_with("1 checked, 0 faults\n"), "{told}");

    let (code, told, complaint) = audit(&with("verify-full", "other-ca.pem"));
    assert_eq!((code, &*told), (Some(3), ""));
    assert!(complaint.contains("invalid peer certificate: UnknownIssuer"), "{complaint}");

    // The certificate is for `localhost`, not for the address.
    let file = server.file("ca.pem").display().to_string();
    let elsewhere = server.url("127.0.0.1", &format!("?sslmode=verify-full&sslrootcert={file}"));
    let (code, _, complaint) = audit(&elsewhere);
    assert_eq!(code, Some(3));
    assert!(complaint.contains("invalid peer certificate"), "{complaint}");

    let (code, _, complaint) = audit(&server.url("127.0.0.1", "?sslmode=disable"));
    assert_eq!(code, Some(3), "without TLS it takes nobody: {complaint}");
    let (code, _, complaint) = audit(&with("verify-full", "no-such-file.pem"));
    assert_eq!(code, Some(3), "{complaint}");

    // What is wrong in the table is found over TLS as well.
    server.carry_out("ALTER TABLE notes NO FORCE ROW LEVEL SECURITY");
    let (code, told, _) = audit(&with("verify-full", "ca.pem"));
    assert_eq!(code, Some(1));
    assert!(told.starts_with("FAIL  "), "{told}");
    server.carry_out("ALTER TABLE notes FORCE ROW LEVEL SECURITY");

    // So is what has the column and is in no table that is looked at by itself.
    server.carry_out(
        "CREATE SCHEMA old; CREATE TABLE old.notes (organisation text); GRANT SELECT ON old.notes TO service;
         GRANT USAGE ON SCHEMA old TO service",
    );
    let (code, told, _) = audit(&with("verify-full", "ca.pem"));
    assert_eq!(code, Some(1));
    assert!(told.starts_with("ok    notes\nFAIL  the role may use `old.notes`"), "{told}");
    assert!(told.ends_with("1 checked, 1 faults\n"), "{told}");
}

#[test]
fn a_server_elsewhere_is_not_asked_without_its_certificate() {
    for query in ["", "?sslmode=require", "?sslmode=verify-ca"] {
        let url = format!("postgres://service:planted-password@db.example.invalid/shop{query}");
        let (code, told, complaint) = audit(&url);
        assert_eq!((code, &*told), (Some(2), ""), "{query}");
        assert!(complaint.contains("add `sslmode=verify-full`"), "{complaint}");
        assert!(!complaint.contains("planted-password"), "{complaint}");
    }
}
