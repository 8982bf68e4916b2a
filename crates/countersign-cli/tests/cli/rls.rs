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
