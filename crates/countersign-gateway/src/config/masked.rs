//! The text of a configuration with everything masked that could be a secret.

use std::ops::Range;

use crate::config::{error::ConfigError, error::ConfigErrorCode, keys};

/// What stands for each masked byte.
const MASK: char = '*';

/// Same lines and same length in bytes, with the given bytes masked, and every line that is not understood but for
/// its key. Line ends stay.
pub(super) fn masked(text: &str, masks: &[Range<usize>], errors: &[ConfigError]) -> String {
    let syntax: Vec<&Range<usize>> = errors
        .iter()
        .filter(|error| error.code == ConfigErrorCode::Syntax)
        .map(|error| &error.span)
        .collect();
    let mut shown = String::with_capacity(text.len());
    let mut start = 0_usize;
    for line in text.split_inclusive('\n') {
        let end = start.saturating_add(line.len());
        let broken =
            syntax.iter().any(|span| span.start < end && span.end.max(span.start.saturating_add(1)) > start);
        let keep = if broken { understood(line) } else { line.len() };
        for (index, character) in line.char_indices() {
            let at = start.saturating_add(index);
            let hidden = index >= keep || masks.iter().any(|mask| mask.contains(&at));
            if hidden && character != '\n' && character != '\r' {
                shown.extend(std::iter::repeat_n(MASK, character.len_utf8()));
            } else {
                shown.push(character);
            }
        }
        start = end;
    }
    shown
}

/// How much of a line that is not TOML can be shown: all of it behind a key that is known or as a table's header,
/// nothing of a value whose key is not known.
fn understood(line: &str) -> usize {
    let trimmed = line.trim_start();
    let Some((key, _)) = line.split_once('=') else {
        return if trimmed.starts_with('[') && !trimmed.contains(['"', '\'']) { line.len() } else { 0 };
    };
    let name = keys::name_of(key.trim());
    let known = keys::KEYS.iter().any(|row| keys::name_of(row.path) == name);
    if known && !name.contains("secret") { line.len() } else { key.len().saturating_add(1) }
}
