//! What a manifest declares and nothing uses: it is compiled, updated and trusted for nothing.
//!
//! A dependency of a package is used where a Rust file of the package names it: `name::…`, `use name` or
//! `extern crate name`, in code or in a documentation comment, where an example or a link may need it. A dependency of
//! the workspace is used where a package takes it over.

use std::collections::BTreeSet;

use crate::{
    exceptions,
    fault::Fault,
    rust_source::{RustSource, words},
    tree::{File, Tree},
};

const MANIFEST: &str = "Cargo.toml";

/// One line of a table of dependencies.
#[derive(Debug, PartialEq, Eq)]
struct Declared<'a> {
    name: &'a str,
    line: usize,
    /// In the table that the packages of the workspace take them from.
    of_workspace: bool,
    /// Taken from that table.
    taken_over: bool,
}

/// Every dependency that nothing uses, and exceptions that nothing needs.
pub(crate) fn faults(tree: &Tree) -> Vec<Fault> {
    let manifests: Vec<(&File, Vec<Declared<'_>>)> = tree
        .files
        .iter()
        .filter(|file| file.path.split('/').next_back() == Some(MANIFEST))
        .filter_map(|file| Some((file, declared(file.text.as_deref()?))))
        .collect();
    let taken_over: BTreeSet<&str> = manifests
        .iter()
        .flat_map(|(_, declared)| declared)
        .filter(|declared| declared.taken_over)
        .map(|declared| declared.name)
        .collect();
    let mut faults = Vec::new();
    let mut excepted = BTreeSet::new();
    for (manifest, declared) in &manifests {
        let named = named_in(tree, folder(manifest));
        for Declared { name, line, of_workspace, .. } in declared {
            let used = if *of_workspace {
                taken_over.contains(name)
            } else {
                named.contains(name.replace('-', "_").as_str())
            };
            if used {
                continue;
            }
            let exception = exceptions::UNNAMED
                .iter()
                .position(|(path, package, _)| path == &manifest.path && package == name);
            match exception {
                Some(number) => drop(excepted.insert(number)),
                None => faults.push(Fault::at(&manifest.path, *line, format!("nothing uses `{name}`"))),
            }
        }
    }
    for (number, (path, name, _)) in exceptions::UNNAMED.iter().enumerate() {
        if !excepted.contains(&number) {
            let what = format!(
                "`{name}` is listed as used without being named, but is not: remove it from the list"
            );
            faults.push(Fault::of_file(path, what));
        }
    }
    faults
}

/// The folder of a manifest's package, with `/` at its end.
fn folder(manifest: &File) -> &str {
    manifest.path.strip_suffix(MANIFEST).unwrap_or_default()
}

/// The dependencies that a manifest declares. A table for each (`[dependencies.name]`) is not how ours are written.
fn declared(manifest: &str) -> Vec<Declared<'_>> {
    let mut table = "";
    let mut found = Vec::new();
    for (number, line) in manifest.lines().enumerate() {
        if let Some(header) = line.strip_prefix('[') {
            table = header.trim_end().trim_end_matches(']');
            continue;
        }
        let end =
            line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')).unwrap_or_default();
        let (name, rest) = line.split_at(end);
        if !name.is_empty() && table.ends_with("dependencies") {
            let rest = rest.split_whitespace().collect::<String>();
            found.push(Declared {
                name,
                line: number + 1,
                of_workspace: table == "workspace.dependencies",
                taken_over: rest.contains("workspace=true"),
            });
        }
    }
    found
}

/// What the Rust files under a folder name as packages are named.
fn named_in(tree: &Tree, folder: &str) -> BTreeSet<String> {
    let files = tree.files.iter().filter(|file| file.path.starts_with(folder) && file.path.ends_with(".rs"));
    files.filter_map(|file| file.text.as_deref()).flat_map(named).collect()
}

/// The first segments of the paths in one file.
fn named(text: &str) -> BTreeSet<String> {
    let code: Vec<char> = RustSource::with_tests_and_documentation(text).chars().collect();
    let all = words(&code);
    let continues_path = |at: usize| {
        let before = code.get(..at).and_then(|before| before.strip_suffix(&[':', ':']));
        before.and_then(<[char]>::last).is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '>'))
    };
    let mut found = BTreeSet::new();
    for (number, (at, word)) in all.iter().enumerate() {
        let previous =
            number.checked_sub(1).and_then(|number| all.get(number)).map(|(_, word)| word.as_str());
        let begins_path =
            code.get(at + word.chars().count()..).is_some_and(|rest| rest.starts_with(&[':', ':']));
        let imported = matches!(previous, Some("use" | "crate"));
        if (begins_path || imported) && !continues_path(*at) {
            found.insert(word.clone());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{Declared, declared, faults, named};
    use crate::tree::Tree;

    #[test]
    fn what_nothing_names_is_a_fault() {
        let root = "[workspace.dependencies]\na-b = \"1\"\nc = \"1\"\nd = \"1\"\n";
        let of_package =
            "[dependencies]\na-b.workspace = true\n[dev-dependencies]\nc = { workspace = true }\n";
        let found = faults(&Tree::of(&[
            ("Cargo.toml", root),
            ("x/Cargo.toml", of_package),
            ("x/src/lib.rs", "use a_b::B;"),
            ("y/src/lib.rs", "use c::C;"),
        ]));
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, ["Cargo.toml:4: nothing uses `d`", "x/Cargo.toml:4: nothing uses `c`"]);
    }

    #[test]
    fn every_table_of_dependencies_is_read() {
        let text = "[package]\nname = \"x\"\n[target.'cfg(unix)'.build-dependencies]\n# y\nx_1 = \"1\"\n\n[lints]\ny.workspace = true\n";
        let found = [Declared { name: "x_1", line: 5, of_workspace: false, taken_over: false }];
        assert_eq!(declared(text), found);
    }

    #[test]
    fn only_the_beginning_of_a_path_names_a_package() {
        let names = |text| named(text).into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!(names("let x = a::b::c(); fn f(d: ::e::F) -> g {}"), "a e");
        assert_eq!(names("use a as b; use {c::d, e::{f::G}}; extern crate h;"), "a c e f h");
        assert_eq!(names("// a::b\nlet c = \"d::e\"; sd_a::f(); crate::g::h();"), "crate sd_a");
        assert_eq!(names("/// ```\n/// use a::B;\n/// ```\n#[cfg(test)]\nmod x { use c::D; }"), "a c");
    }
}
