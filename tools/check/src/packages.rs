//! What we build from other people: licences, sources, duplicates, a budget, and a line for each dependency.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    path::Path,
    process::Command,
};

use serde_json::Value;

use crate::{exceptions, fault::Fault, licence, tree::Tree};

/// The only place packages come from, as Cargo writes it after `registry+`.
const SOURCE_ENDS_WITH: &str = "/crates.io-index";
/// Packages of other platforms are not built, so they are not judged.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";
/// One line for each direct dependency.
const REASONS: &str = "docs/dependencies.md";
/// Most packages that `countersign` may need with its default features, itself included.
const LIBRARY_PACKAGES: usize = 60;
/// The package whose every feature has its needs stated in the list of reasons.
const LIBRARY: &str = "countersign";
/// How long the library takes to build, feature by feature; measured by hand, so that it may not be there.
const BUILDS: &str = "bench/BUILDS.md";
/// The names of integration tests, which `./test` runs by name.
const TEST_TARGETS: &[&str] = &["allocations", "cli", "e2e", "it"];
const LOCK: &str = "Cargo.lock";

/// What `cargo metadata` and `cargo tree` say.
#[derive(Debug)]
pub(crate) struct Packages {
    /// Every package that is built with all features, and ours.
    built: Vec<Value>,
    /// Name and version of what `countersign` needs with its default features.
    library: BTreeSet<String>,
    /// How many packages `countersign` needs with one feature alone.
    with_feature: BTreeMap<String, usize>,
}

impl Packages {
    /// Asks Cargo.
    pub(crate) fn read(tree: &Tree) -> Result<Self, Box<dyn Error>> {
        let metadata = [
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--all-features",
            "--filter-platform",
            PLATFORM,
        ];
        let mut metadata: Value = serde_json::from_str(&cargo(&tree.root, &metadata)?)?;
        // the metadata also hold packages that only a feature nobody asks for would need
        let built = needed(tree, &["--workspace", "--all-features", "-e", "normal,build,dev"])?;
        let Some(Value::Array(packages)) = metadata.get_mut("packages").map(Value::take) else {
            return Err("cargo metadata lists no packages".into());
        };
        let is_built = |package: &Value| {
            built.contains(&format!("{} v{}", text(package, "name"), text(package, "version")))
        };
        let mut with_feature = BTreeMap::new();
        for feature in features(&packages, LIBRARY) {
            let what = ["-p", LIBRARY, "--no-default-features", "--features", &feature, "-e", "normal,build"];
            let count = needed(tree, &what)?.len();
            with_feature.insert(feature, count);
        }
        Ok(Self {
            with_feature,
            built: packages.into_iter().filter(is_built).collect(),
            library: needed(tree, &["-p", LIBRARY, "-e", "normal,build"])?,
        })
    }

    /// Every fault of the dependencies.
    pub(crate) fn faults(&self, tree: &Tree) -> Vec<Fault> {
        let mut faults = Vec::new();
        faults.extend(self.built.iter().flat_map(package_faults));
        faults.extend(self.duplicates());
        faults.extend(self.unexplained(tree));
        let reasons = tree.text(REASONS).unwrap_or_default();
        faults.extend(feature_faults((REASONS, reasons), self.library.len(), &self.with_feature));
        if let Some(builds) = tree.text(BUILDS) {
            faults.extend(feature_faults((BUILDS, builds), self.library.len(), &self.with_feature));
        }
        if self.library.len() > LIBRARY_PACKAGES {
            let what = format!(
                "`countersign` needs {} packages with its default features; at most {LIBRARY_PACKAGES}",
                self.library.len()
            );
            faults.push(Fault::of_file("crates/countersign/Cargo.toml", what));
        }
        faults
    }

    /// Packages in more than one version, and stale exceptions.
    fn duplicates(&self) -> Vec<Fault> {
        let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for package in &self.built {
            versions.entry(text(package, "name")).or_default().insert(text(package, "version"));
        }
        let mut faults = Vec::new();
        for (name, versions) in versions.iter().filter(|(_, versions)| versions.len() > 1) {
            if !exceptions::TWICE.iter().any(|(allowed, _)| allowed == name) {
                let versions = versions.iter().copied().collect::<Vec<_>>().join(", ");
                faults.push(Fault::of_file(LOCK, format!("`{name}` in several versions: {versions}")));
            }
        }
        for (name, _) in exceptions::TWICE {
            if versions.get(name).is_none_or(|versions| versions.len() < 2) {
                faults.push(Fault::of_file(LOCK, format!("`{name}` is listed as built twice, but is not")));
            }
        }
        faults
    }

    /// Direct dependencies without a line in the list of reasons, and lines without a dependency.
    fn unexplained(&self, tree: &Tree) -> Vec<Fault> {
        let direct: BTreeSet<&str> = self
            .built
            .iter()
            .filter(|package| is_ours(package))
            .flat_map(|package| list(package, "dependencies"))
            .filter(|dependency| dependency.get("source").is_some_and(Value::is_string))
            .map(|dependency| text(dependency, "name"))
            .collect();
        let reasons = tree.text(REASONS).unwrap_or_default();
        let mut faults = Vec::new();
        let mut explained = BTreeSet::new();
        for (number, line) in reasons.lines().enumerate() {
            let Some(name) = line.strip_prefix("| `").and_then(|rest| rest.split('`').next()) else {
                continue;
            };
            if !direct.contains(name) {
                faults.push(Fault::at(REASONS, number + 1, format!("`{name}` is no dependency of ours")));
            }
            if !explained.insert(name) {
                faults.push(Fault::at(REASONS, number + 1, format!("`{name}` has two lines")));
            }
        }
        for name in direct.difference(&explained) {
            faults.push(Fault::of_file(REASONS, format!("`{name}` has no line: say what it is for")));
        }
        faults
    }
}

/// The features of one of our packages, without those it has by default.
fn features(packages: &[Value], name: &str) -> Vec<String> {
    let package = packages.iter().find(|package| is_ours(package) && text(package, "name") == name);
    let features = package.and_then(|package| package.get("features")).and_then(Value::as_object);
    features
        .into_iter()
        .flat_map(|features| features.keys())
        .filter(|name| *name != "default")
        .cloned()
        .collect()
}

/// What a page says of each feature of the library, against what is so.
fn feature_faults(
    (page, lines): (&'static str, &str),
    default: usize,
    with_feature: &BTreeMap<String, usize>,
) -> Vec<Fault> {
    let stale = lines.lines().filter_map(|line| line.strip_prefix("| with `")?.split('`').next());
    let stale = stale
        .filter(|feature| !with_feature.contains_key(*feature))
        .map(|feature| Fault::of_file(page, format!("`{LIBRARY}` has no feature `{feature}`")));
    let stated = |start: &str| {
        let row = lines.lines().find_map(|line| line.strip_prefix(start))?;
        row.split('|').next()?.trim().parse::<usize>().ok()
    };
    let rows = with_feature.iter().map(|(feature, &count)| (format!("| with `{feature}` |"), count));
    let rows = rows.chain([("| by default |".to_owned(), default)]);
    rows.filter(|(start, count)| stated(start) != Some(*count))
        .map(|(start, count)| Fault::of_file(page, format!("the row `{start}` must say {count}")))
        .chain(stale)
        .collect()
}

/// Faults of one package: licence and source, or a build script of ours.
fn package_faults(package: &Value) -> Vec<Fault> {
    let name = text(package, "name");
    let mut faults = Vec::new();
    if is_ours(package) {
        let has_build_script = list(package, "targets")
            .any(|target| list(target, "kind").any(|kind| kind.as_str() == Some("custom-build")));
        if has_build_script {
            faults.push(Fault::of_file("Cargo.toml", format!("`{name}` has a build script; ours have none")));
        }
        let tests = list(package, "targets")
            .filter(|target| list(target, "kind").any(|kind| kind.as_str() == Some("test")));
        for target in tests.map(|target| text(target, "name")).filter(|target| !TEST_TARGETS.contains(target))
        {
            let what = format!("`{name}` has the test target `{target}`, which `./test` does not run");
            faults.push(Fault::of_file("Cargo.toml", what));
        }
        return faults;
    }
    let source = text(package, "source");
    if !source.starts_with("registry+") || !source.ends_with(SOURCE_ENDS_WITH) {
        faults.push(Fault::of_file(
            LOCK,
            format!("`{name}` comes from `{source}`; only the public registry is allowed"),
        ));
    }
    let expression = text(package, "license");
    if !licence::is_allowed(expression, exceptions::LICENCES) {
        faults.push(Fault::of_file(
            LOCK,
            format!("`{name}` has the licence `{expression}`, which is not on the list"),
        ));
    }
    faults
}

fn is_ours(package: &Value) -> bool {
    package.get("source").is_none_or(Value::is_null)
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Name and version of every package that a build on our platform needs.
fn needed(tree: &Tree, what: &[&str]) -> Result<BTreeSet<String>, Box<dyn Error>> {
    let fixed = ["tree", "--locked", "--prefix", "none", "--format", "{p}", "--target", PLATFORM];
    let lines = cargo(&tree.root, &[&fixed, what].concat())?;
    let name_and_version = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    Ok(lines.lines().filter(|line| !line.is_empty()).map(name_and_version).collect())
}

/// The output of one Cargo command.
fn cargo(folder: &Path, arguments: &[&str]) -> Result<String, Box<dyn Error>> {
    let output = Command::new("cargo").current_dir(folder).args(arguments).output()?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        return Err(format!("cargo {}: {}", arguments.join(" "), reason.trim_end()).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{feature_faults, features, package_faults};

    #[test]
    fn a_feature_that_needs_more_than_is_stated_is_a_fault() {
        let text = "| by default | 7 | x |\n| with `a` | 9 | y |\n";
        let of = |name: &str, count| [(name.to_owned(), count)].into();
        let faults = |default, a| feature_faults(("page", text), default, &of("a", a)).len();
        assert_eq!((faults(7, 9), faults(8, 9), faults(7, 8)), (0, 1, 1));
        assert_eq!(feature_faults(("page", ""), 7, &of("a", 9)).len(), 2, "what is not stated");
        let renamed = feature_faults(("page", text), 7, &of("b", 9)).len();
        assert_eq!(renamed, 2, "one is not stated, and one is no more");
    }

    #[test]
    fn the_features_are_those_of_the_manifest() {
        let package = |name: &str, source: Option<&str>| {
            json!({
                "name": name, "source": source, "features": { "default": [], "a": ["dep:x"], "b": [] },
            })
        };
        let packages = [package("x", Some("registry+x")), package("countersign", None)];
        assert_eq!(features(&packages, "countersign"), ["a", "b"]);
        assert!(features(&packages, "x").is_empty(), "not ours");
    }

    #[test]
    fn a_package_from_elsewhere_or_under_another_licence_is_a_fault() {
        let package =
            |source: &str, licence: &str| json!({ "name": "a", "source": source, "license": licence });
        let registry = format!("registry+https://example.com{}", super::SOURCE_ENDS_WITH);
        assert!(package_faults(&package(&registry, "MIT")).is_empty());
        assert_eq!(package_faults(&package(&registry, "GPL-3.0-only")).len(), 1);
        assert_eq!(package_faults(&package("git+https://example.com/a", "MIT")).len(), 1);
        assert_eq!(package_faults(&json!({ "name": "a", "source": registry })).len(), 1);
    }

    #[test]
    fn a_test_nobody_runs_is_a_fault() {
        let ours = |name: &str| json!({ "name": "a", "source": null, "targets": [{ "kind": ["test"], "name": name }] });
        assert!(package_faults(&ours("it")).is_empty());
        assert_eq!(package_faults(&ours("other")).len(), 1);
    }

    #[test]
    fn a_build_script_of_ours_is_a_fault() {
        let ours = json!({ "name": "a", "source": null, "targets": [{ "kind": ["custom-build"] }] });
        assert_eq!(package_faults(&ours).len(), 1);
    }
}
