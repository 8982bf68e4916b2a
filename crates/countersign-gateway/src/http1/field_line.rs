//! Field lines (RFC 9112 §5): one reader for both sides, which repairs nothing.

/// Name and trimmed value of a line without its line end. No white space before the name or the colon, no folded line,
/// no control character.
pub(crate) fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', line)?;
    let (name, value) = (line.get(..colon)?, line.get(colon + 1..)?);
    (is_token(name) && !has_control(value)).then(|| (name, trim(value)))
}

/// Whether there is a control character other than a tab.
pub(crate) fn has_control(text: &[u8]) -> bool {
    // Without early exit the compiler makes wide instructions of it.
    text.iter().fold(false, |seen, byte| seen | (*byte < 0x20 && *byte != b'\t') | (*byte == 0x7F))
}

/// Removes optional white space: spaces and tabs alone (RFC 9110 §5.6.3).
fn trim(mut value: &[u8]) -> &[u8] {
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

/// Whether a token is this name, in any case.
pub(crate) fn is_name(token: &[u8], name: &[u8]) -> bool {
    debug_assert!(name.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b'-'));
    // Of all token bytes, this makes a lower-case letter of that letter alone, and a dash of a dash.
    token.len() == name.len()
        && token.iter().zip(name).fold(0, |differs, (byte, wanted)| differs | ((byte | 0x20) ^ wanted)) == 0
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
    use super::{is_name, is_token_byte, split};

    #[test]
    fn a_name_is_itself_in_any_case_and_nothing_else() {
        for byte in (0..=255).filter(|byte| is_token_byte(*byte)) {
            for wanted in *b"abcdefghijklmnopqrstuvwxyz-" {
                assert_eq!(
                    is_name(&[byte], &[wanted]),
                    byte.eq_ignore_ascii_case(&wanted),
                    "{byte} {wanted}"
                );
            }
        }
        assert!(is_name(b"Content-LENGTH", b"content-length") && !is_name(b"te", b"tea"));
    }

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
}
