//! A file is at most 600 lines without its tests, a function at most 100.

use crate::{
    exceptions,
    fault::Fault,
    tree::{Tree, is_test_path},
};

const FILE_LINES: usize = 600;
const FUNCTION_LINES: usize = 100;

/// Files and functions that are too long, and exceptions that nothing needs any more.
pub(crate) fn faults(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut used = Vec::new();
    let mut excepted = |path: &str, item: &str| {
        let found = exceptions::LONG.iter().any(|(p, i, _)| (*p, *i) == (path, item));
        if found {
            used.push((path.to_owned(), item.to_owned()));
        }
        found
    };
    for (path, source) in tree.rust().filter(|(path, _)| !is_test_path(path)) {
        let lines = source.shipped_lines();
        if lines > FILE_LINES && !excepted(path, "") {
            faults.push(Fault::of_file(path, format!("{lines} lines without tests; at most {FILE_LINES}")));
        }
        for function in source.functions().iter().filter(|f| f.lines > FUNCTION_LINES) {
            if !excepted(path, &function.name) {
                let what =
                    format!("`{}` has {} lines; at most {FUNCTION_LINES}", function.name, function.lines);
                faults.push(Fault::at(path, function.line, what));
            }
        }
    }
    for (path, item, _) in exceptions::LONG {
        if !used.iter().any(|(p, i)| p == path && i == item) {
            faults.push(Fault::of_file(
                path,
                format!("`{item}` is listed as too long, but is not: remove it from the list"),
            ));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::faults;
    use crate::tree::{File, Tree};

    fn messages(path: &str, text: &str) -> Vec<String> {
        let file =
            File { path: path.to_owned(), bytes: text.as_bytes().to_vec(), text: Some(text.to_owned()) };
        let tree = Tree { root: PathBuf::new(), files: vec![file] };
        faults(&tree).into_iter().filter(|fault| fault.path == path).map(|fault| fault.to_string()).collect()
    }

    #[test]
    fn tests_do_not_count_but_everything_else_does() {
        let long = "const A: u8 = 1;\n".repeat(601);
        assert_eq!(messages("a/src/b.rs", &long), ["a/src/b.rs: 601 lines without tests; at most 600"]);
        assert_eq!(messages("a/src/b.rs", &format!("#[cfg(test)]\nmod tests {{\n{long}}}\n")), [""; 0]);
        assert_eq!(messages("a/tests/it/b.rs", &long), [""; 0]);
        assert_eq!(messages("a/src/b/tests.rs", &long), [""; 0]);
    }

    #[test]
    fn a_long_function_is_named() {
        let function = format!("\nfn long() {{\n{}}}\n", "    f();\n".repeat(99));
        assert_eq!(messages("a/src/b.rs", &function), ["a/src/b.rs:2: `long` has 101 lines; at most 100"]);
    }

    #[test]
    fn an_exception_that_nothing_needs_is_a_fault() {
        let (path, ..) = crate::exceptions::LONG.first().unwrap();
        assert!(
            messages(path, "fn row() {}\n").iter().any(|fault| fault.contains("remove it from the list"))
        );
    }
}
