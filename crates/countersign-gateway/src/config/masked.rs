//! The text of a configuration with everything masked that could be a secret.

use std::ops::Range;

use crate::config::{error::ConfigError, error::ConfigErrorCode, keys};

/// What stands for each masked byte.
const MASK: char = '*';

/// Same lines and same length in bytes, with the given bytes masked. Of a text that is not TOML only those lines are
/// shown that are plainly a known key and its value, or the header of a table: what else there is could be anything.
pub(super) fn masked(text: &str, masks: &[Range<usize>], errors: &[ConfigError]) -> String {
    let broken = errors.iter().any(|error| error.code == ConfigErrorCode::Syntax);
    let mut hidden = vec![false; text.len()];
    for mask in masks {
        hidden.get_mut(mask.clone()).into_iter().flatten().for_each(|byte| *byte = true);
    }
    let mut shown = String::with_capacity(text.len());
    let mut start = 0_usize;
    for line in text.split_inclusive('\n') {
        let keep = if broken { understood(line) } else { line.len() };
        for (index, character) in line.char_indices() {
            let masked = hidden.get(start.saturating_add(index)).copied().unwrap_or(true);
            if (masked || index >= keep) && character != '\n' && character != '\r' {
                shown.extend(std::iter::repeat_n(MASK, character.len_utf8()));
            } else {
                shown.push(character);
            }
        }
        start = start.saturating_add(line.len());
    }
    shown
}

/// How much of a line can be shown when nobody knows how it is meant.
fn understood(line: &str) -> usize {
    let Some((key, value)) = line.split_once('=') else {
        let header = line.trim().trim_matches(['[', ']']);
        return if keys::find(header).is_some() { line.len() } else { 0 };
    };
    let name = keys::name_of(key.trim());
    let known = keys::KEYS.iter().any(|row| keys::name_of(row.path) == name);
    let plain = !name.contains("secret") && !value.contains(['=', '@']);
    if known && plain { line.len() } else { key.len().saturating_add(1) }
}
