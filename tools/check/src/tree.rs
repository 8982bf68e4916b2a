//! The files of the repository: what git tracks, and what it would track.

use std::{
    collections::BTreeSet,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::rust_source::RustSource;

/// The repository's files, read once.
#[derive(Debug)]
pub(crate) struct Tree {
    /// Root of the work tree.
    pub(crate) root: PathBuf,
    /// Every file, in the order of the paths.
    pub(crate) files: Vec<File>,
}

/// One file.
#[derive(Debug)]
pub(crate) struct File {
    /// Path from the root, with `/`.
    pub(crate) path: String,
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// Its text, if it is one.
    pub(crate) text: Option<String>,
}

impl Tree {
    /// Reads what `git ls-files` names, ignored files left out.
    pub(crate) fn read() -> Result<Self, Box<dyn Error>> {
        let root = PathBuf::from(git(Path::new("."), &["rev-parse", "--show-toplevel"])?.trim_end());
        let names = git(&root, &["ls-files", "-z", "--cached", "--others", "--exclude-standard"])?;
        let names: BTreeSet<&str> = names.split('\0').filter(|name| !name.is_empty()).collect();
        let mut files = Vec::with_capacity(names.len());
        for name in names {
            let path = root.join(name);
            if !path.is_file() {
                continue; // deleted, but not yet in the index
            }
            let bytes = fs::read(&path).map_err(|error| format!("{name}: {error}"))?;
            let text = if bytes.contains(&0) { None } else { String::from_utf8(bytes.clone()).ok() };
            files.push(File { path: name.to_owned(), bytes, text });
        }
        Ok(Self { root, files })
    }

    /// The text of one file.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path)?.text.as_deref()
    }

    /// Every Rust file with its source.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&str, RustSource)> {
        self.files
            .iter()
            .filter(|file| file.path.ends_with(".rs"))
            .filter_map(|file| file.text.as_deref().map(|text| (file.path.as_str(), RustSource::new(text))))
    }

    /// Whether a file or folder of this path is in the repository.
    pub(crate) fn holds(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let folder = format!("{path}/");
        self.files.iter().any(|file| file.path == path || file.path.starts_with(&folder))
    }
}

/// Whether a path holds nothing but tests and benches.
pub(crate) fn is_test_path(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "tests" | "benches" | "tests.rs"))
}

/// The output of one git command.
fn git(folder: &Path, arguments: &[&str]) -> Result<String, Box<dyn Error>> {
    let output = Command::new("git").current_dir(folder).args(arguments).output()?;
    if !output.status.success() {
        return Err(format!("git {}: {}", arguments.join(" "), output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
impl Tree {
    /// These files with these texts.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| File {
            path: (*path).to_owned(),
            bytes: text.as_bytes().to_vec(),
            text: Some((*text).to_owned()),
        };
        Self { root: "/".into(), files: files.iter().map(file).collect() }
    }
}
