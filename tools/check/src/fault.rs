//! One fault: where, and what is wrong.

use std::fmt;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fault {
    /// Path from the repository's root.
    pub(crate) path: String,
    /// Line, counted from 1; 0 is the whole file.
    pub(crate) line: usize,
    /// What is wrong, and what would be right.
    pub(crate) what: String,
}

impl Fault {
    /// A fault of a whole file.
    pub(crate) fn of_file(path: &str, what: String) -> Self {
        Self { path: path.to_owned(), line: 0, what }
    }

    /// A fault in one line.
    pub(crate) fn at(path: &str, line: usize, what: String) -> Self {
        Self { path: path.to_owned(), line, what }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}
