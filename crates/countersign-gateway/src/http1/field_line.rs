//! Field lines (RFC 9112 §5): one reader for both sides, which repairs nothing.

use std::ops::Range;

/// Name and trimmed value of a line without its line end. No white space before the name or the colon, no folded line,
/// no control character.
pub(crate) fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let end_of_name = line.iter().position(|byte| !is_token_byte(*byte))?;
    let (name, rest) = line.split_at_checked(end_of_name)?;
    let [b':', value @ ..] = rest else { return None };
    (!name.is_empty() && !has_control(value)).then(|| (name, trim(value)))
}

/// Where a part of some bytes is in them.
pub(crate) fn place_of(part: &[u8], whole: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr().saturating_sub(whole.as_ptr().addr());
    start..start.saturating_add(part.len())
}

/// Whether there is a control character other than a tab.
pub(crate) fn has_control(text: &[u8]) -> bool {
    !all(text, |byte| !is_control(byte))
}

/// Whether all bytes are of a kind, which is decided without branches.
pub(crate) fn all(text: &[u8], is: impl Fn(u8) -> bool + Copy) -> bool {
    // Blocks of one size are looked at in a few wide instructions, and the last may overlap the one before it.
    if let (Some(first), Some(last)) = (text.first_chunk::<16>(), text.last_chunk::<16>()) {
        let (blocks, _) = text.as_chunks::<16>();
        let both = all_of(first, is) & all_of(last, is);
        blocks.iter().skip(1).fold(both, |seen, block| seen & all_of(block, is))
    } else if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        all_of(first, is) & all_of(last, is)
    } else {
        text.iter().fold(true, |seen, byte| seen & is(*byte))
    }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "some thirty instructions of a block, or a call of as many")]
fn all_of<const N: usize>(block: &[u8; N], is: impl Fn(u8) -> bool) -> bool {
    block.iter().fold(true, |seen, byte| seen & is(*byte))
}

const fn is_control(byte: u8) -> bool {
    ((byte < 0x20) & (byte != b'\t')) | (byte == 0x7F)
}

/// Removes optional white space: spaces and tabs alone (RFC 9110 §5.6.3).
pub(crate) fn trim(value: &[u8]) -> &[u8] {
    // Almost every sender writes one space.
    let value = value.strip_prefix(b" ").unwrap_or(value);
    if let [b'!'..=b'~', .., b'!'..=b'~'] = value { value } else { trim_all(value) }
}

fn trim_all(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Whether the bytes are a token (RFC 9110 §5.6.2).
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().fold(true, |good, byte| good & is_token_byte(*byte))
}

pub(crate) fn is_token_byte(byte: u8) -> bool {
    TOKEN.get(usize::from(byte)).copied().unwrap_or(false)
}

const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut rest: &[u8] = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    while let [byte, tail @ ..] = rest {
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler; a byte is below 256")]
        {
            table[*byte as usize] = true;
        }
        rest = tail;
    }
    table
};

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::{has_control, split};

    #[test]
    fn a_line_has_one_form() {
        for (line, expected) in [
            ("X: y", Some(("X", "y"))),
            ("X:y", Some(("X", "y"))),
            ("X:\t y z \t", Some(("X", "y z"))),
            ("X:", Some(("X", ""))),
            ("X:: y", Some(("X", ": y"))),
            ("X: \u{e9}", Some(("X", "\u{e9}"))),
            ("X : y", None),
            (" X: y", None),
            (": y", None),
            ("X", None),
            ("", None),
            ("X\u{e9}: y", None),
            ("X: y\rZ: z", None),
            ("X: \u{0}", None),
            ("X: \u{7f}", None),
        ] {
            let expected = expected.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
            assert_eq!(split(line.as_bytes()), expected, "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn a_control_character_is_found_wherever_it_stands(mut text in vec(0x20..0x7F_u8, 0..70), at: prop::sample::Index, byte: u8) {
            prop_assert!(!has_control(&text));
            if !text.is_empty() {
                let at = at.index(text.len());
                text[at] = byte;
                prop_assert_eq!(has_control(&text), byte.is_ascii_control() && byte != b'\t');
            }
        }

        #[test]
        fn a_value_is_trimmed_of_spaces_and_tabs(before in "[ \t]{0,3}", value in "([!-~]([!-~ \t]{0,40}[!-~])?)?", after in "[ \t]{0,3}") {
            let line = format!("x-name:{before}{value}{after}");
            prop_assert_eq!(split(line.as_bytes()), Some((&b"x-name"[..], value.as_bytes())));
        }
    }
}
