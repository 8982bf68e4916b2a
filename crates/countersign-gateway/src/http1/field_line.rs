//! Field lines (RFC 9112 §5): one reader for both sides, which repairs nothing.

/// Name and trimmed value of a line without its line end. No white space before the name or the colon, no folded line,
/// no control character.
pub(crate) fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = line.iter().position(|byte| !is_token_byte(*byte))?;
    let (name, rest) = line.split_at_checked(length)?;
    let [b':', value @ ..] = rest else { return None };
    (!name.is_empty() && !has_control(value)).then(|| (name, trim(value)))
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
    !bytes.is_empty() && bytes.iter().all(|byte| is_token_byte(*byte))
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
