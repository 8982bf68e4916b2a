//! Reads values out of a parsed file by the rows of [`KEYS`](crate::config::keys::KEYS), and keeps every fault.

mod values;

use std::{ops::Range, path::Path};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

pub(super) use values::choice_of;

use crate::config::{
    environment::Environment,
    error::{ConfigError, ConfigErrorCode, Lines},
    key::{Absent, Key, Kind},
    keys,
};

/// Everything known while one file is read.
pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) lines: Lines<'a>,
    pub(super) environment: &'a dyn Environment,
    /// Where relative paths start.
    pub(super) folder: &'a Path,
    pub(super) errors: Vec<ConfigError>,
    /// Bytes of the file that could be a secret.
    pub(super) masks: Vec<Range<usize>>,
    /// The `insecure_…` keys that are on.
    pub(super) insecure: Vec<String>,
    /// `insecure_secret_files` is on.
    pub(super) any_secret_file: bool,
    /// Paths of all keys that were asked for.
    #[cfg(test)]
    pub(super) asked: std::collections::BTreeSet<String>,
}

/// One table of the file, or its absence.
#[derive(Clone)]
pub(super) struct Section<'a> {
    table: Option<&'a DeTable<'a>>,
    /// As in the table of keys: `route[]`. Empty for the top.
    path: String,
    /// As an operator counts: `route[2]`. Empty for the top.
    shown: String,
    /// Where the table begins.
    pub(super) span: Range<usize>,
}

/// One value of the file.
pub(super) enum Field<T> {
    /// Left out.
    Absent,
    /// There, but wrong: the fault is recorded.
    Bad,
    /// There and right.
    Given(T),
}

impl<T> Field<T> {
    pub(super) fn given(self) -> Option<T> {
        match self {
            Self::Given(value) => Some(value),
            Self::Absent | Self::Bad => None,
        }
    }

    pub(super) const fn as_given(&self) -> Option<&T> {
        match self {
            Self::Given(value) => Some(value),
            Self::Absent | Self::Bad => None,
        }
    }

    pub(super) const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

impl<'a> Section<'a> {
    pub(super) fn top(table: &'a Spanned<DeTable<'a>>) -> Self {
        Self { table: Some(table.get_ref()), path: String::new(), shown: String::new(), span: 0..0 }
    }

    pub(super) const fn is_absent(&self) -> bool {
        self.table.is_none()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    fn value(&self, name: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.and_then(|table| table.get(name))
    }

    /// The bytes of a value; of the table's beginning when it is left out.
    fn span_of(&self, name: &str) -> Range<usize> {
        self.value(name).map_or_else(|| self.span.clone(), Spanned::span)
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn shown_of(&self, name: &str) -> String {
        if self.shown.is_empty() { name.to_owned() } else { format!("{}.{name}", self.shown) }
    }
}

/// A fault before its place is known.
pub(super) struct Fault {
    pub(super) code: ConfigErrorCode,
    pub(super) problem: String,
    pub(super) expected: Option<String>,
}

impl Fault {
    pub(super) fn new(code: ConfigErrorCode, problem: impl Into<String>) -> Self {
        Self { code, problem: problem.into(), expected: None }
    }

    fn expecting(mut self, kind: Kind) -> Self {
        self.expected = Some(kind.expected());
        self
    }
}

impl<'a> Reader<'a> {
    /// Records a fault at a key: at its value, or where its table begins when the key is left out.
    pub(super) fn fault(&mut self, section: &Section<'_>, name: &str, fault: Fault) {
        let span = section.span_of(name);
        let found = if section.has(name) { self.excerpt(&span) } else { None };
        self.fault_at(section.shown_of(name), span, found, fault);
    }

    /// As [`Self::fault`], and never shows the value.
    pub(super) fn fault_hidden(&mut self, section: &Section<'_>, name: &str, fault: Fault) {
        let span = section.span_of(name);
        if section.has(name) {
            self.masks.push(span.clone());
        }
        self.fault_at(section.shown_of(name), span, None, fault);
    }

    pub(super) fn fault_at(&mut self, key: String, span: Range<usize>, found: Option<String>, fault: Fault) {
        let (line, column) = self.lines.place(span.start);
        self.errors.push(ConfigError {
            code: fault.code,
            key,
            problem: fault.problem,
            found,
            expected: fault.expected,
            nearest: None,
            line,
            column,
            span,
        });
    }

    /// The text of a value, on one line and at most 80 characters long; nothing of one that could be a secret.
    fn excerpt(&self, span: &Range<usize>) -> Option<String> {
        if self.masks.iter().any(|mask| mask.start < span.end && span.start < mask.end) {
            return None;
        }
        let text = self.text.get(span.clone())?;
        let mut shown: String = text.chars().take(80).map(|c| if c.is_control() { ' ' } else { c }).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        Some(shown)
    }

    fn row(&mut self, section: &Section<'_>, name: &str) -> Option<&'static Key> {
        let path = section.path_of(name);
        #[cfg(test)]
        self.asked.insert(path.clone());
        let row = keys::find(&path);
        if row.is_none() {
            self.fault(
                section,
                name,
                Fault::new(ConfigErrorCode::UnknownKey, "has no row in the table of keys"),
            );
        }
        row
    }

    /// A table in a table.
    pub(super) fn section(&mut self, parent: &Section<'a>, name: &str) -> Section<'a> {
        let (path, shown) = (parent.path_of(name), parent.shown_of(name));
        let Some(row) = self.row(parent, name) else {
            return Section { table: None, path, shown, span: parent.span.clone() };
        };
        let value = parent.value(name);
        let table = value.and_then(|value| value.get_ref().as_table());
        match (value, table) {
            (Some(_), None) => {
                self.fault(
                    parent,
                    name,
                    Fault::new(ConfigErrorCode::WrongType, "is not a table").expecting(row.kind),
                );
            }
            (None, _) if row.absent == Absent::Required => self.missing(parent, name),
            _ => {}
        }
        Section { table, path, shown, span: parent.span_of(name) }
    }

    /// The tables of an array of tables.
    pub(super) fn sections(&mut self, parent: &Section<'a>, name: &str) -> Vec<Section<'a>> {
        let Some(row) = self.row(parent, name) else { return Vec::new() };
        let path = format!("{}[]", parent.path_of(name));
        let Some(value) = parent.value(name) else {
            if row.absent == Absent::Required {
                self.missing(parent, name);
            }
            return Vec::new();
        };
        let Some(array) = value.get_ref().as_array() else {
            let hint = format!("is not an array of tables: write `[[{}]]`", parent.path_of(name));
            self.fault_at(
                parent.shown_of(name),
                value.span(),
                None,
                Fault::new(ConfigErrorCode::WrongType, hint),
            );
            return Vec::new();
        };
        if array.is_empty() && row.absent == Absent::Required {
            self.missing(parent, name);
        }
        let mut sections = Vec::with_capacity(array.len());
        for (index, item) in array.iter().enumerate() {
            let shown = format!("{}[{}]", parent.shown_of(name), index.saturating_add(1));
            match item.get_ref().as_table() {
                Some(table) => {
                    sections.push(Section {
                        table: Some(table),
                        path: path.clone(),
                        shown,
                        span: item.span(),
                    });
                }
                None => {
                    let fault = Fault::new(ConfigErrorCode::WrongType, "is not a table");
                    self.fault_at(shown, item.span(), None, fault);
                }
            }
        }
        sections
    }

    pub(super) fn missing(&mut self, section: &Section<'_>, name: &str) {
        let expected = keys::find(&section.path_of(name)).map(|row| row.kind.expected());
        let mut fault = Fault::new(ConfigErrorCode::Missing, "is missing");
        fault.expected = expected;
        self.fault(section, name, fault);
    }
}
