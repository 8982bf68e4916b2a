//! What documents claim: each test that the threat model names is there, and each refusal of the reference page has
//! something that refuses by it.

use std::collections::BTreeSet;

use crate::{
    fault::Fault,
    rust_source::words,
    stages::GATEWAY,
    tree::{Tree, is_test_path},
};

const THREAT_MODEL: &str = "docs/threat-model.md";
const REFUSALS: &str = "crates/countersign-gateway/src/error/refusal.rs";
/// Where refusals are defined, described or counted, not given.
const NOT_GIVEN_BY: &[&str] = &["error/refusal.rs", "error/table.rs", "error/reference.rs", "observe/"];

/// Faults of both.
pub(crate) fn faults(tree: &Tree) -> Vec<Fault> {
    let mut faults = unshown(tree);
    faults.extend(ungiven(tree));
    faults
}

/// Names of tests in the threat model that no code has.
fn unshown(tree: &Tree) -> Vec<Fault> {
    let Some(text) = tree.text(THREAT_MODEL) else {
        return vec![Fault::of_file(THREAT_MODEL, "is missing".to_owned())];
    };
    let known = Known::read(tree);
    let mut faults = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for name in named(line) {
            if !known.holds(name) {
                faults.push(Fault::at(THREAT_MODEL, number + 1, format!("`{name}`: there is no such test")));
            }
        }
    }
    faults
}

/// What a line names as a test: in the last cell of a table's row everything in backticks, elsewhere only what looks
/// like one.
fn named(line: &str) -> Vec<&str> {
    let row = line.strip_prefix("| ").and_then(|row| row.trim_end_matches([' ', '|']).rsplit_once(" | "));
    let text = row.map_or(line, |(_, last)| last);
    let in_backticks = text.split('`').skip(1).step_by(2);
    let is_name = |name: &&str| {
        let looks_like_one = name.contains("::") || name.matches('_').count() >= 4;
        name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_:…".contains(c))
            && (row.is_some() || looks_like_one)
    };
    in_backticks.filter(is_name).collect()
}

/// What there is to be named.
struct Known {
    functions: BTreeSet<String>,
    modules: BTreeSet<String>,
}

impl Known {
    fn read(tree: &Tree) -> Self {
        let (mut functions, mut modules) = (BTreeSet::new(), BTreeSet::new());
        for file in tree.files.iter().filter(|file| file.path.ends_with(".rs")) {
            let stem = file.path.trim_end_matches(".rs");
            modules.extend(stem.split('/').map(str::to_owned));
            let text: Vec<char> = file.text.as_deref().unwrap_or_default().chars().collect();
            let mut before = String::new();
            for (_, word) in words(&text) {
                match before.as_str() {
                    "fn" => drop(functions.insert(word.clone())),
                    "mod" => drop(modules.insert(word.clone())),
                    _ => {}
                }
                before = word;
            }
        }
        Self { functions, modules }
    }

    /// Whether every part of a path is there: modules, and at the end a module or a function. `…` stands for the rest
    /// of a name.
    fn holds(&self, path: &str) -> bool {
        let parts: Vec<&str> = path.split("::").filter(|part| !part.is_empty()).collect();
        let Some((last, modules)) = parts.split_last() else { return false };
        let is_any = |test: &dyn Fn(&str) -> bool| self.functions.iter().any(|name| test(name));
        let is_last = match (last.strip_prefix('…'), last.strip_suffix('…')) {
            (Some(_), Some(_)) => is_any(&|name| name.contains(last.trim_matches('…'))),
            (Some(end), None) => is_any(&|name| name.ends_with(end)),
            (None, Some(start)) => is_any(&|name| name.starts_with(start)),
            (None, None) => self.functions.contains(*last) || self.modules.contains(*last),
        };
        is_last && modules.iter().all(|module| self.modules.contains(*module))
    }
}

/// Refusals that nothing gives.
fn ungiven(tree: &Tree) -> Vec<Fault> {
    let variants = variants(tree.text(REFUSALS).unwrap_or_default());
    if variants.is_empty() {
        return vec![Fault::of_file(REFUSALS, "holds no `enum Refusal`".to_owned())];
    }
    let mut given = BTreeSet::new();
    for (path, source) in tree.rust() {
        let Some(inside) = path.strip_prefix(GATEWAY) else { continue };
        if is_test_path(path) || NOT_GIVEN_BY.iter().any(|place| inside.starts_with(place)) {
            continue;
        }
        // A conversion into a refusal calls it by another name.
        let own = if source.code.contains(" for Refusal {") { "Self::" } else { "Refusal::" };
        for name in source.code.split("Refusal::").skip(1).chain(source.code.split(own).skip(1)) {
            given.insert(name.chars().take_while(|c| c.is_alphanumeric()).collect::<String>());
        }
    }
    let ungiven = variants.into_iter().filter(|(name, _)| !given.contains(*name));
    ungiven.map(|(name, line)| Fault::at(REFUSALS, line, format!("nothing refuses by `{name}`"))).collect()
}

/// Names and lines of the variants.
fn variants(text: &str) -> Vec<(&str, usize)> {
    let lines = text.lines().enumerate().skip_while(|(_, line)| !line.starts_with("pub enum Refusal {"));
    let inside = lines.skip(1).take_while(|(_, line)| *line != "}");
    inside
        .map(|(number, line)| {
            (line.trim().trim_end_matches(',').split('(').next().unwrap_or_default(), number + 1)
        })
        .filter(|(name, _)| name.starts_with(|c: char| c.is_ascii_uppercase()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{faults, named};
    use crate::tree::Tree;

    #[test]
    fn names_are_those_of_the_last_cell_and_what_looks_like_one() {
        assert_eq!(named("| a `b_c` | d | `x::y`, `z` |"), ["x::y", "z"]);
        assert_eq!(
            named("Off is `stale_if_error`; shown by `a_b_c_d_e` and `f::tests`."),
            ["a_b_c_d_e", "f::tests"]
        );
        assert_eq!(named("| a | b | the catalogue: `proof/of-another-key` |"), [""; 0]);
    }

    #[test]
    fn what_is_not_there_is_a_fault() {
        let refusals =
            "pub enum Refusal {\n    /// A.\n    Given,\n    Taken(u8),\n}\nfn x() { Self::Taken; }\n";
        let code =
            "fn refuse() { Refusal::Given }\n#[cfg(test)]\nmod tests { fn it_is_so() { Refusal::Taken } }\n";
        let model =
            "| wants | why | shown by |\n| a | b | `own`: `it_is_…`, `own::tests::…is_so`, `it_is_not` |\n";
        let tree = Tree::of(&[
            ("docs/threat-model.md", model),
            ("crates/countersign-gateway/src/error/refusal.rs", refusals),
            ("crates/countersign-gateway/src/own.rs", code),
        ]);
        let told: Vec<String> = faults(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "docs/threat-model.md:2: `it_is_not`: there is no such test",
                "crates/countersign-gateway/src/error/refusal.rs:4: nothing refuses by `Taken`",
            ]
        );
    }
}
