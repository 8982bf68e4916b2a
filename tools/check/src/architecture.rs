//! ARCHITECTURE.md is a short map whose every path exists; docs/dependencies.md is linked from it.

use crate::{fault::Fault, stages::GATEWAY, tree::Tree};

const MAP: &str = "ARCHITECTURE.md";
const LINES: usize = 80;

/// Faults of the map.
pub(crate) fn faults(tree: &Tree) -> Vec<Fault> {
    let Some(text) = tree.text(MAP) else {
        return vec![Fault::of_file(MAP, "the map is missing".to_owned())];
    };
    let mut faults = Vec::new();
    let lines = text.lines().count();
    if lines > LINES {
        faults.push(Fault::of_file(MAP, format!("{lines} lines; at most {LINES}")));
    }
    for (number, line) in text.lines().enumerate() {
        for path in paths(line) {
            let bare = path.trim_end_matches('*');
            if !tree.holds(bare) && !tree.holds(&format!("{GATEWAY}{bare}")) {
                faults.push(Fault::at(MAP, number + 1, format!("`{path}` does not exist")));
            }
        }
    }
    faults
}

/// What a line names as a file or folder: code with a slash in it, and targets of links.
fn paths(line: &str) -> Vec<&str> {
    let code = line.split('`').skip(1).step_by(2).filter(|code| {
        let path_like = |c: char| c.is_ascii_alphanumeric() || "/._-*".contains(c);
        code.contains('/') && !code.starts_with('/') && code.chars().all(path_like)
    });
    let links = line.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    code.chain(links.filter(|link| !link.is_empty() && !link.contains("://"))).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{faults, paths};
    use crate::tree::{File, Tree};

    #[test]
    fn a_path_that_does_not_exist_and_a_long_map_are_faults() {
        let text = format!("`src/there.rs` `src/gone.rs`\n{}", "\n".repeat(80));
        let file = |path: &str, text: &str| File {
            path: path.to_owned(),
            bytes: Vec::new(),
            text: Some(text.to_owned()),
        };
        let files = vec![file("ARCHITECTURE.md", &text), file("src/there.rs", "")];
        let faults = faults(&Tree { root: PathBuf::new(), files });
        let messages: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            messages,
            ["ARCHITECTURE.md: 81 lines; at most 80", "ARCHITECTURE.md:1: `src/gone.rs` does not exist"]
        );
    }

    #[test]
    fn paths_are_found() {
        assert_eq!(
            paths("| `demo/` | `a::b` | [x](docs/y.md#part) `entry/*` `/.well-known/z`"),
            ["demo/", "entry/*", "docs/y.md"]
        );
        assert_eq!(paths("[a](https://example.com/) `Parts → Route`"), [""; 0]);
    }
}
