//! The table names tests that are there.

use std::{fs, path::Path};

const TABLE: &str = include_str!("../defects.rs");

/// All Rust text below a folder.
fn below(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            below(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn each_defect_names_a_test_that_is_there() {
    let mut source = String::new();
    for folder in ["src", "tests/it"] {
        below(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut source);
    }
    let rows: Vec<&str> = TABLE.lines().filter_map(|line| line.strip_prefix("//! | ")).skip(1).collect();
    assert_eq!(rows.len(), 18, "one for each defect");
    for row in rows {
        let tests = row.rsplit(" | ").next().unwrap().split('`').filter(|part| part.contains("::"));
        let mut named = 0;
        for test in tests {
            let name = test.rsplit("::").next().unwrap();
            assert!(source.contains(&format!("fn {name}(")), "{test}");
            named += 1;
        }
        assert!(named > 0, "{row}");
    }
}
