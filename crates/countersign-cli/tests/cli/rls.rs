use crate::command::{countersign, expect};

#[test]
fn the_migration_of_a_table_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["rls", "init", "orders", "--references", "customer=customers"];
    let ran = countersign(folder.path(), &arguments, "");
    assert_eq!((ran.code, ran.complaint.as_str()), (0, ""));
    expect("rls_init.sql", &ran.output);
}

#[test]
fn support_is_left_out_if_told_so() {
    let folder = tempfile::tempdir().unwrap();
    for (more, made) in [(None, true), (Some("--without-support"), false)] {
        let arguments: Vec<&str> = ["rls", "init", "orders"].into_iter().chain(more).collect();
        let ran = countersign(folder.path(), &arguments, "");
        assert_eq!((ran.code, ran.output.contains("CREATE POLICY countersign_across")), (0, made));
    }
}

#[test]
fn what_is_no_name_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["rls", "init", "orders; DROP TABLE orders"][..],
        &["rls", "init", "orders", "--column", "a\"b"],
        &["rls", "init", "orders", "--references", "customer"],
        &["rls", "init", "orders", "--references", "customer=a b"],
    ] {
        let ran = countersign(folder.path(), arguments, "");
        assert_eq!((ran.code, ran.output.as_str()), (2, ""), "{arguments:?}");
        assert!(ran.complaint.contains("is no "), "{}", ran.complaint);
    }
}

/// `countersign audit db` with this URL in the environment.
fn audit_db(url: Option<&str>) -> (Option<i32>, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(["audit", "db", "orders"]).env_clear().envs(url.map(|url| ("DATABASE_URL", url)));
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
#[cfg(feature = "audit")]
fn a_database_that_cannot_be_asked_is_3_and_its_password_is_not_shown() {
    let (code, said) = audit_db(None);
    assert_eq!((code, said.contains("`DATABASE_URL` is not set")), (Some(2), true), "{said}");
    for (url, expected) in
        [("postgres://service:planted-password@127.0.0.1:1/shop", 3), ("planted-password is no URL", 2)]
    {
        let (code, said) = audit_db(Some(url));
        assert_eq!((code, said.contains("planted")), (Some(expected), false), "{said}");
        assert!(said.starts_with("countersign audit db: "), "{said}");
    }
}
