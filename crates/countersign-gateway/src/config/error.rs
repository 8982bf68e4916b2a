//! What is wrong with a configuration: every fault of a file, each with its place.

use std::{fmt, ops::Range};

/// Every fault of one configuration, in the order of the file. Never empty.
///
/// `Display` prints one line for each: `file:line:column: key: what is wrong`. No text ever holds a secret.
#[derive(Debug, Clone)]
pub struct ConfigErrors {
    /// The file, as it was named.
    pub file: String,
    /// The text with everything masked that could be a secret. Same length and lines as the file.
    pub masked_text: String,
    /// The faults.
    pub errors: Vec<ConfigError>,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigError {
    /// What kind of fault: a stable name.
    pub code: ConfigErrorCode,
    /// The key, with the number of the table of an array: `session.recheck`, `route[2].path`. Empty: the file.
    pub key: String,
    /// What is wrong, in words.
    pub problem: String,
    /// The value as it stands in the file. `None` if there is none or if it could be a secret.
    pub found: Option<String>,
    /// The expected form.
    pub expected: Option<String>,
    /// The nearest right name.
    pub nearest: Option<String>,
    /// First line is 1.
    pub line: usize,
    /// First column is 1, counted in characters.
    pub column: usize,
    /// The bytes in the file.
    pub span: Range<usize>,
}

/// What kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ConfigErrorCode {
    /// Two keys that exclude each other, or one that has no effect without another.
    Conflict,
    /// Two tables say the same.
    Duplicate,
    /// The value is of the right type but not of the right form or outside its limits.
    InvalidValue,
    /// A key that is needed.
    Missing,
    /// Weakens security and was not named: an `insecure_…` key is needed.
    NotNamedInsecure,
    /// The text is not TOML.
    Syntax,
    /// The file or variable that a key names.
    Unreadable,
    /// A key that does not exist.
    UnknownKey,
    /// The value is of another type.
    WrongType,
}

impl ConfigErrorCode {
    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Duplicate => "duplicate",
            Self::InvalidValue => "invalid_value",
            Self::Missing => "missing",
            Self::NotNamedInsecure => "not_named_insecure",
            Self::Syntax => "syntax",
            Self::Unreadable => "unreadable",
            Self::UnknownKey => "unknown_key",
            Self::WrongType => "wrong_type",
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.problem)?;
        if let Some(found) = &self.found {
            write!(f, ", found `{found}`")?;
        }
        if let Some(expected) = &self.expected {
            write!(f, "; expected {expected}")?;
        }
        if let Some(nearest) = &self.nearest {
            write!(f, "; did you mean `{nearest}`?")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            // Of a file that was not read there is no place.
            if self.masked_text.is_empty() && error.key.is_empty() {
                write!(f, "{}: {error}", self.file)?;
            } else {
                write!(f, "{}:{}:{}: {error}", self.file, error.line, error.column)?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Where the lines of a text begin.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let behind = text.match_indices('\n').map(|(end, _)| end.saturating_add(1));
        Self { text, starts: std::iter::once(0).chain(behind).collect() }
    }

    /// Line and column of a byte, both from 1; the column counts characters.
    pub(super) fn place(&self, offset: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).and_then(|index| self.starts.get(index)).copied().unwrap_or(0);
        let before = self.text.as_bytes().get(start..offset).unwrap_or_default();
        // Every byte but those that continue a character.
        let characters = before.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
        (line, characters.saturating_add(1))
    }
}
