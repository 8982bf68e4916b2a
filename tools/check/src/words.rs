//! What no file may hold: marks of unfinished work, paths of one machine, addresses of registries; and how a
//! text file ends.

use crate::{
    fault::Fault,
    tree::{File, Tree},
};

/// A word no text file may hold, and why. Written in two parts so that this file does not hold them.
const FORBIDDEN: &[(&str, &str, &str)] = &[
    ("TO", "DO", "unfinished work is filed, not marked"),
    ("FIX", "ME", "unfinished work is filed, not marked"),
    ("XX", "X", "unfinished work is filed, not marked"),
    ("/wo", "rk/", "a path of one machine"),
    ("/ro", "ot/", "a path of one machine"),
    ("/ho", "me/", "a path of one machine"),
    ("registry.", "npmjs.org", "the address of a registry"),
    ("static.", "crates.io", "the address of a registry"),
    ("index.", "crates.io", "the address of a registry"),
    ("pypi", ".org", "the address of a registry"),
    ("files.", "pythonhosted.org", "the address of a registry"),
    ("deb.", "debian.org", "the address of a registry"),
];

/// Faults of words and of file ends.
pub(crate) fn faults(tree: &Tree) -> Vec<Fault> {
    tree.files.iter().flat_map(file_faults).collect()
}

fn file_faults(file: &File) -> Vec<Fault> {
    let Some(text) = &file.text else { return Vec::new() };
    let mut faults = Vec::new();
    // What a fuzzer has found is kept to the byte.
    let is_found = file.path.starts_with("fuzz/corpus/");
    if !is_found && !file.bytes.is_empty() && file.bytes.last() != Some(&b'\n') {
        faults.push(Fault::of_file(&file.path, "does not end with a line end".to_owned()));
    }
    for (number, line) in text.lines().enumerate() {
        for (first, second, why) in FORBIDDEN {
            if holds_word(line, &format!("{first}{second}")) {
                faults.push(Fault::at(&file.path, number + 1, format!("`{first}{second}`: {why}")));
            }
        }
        if file.path.ends_with("package-lock.json") && line.trim_start().starts_with("\"resolved\"") {
            faults.push(Fault::at(&file.path, number + 1, "a lock file names no addresses".to_owned()));
        }
    }
    faults
}

/// Whether a line holds the word, not merely as a part of a longer one.
fn holds_word(line: &str, word: &str) -> bool {
    let joins = |c: Option<char>, edge: Option<char>| {
        edge.is_some_and(char::is_alphanumeric) && c.is_some_and(|c| c.is_alphanumeric() || c == '_')
    };
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|text| text.chars().next());
        // a path is one of a machine only where it begins
        let inside_path =
            word.starts_with('/') && before.is_some_and(|c| c.is_alphanumeric() || "._-/}".contains(c));
        !joins(before, word.chars().next()) && !joins(after, word.chars().next_back()) && !inside_path
    })
}

#[cfg(test)]
mod tests {
    use super::{file_faults, holds_word};
    use crate::tree::File;

    #[test]
    fn a_word_is_found_alone() {
        let mark = concat!("TO", "DO");
        assert!(holds_word(&format!("// {mark}: later"), mark));
        assert!(!holds_word(&format!("let {mark}S = 1;"), mark));
        assert!(!holds_word(&format!("MY_{mark}"), mark));
        let path = concat!("/wo", "rk/");
        assert!(holds_word(&format!("cd {path}x"), path));
        assert!(!holds_word(&format!("frame{path}x"), path));
    }

    #[test]
    fn a_file_ends_with_a_line_end_and_a_lock_names_no_address() {
        let file = |path: &str, text: &str| File {
            path: path.to_owned(),
            bytes: text.as_bytes().to_vec(),
            text: Some(text.to_owned()),
        };
        assert_eq!(file_faults(&file("a.md", "a")).len(), 1);
        assert!(file_faults(&file("a.md", "a\n")).is_empty());
        assert!(file_faults(&file("a.md", "")).is_empty());
        assert_eq!(file_faults(&file("x/package-lock.json", "  \"resolved\": \"y\"\n")).len(), 1);
    }
}
