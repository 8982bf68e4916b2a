//! The request flows one way: a stage of the gateway imports only the stages before it.

use std::collections::BTreeSet;

use crate::{
    exceptions,
    fault::Fault,
    rust_source::{RustSource, line_of, words},
    tree::{Tree, is_test_path},
};

/// Where the gateway's source is.
pub(crate) const GATEWAY: &str = "crates/countersign-gateway/src/";

/// The stages, first to last.
const STAGES: &[&str] = &[
    "route",
    "credential",
    "session",
    "identity",
    "permit",
    "issue",
    "keyring",
    "translate",
    "server",
    "entry",
];

/// Modules that every stage may import, and that import no stage that does work.
const LEAVES: &[&str] = &["config", "observe", "error"];

/// Faults of order, and of the gateway naming the test kit.
pub(crate) fn faults(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut used = BTreeSet::new();
    for (path, source) in tree.rust() {
        let Some(inside) = path.strip_prefix(GATEWAY) else { continue };
        if is_test_path(path) {
            continue;
        }
        for (number, line) in source.shipped.lines().enumerate() {
            if line.contains("testkit") {
                faults.push(Fault::at(
                    path,
                    number + 1,
                    "the gateway's source never names the test kit".to_owned(),
                ));
            }
        }
        let module = inside.split(['/', '.']).next().unwrap_or_default();
        for (line, imported) in imports(&source, inside) {
            let Some(what) = verdict(module, &imported) else { continue };
            let excepted =
                exceptions::OUT_OF_ORDER.iter().position(|(p, stage, _)| (*p, *stage) == (path, &imported));
            match excepted {
                Some(number) => drop(used.insert(number)),
                None => faults.push(Fault::at(path, line, what)),
            }
        }
    }
    for (number, (path, stage, _)) in exceptions::OUT_OF_ORDER.iter().enumerate() {
        if !used.contains(&number) {
            let what =
                format!("is listed as naming `{stage}` out of order, but does not: remove it from the list");
            faults.push(Fault::of_file(path, what));
        }
    }
    faults
}

/// What is wrong with a module importing another, if anything.
fn verdict(module: &str, imported: &str) -> Option<String> {
    let place = |name: &str| STAGES.iter().position(|stage| *stage == name);
    match (place(module), place(imported)) {
        (Some(own), Some(other)) if other > own => {
            Some(format!("stage `{module}` imports `{imported}`, which comes after it"))
        }
        (None, Some(_)) if LEAVES.contains(&module) => {
            Some(format!("`{module}` is a leaf and imports the stage `{imported}`"))
        }
        _ => None,
    }
}

/// Line and top-level module of everything that is named by a path from `crate` or `super`.
fn imports(source: &RustSource, inside: &str) -> BTreeSet<(usize, String)> {
    let code: Vec<char> = source.code.chars().collect();
    let own: Vec<&str> = module_path(inside);
    let mut found = BTreeSet::new();
    let all = words(&code);
    for (index, (at, word)) in all.iter().enumerate() {
        let follows_path = at.checked_sub(1).and_then(|before| code.get(before)) == Some(&':');
        let end = at + word.chars().count();
        match word.as_str() {
            "crate" if !follows_path => {
                found.extend(
                    first_segments(&code, end).into_iter().map(|(at, name)| (line_of(&code, at), name)),
                );
            }
            "super" if !follows_path => {
                let ups = all
                    .iter()
                    .skip(index)
                    .zip(0..)
                    .take_while(|((at, word), n)| {
                        word == "super"
                            && code.iter().skip(*at + 5).take(2).all(|c| *c == ':')
                            && *n < own.len()
                    })
                    .count();
                if ups == own.len() {
                    let last = all.get(index + ups - 1).map_or(end, |(at, word)| at + word.chars().count());
                    found.extend(
                        first_segments(&code, last).into_iter().map(|(at, name)| (line_of(&code, at), name)),
                    );
                }
            }
            _ => {}
        }
    }
    found
}

/// The module path of a file: `session/source.rs` is `session`, `source`.
fn module_path(inside: &str) -> Vec<&str> {
    let stem = inside.strip_suffix(".rs").unwrap_or(inside);
    stem.split('/').filter(|part| !matches!(*part, "lib" | "mod")).collect()
}

/// The names right after a path's `::`, one, or several in braces, with their positions.
fn first_segments(code: &[char], end: usize) -> Vec<(usize, String)> {
    if !code.iter().skip(end).take(2).eq([':', ':'].iter()) {
        return Vec::new();
    }
    let start = end + 2;
    if code.get(start) != Some(&'{') {
        let name: String =
            code.iter().skip(start).take_while(|c| c.is_alphanumeric() || **c == '_').collect();
        return vec![(start, name)];
    }
    let mut found = Vec::new();
    let mut depth = 0_usize;
    let mut fresh = false; // right after `{` or `,` of the outer braces
    for (at, c) in code.iter().copied().enumerate().skip(start) {
        match c {
            '{' => {
                depth += 1;
                fresh = depth == 1;
            }
            '}' => {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
            ',' => fresh = depth == 1,
            c if c.is_whitespace() => {}
            _ if fresh => {
                fresh = false;
                let name = code.iter().skip(at).take_while(|c| c.is_alphanumeric() || **c == '_').collect();
                found.push((at, name));
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{imports, verdict};
    use crate::rust_source::RustSource;

    fn imported(text: &str, inside: &str) -> Vec<String> {
        imports(&RustSource::new(text), inside).into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn every_way_to_name_a_module_is_seen() {
        let text = "use crate::{\n    config::{Config, resolved},\n    permit::Permit,\n};\nfn f() -> crate::entry::E { super::issue::x(); }";
        assert_eq!(imported(text, "session.rs"), ["config", "permit", "entry", "issue"]);
        assert_eq!(
            imported("use super::super::keyring::y;\nuse super::own;", "session/source.rs"),
            ["keyring"]
        );
        assert_eq!(
            imported("// crate::entry\n#[cfg(test)]\nmod tests { use crate::entry; }", "session.rs"),
            [""; 0]
        );
    }

    #[test]
    fn order() {
        assert!(verdict("session", "credential").is_none());
        assert!(verdict("session", "session").is_none());
        assert!(verdict("session", "config").is_none());
        assert!(verdict("session", "permit").is_some());
        assert!(verdict("config", "session").is_some());
        assert!(verdict("upstream", "entry").is_none());
    }
}
