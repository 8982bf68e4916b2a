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
