//! The values of a table, each judged by its row.

use std::time::Duration;

use toml::{Spanned, de::DeValue};

use crate::config::{
    error::ConfigErrorCode,
    key::{Absent, Kind},
    keys,
    reader::{Fault, Field, Reader, Section},
    value,
    value::Problem,
};

impl<'a> Reader<'a> {
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
    pub(in crate::config) fn text<T>(
        &mut self,
        section: &Section<'a>,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Problem>,
    ) -> Field<T> {
        self.read(section, name, |value, kind| text_of(value, kind, parse))
    }

    /// An array of strings; a single one too where the row says so.
    pub(in crate::config) fn list<T>(
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
    pub(in crate::config) fn numbers<T>(
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
    pub(in crate::config) fn flag(&mut self, section: &Section<'a>, name: &str) -> bool {
        let read = self.read(section, name, |value, kind| {
            value.as_bool().ok_or_else(|| wrong_type("is not a boolean", kind))
        });
        read.given().unwrap_or_else(|| default_of(&section.path_of(name)) == Some("true"))
    }

    /// A flag that weakens security; remembered when it is on.
    pub(in crate::config) fn insecure(&mut self, section: &Section<'a>, name: &str) -> bool {
        let on = self.flag(section, name);
        if on {
            self.insecure.push(section.shown_of(name));
        }
        on
    }

    /// A duration within the limits of its row, by default as the row says.
    pub(in crate::config) fn duration(&mut self, section: &Section<'a>, name: &str) -> Duration {
        let default =
            || default_of(&section.path_of(name)).and_then(|text| value::duration(unquoted(text)).ok());
        self.duration_if_any(section, name).or_else(default).unwrap_or_default()
    }

    /// A time within the limits of its row, where there is no default.
    pub(in crate::config) fn duration_if_any(
        &mut self,
        section: &Section<'a>,
        name: &str,
    ) -> Option<Duration> {
        let read = self.text_with_kind(section, name, |text, kind| {
            let found = value::duration(text)?;
            let Kind::Duration { min, max } = kind else { return Err("has no limits") };
            if found < value::duration(min)? {
                return Err("is too short");
            }
            if found > value::duration(max)? { Err("is too long") } else { Ok(found) }
        });
        read.given()
    }

    /// A whole number within the limits of its row.
    pub(in crate::config) fn count(&mut self, section: &Section<'a>, name: &str) -> Option<u64> {
        let read = self.read(section, name, |value, kind| {
            let found = number_of(value).ok_or_else(|| wrong_type("is not a whole number", kind))?;
            within(found, kind)
        });
        let default =
            || default_of(&section.path_of(name)).and_then(|text| text.replace('_', "").parse().ok());
        read.given().or_else(default)
    }

    /// A number of bytes within the limits of its row, by default as the row says.
    pub(in crate::config) fn size(&mut self, section: &Section<'a>, name: &str) -> u64 {
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
    pub(in crate::config) fn choice(&mut self, section: &Section<'a>, name: &str) -> &'static str {
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
pub(in crate::config) fn choice_of(text: &str, kind: Kind) -> Result<&'static str, Problem> {
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
