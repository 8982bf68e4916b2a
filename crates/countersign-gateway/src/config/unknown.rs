//! Keys that do not exist, with the nearest name that does.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::config::{
    error::{ConfigError, ConfigErrorCode},
    key::Kind,
    keys,
    reader::Reader,
};

/// Names less alike than this are no hint.
const LEAST_LIKENESS: f64 = 0.6;

impl Reader<'_> {
    /// Records every key of the file that has no row, and masks its value.
    pub(super) fn unknown_keys(&mut self, document: &Spanned<DeTable<'_>>) {
        self.unknown_in(document.get_ref(), "", "");
    }

    fn unknown_in(&mut self, table: &DeTable<'_>, path: &str, shown: &str) {
        for (name, value) in table {
            let (inner, inner_shown) = (joined(path, name.get_ref()), joined(shown, name.get_ref()));
            let Some(row) = keys::find(&inner) else {
                self.unknown(name, value, path, &inner_shown);
                continue;
            };
            match (value.get_ref(), row.kind) {
                (DeValue::Table(table), Kind::Table) => self.unknown_in(table, &inner, &inner_shown),
                (DeValue::Array(items), Kind::Tables) => {
                    for (index, item) in items.iter().enumerate() {
                        if let DeValue::Table(table) = item.get_ref() {
                            let shown = format!("{inner_shown}[{}]", index.saturating_add(1));
                            self.unknown_in(table, &format!("{inner}[]"), &shown);
                        }
                    }
                }
                // Of another type: what is in it is unknown too, and the reader tells why.
                (DeValue::Table(_), _) | (_, Kind::Table | Kind::Tables) => self.mask_whole(value),
                _ => {}
            }
        }
    }

    fn unknown(
        &mut self,
        name: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
        path: &str,
        shown: &str,
    ) {
        let span = name.span();
        let (line, column) = self.lines.place(span.start);
        // Somebody's secret, as far as we know.
        self.mask_whole(value);
        self.errors.push(ConfigError {
            code: ConfigErrorCode::UnknownKey,
            key: printable(shown),
            problem: "is not a key".to_owned(),
            found: None,
            expected: None,
            nearest: nearest(path, name.get_ref()),
            line,
            column,
            span,
        });
    }

    /// Masks a value; of a table under its own header, each value in it.
    fn mask_whole(&mut self, value: &Spanned<DeValue<'_>>) {
        self.masks.push(value.span());
        match value.get_ref() {
            DeValue::Table(table) => table.iter().for_each(|(_, value)| self.mask_whole(value)),
            DeValue::Array(items) => items.iter().for_each(|item| self.mask_whole(item)),
            _ => {}
        }
    }
}

fn joined(table: &str, name: &str) -> String {
    if table.is_empty() { name.to_owned() } else { format!("{table}.{name}") }
}

/// A name as it can stand in an error: without control characters, at most 120 characters.
fn printable(name: &str) -> String {
    name.chars().take(120).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// The most similar name of the same table; else the same name in another table.
fn nearest(table: &str, name: &str) -> Option<String> {
    let lower = name.to_lowercase().replace('-', "_");
    let mut best: Option<(f64, &'static str)> = None;
    for known in keys::names_in(table) {
        let likeness = strsim::normalized_damerau_levenshtein(&lower, known)
            .max(if known.starts_with(&lower) && lower.len() > 3 { 0.9 } else { 0.0 });
        if likeness >= LEAST_LIKENESS && best.is_none_or(|(most, _)| likeness > most) {
            best = Some((likeness, known));
        }
    }
    let elsewhere = || keys::KEYS.iter().find(|key| keys::name_of(key.path) == lower).map(|key| key.path);
    match best {
        Some((likeness, known)) if likeness > 0.75 => Some(known.to_owned()),
        found => elsewhere().or_else(|| found.map(|(_, known)| known)).map(str::to_owned),
    }
}
