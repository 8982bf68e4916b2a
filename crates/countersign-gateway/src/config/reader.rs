//! Reads values out of a parsed file by the rows of [`KEYS`](crate::config::keys::KEYS), and keeps every fault.

use std::{ops::Range, path::Path, time::Duration};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::config::{
    environment::Environment,
    error::{ConfigError, ConfigErrorCode, Lines},
    key::{Absent, Key, Kind},
    keys, value,
    value::Problem,
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

    /// Any value, by a function that judges it.
    fn read<T>(
        &mut self,
        section: &Section<'a>,
        name: &str,
        judge: impl FnOnce(&DeValue<'a>, Kind) -> Result<T, Fault>,
    ) -> Field<T> {
        let Some(row) = self.row(section, name) else { return Field::Bad };
        let Some(value) = section.value(name) else {
            if row.absent == Absent::Required && !section.is_absent() {
                self.missing(section, name);
                return Field::Bad;
            }
            return Field::Absent;
        };
        match judge(value.get_ref(), row.kind) {
            Ok(value) => Field::Given(value),
            Err(fault) => {
                // A URL with a password in it is the one place where a plain value holds a secret.
                if holds_password(value.get_ref()) {
                    self.fault_hidden(section, name, fault);
                } else {
                    self.fault(section, name, fault);
                }
                Field::Bad
            }
        }
    }

    /// A string.
    pub(super) fn text<T>(
        &mut self,
        section: &Section<'a>,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Problem>,
    ) -> Field<T> {
        self.read(section, name, |value, kind| text_of(value, kind, parse))
    }

    /// An array of strings; a single one too where the row says so.
    pub(super) fn list<T>(
        &mut self,
        section: &Section<'a>,
        name: &str,
        parse: impl Fn(&str) -> Result<T, Problem>,
    ) -> Field<Vec<T>> {
        let Some(row) = self.row(section, name) else { return Field::Bad };
        let single = matches!(row.kind, Kind::OneOrList(_));
        match section.value(name).map(Spanned::get_ref) {
            Some(DeValue::Array(_)) => {}
            Some(_) if single => {
                return match self.text(section, name, parse) {
                    Field::Given(value) => Field::Given(vec![value]),
                    Field::Absent => Field::Absent,
                    Field::Bad => Field::Bad,
                };
            }
            _ => {
                return self.read(section, name, |_, kind| Err(wrong_type("is not an array", kind)));
            }
        }
        self.items(section, name, row.kind, |value, kind| text_of(value, kind, &parse))
    }

    /// An array of whole numbers.
    pub(super) fn numbers<T>(
        &mut self,
        section: &Section<'a>,
        name: &str,
        parse: impl Fn(u64) -> Result<T, Problem>,
    ) -> Field<Vec<T>> {
        let Some(row) = self.row(section, name) else { return Field::Bad };
        if !matches!(section.value(name).map(Spanned::get_ref), Some(DeValue::Array(_))) {
            return self.read(section, name, |_, kind| Err(wrong_type("is not an array", kind)));
        }
        self.items(section, name, row.kind, |value, kind| {
            let number = number_of(value).ok_or_else(|| wrong_type("is not a whole number", kind))?;
            parse(number)
                .map_err(|problem| Fault::new(ConfigErrorCode::InvalidValue, problem).expecting(kind))
        })
    }

    fn items<T>(
        &mut self,
        section: &Section<'a>,
        name: &str,
        kind: Kind,
        judge: impl Fn(&DeValue<'a>, Kind) -> Result<T, Fault>,
    ) -> Field<Vec<T>> {
        let (Kind::List(of) | Kind::OneOrList(of)) = kind else { return Field::Bad };
        let Some(array) = section.value(name).and_then(|value| value.get_ref().as_array()) else {
            return Field::Absent;
        };
        let mut values = Vec::with_capacity(array.len());
        for item in array {
            match judge(item.get_ref(), *of) {
                Ok(value) => values.push(value),
                Err(fault) => {
                    let hidden = holds_password(item.get_ref());
                    if hidden {
                        self.masks.push(item.span());
                    }
                    let found = if hidden { None } else { self.excerpt(&item.span()) };
                    self.fault_at(section.shown_of(name), item.span(), found, fault);
                }
            }
        }
        if values.len() == array.len() { Field::Given(values) } else { Field::Bad }
    }

    /// `true` or `false`, by default as the row says.
    pub(super) fn flag(&mut self, section: &Section<'a>, name: &str) -> bool {
        let read = self.read(section, name, |value, kind| {
            value.as_bool().ok_or_else(|| wrong_type("is not a boolean", kind))
        });
        read.given().unwrap_or_else(|| default_of(&section.path_of(name)) == Some("true"))
    }

    /// A flag that weakens security; remembered when it is on.
    pub(super) fn insecure(&mut self, section: &Section<'a>, name: &str) -> bool {
        let on = self.flag(section, name);
        if on {
            self.insecure.push(section.shown_of(name));
        }
        on
    }

    /// A duration within the limits of its row, by default as the row says.
    pub(super) fn duration(&mut self, section: &Section<'a>, name: &str) -> Duration {
        let read = self.text_with_kind(section, name, |text, kind| {
            let found = value::duration(text)?;
            let Kind::Duration { min, max } = kind else { return Err("has no limits") };
            if found < value::duration(min)? {
                return Err("is too short");
            }
            if found > value::duration(max)? { Err("is too long") } else { Ok(found) }
        });
        let default =
            || default_of(&section.path_of(name)).and_then(|text| value::duration(unquoted(text)).ok());
        read.given().or_else(default).unwrap_or_default()
    }

    /// A whole number within the limits of its row.
    pub(super) fn count(&mut self, section: &Section<'a>, name: &str) -> Option<u64> {
        let read = self.read(section, name, |value, kind| {
            let found = number_of(value).ok_or_else(|| wrong_type("is not a whole number", kind))?;
            within(found, kind)
        });
        let default =
            || default_of(&section.path_of(name)).and_then(|text| text.replace('_', "").parse().ok());
        read.given().or_else(default)
    }

    /// A number of bytes within the limits of its row, by default as the row says.
    pub(super) fn size(&mut self, section: &Section<'a>, name: &str) -> u64 {
        let read = self.read(section, name, |value, kind| match (value.as_str(), number_of(value)) {
            (Some(text), _) => {
                let invalid = |problem| Fault::new(ConfigErrorCode::InvalidValue, problem).expecting(kind);
                within(value::size(text).map_err(invalid)?, kind)
            }
            (None, Some(bytes)) => within(bytes, kind),
            (None, None) => Err(wrong_type("is not a size", kind)),
        });
        let default = || default_of(&section.path_of(name)).and_then(|text| value::size(unquoted(text)).ok());
        read.given().or_else(default).unwrap_or_default()
    }

    /// One of the words of its row, by default as the row says.
    pub(super) fn choice(&mut self, section: &Section<'a>, name: &str) -> &'static str {
        let read = self.text_with_kind(section, name, choice_of);
        read.given().unwrap_or_else(|| default_of(&section.path_of(name)).map_or("", unquoted))
    }

    fn text_with_kind<T>(
        &mut self,
        section: &Section<'a>,
        name: &str,
        parse: impl FnOnce(&str, Kind) -> Result<T, Problem>,
    ) -> Field<T> {
        self.read(section, name, |value, kind| text_of(value, kind, |text| parse(text, kind)))
    }
}

fn text_of<T>(
    value: &DeValue<'_>,
    kind: Kind,
    parse: impl FnOnce(&str) -> Result<T, Problem>,
) -> Result<T, Fault> {
    let text = value.as_str().ok_or_else(|| wrong_type("is not a string", kind))?;
    parse(text).map_err(|problem| Fault::new(ConfigErrorCode::InvalidValue, problem).expecting(kind))
}

/// The word of a [`Kind::Choice`] that a text is.
pub(super) fn choice_of(text: &str, kind: Kind) -> Result<&'static str, Problem> {
    let Kind::Choice(words) = kind else { return Err("is no choice") };
    words.iter().copied().find(|word| *word == text).ok_or("is none of the words")
}

fn number_of(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn within(found: u64, kind: Kind) -> Result<u64, Fault> {
    let limits = match kind {
        Kind::Count { min, max } => Some((min, max)),
        Kind::Size { min, max } => value::size(min).ok().zip(value::size(max).ok()),
        _ => None,
    };
    let problem = match limits {
        Some((min, _)) if found < min => "is too small",
        Some((_, max)) if found > max => "is too large",
        Some(_) => return Ok(found),
        None => "has no limits",
    };
    Err(Fault::new(ConfigErrorCode::InvalidValue, problem).expecting(kind))
}

fn wrong_type(problem: &str, kind: Kind) -> Fault {
    Fault::new(ConfigErrorCode::WrongType, problem).expecting(kind)
}

fn default_of(path: &str) -> Option<&'static str> {
    match keys::find(path)?.absent {
        Absent::Default(text) => Some(text),
        Absent::Described(_) | Absent::Required => None,
    }
}

fn unquoted(text: &'static str) -> &'static str {
    text.trim_matches('"')
}

/// Whether a value could be a URL with a user name or password in it.
fn holds_password(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::String(text) => text.contains('@'),
        DeValue::Array(items) => items.iter().any(|item| holds_password(item.get_ref())),
        _ => false,
    }
}
