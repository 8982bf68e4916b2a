//! `application/x-www-form-urlencoded` (RFC 6749 appendix B), written, and read strictly: what is not percent-encoded UTF-8 is
//! no form.

use std::fmt::Write as _;

/// Appends one pair. Everything but letters, digits and `*-._` is written as `%XX`, a space as `+`.
pub(crate) fn append_pair(form: &mut String, name: &str, value: &str) {
    if !form.is_empty() {
        form.push('&');
    }
    append_encoded(form, name);
    form.push('=');
    append_encoded(form, value);
}

/// One encoded text: also how RFC 6749 §2.3.1 wants client id and secret before they go into HTTP basic.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    append_encoded(&mut out, text);
    out
}

fn append_encoded(out: &mut String, text: &str) {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => {
                out.push('%');
                for nibble in [byte >> 4, byte & 15] {
                    out.extend(HEX.get(usize::from(nibble)));
                }
            }
        }
    }
}

/// Everything but unreserved characters (RFC 3986 §2.3) percent-encoded: for a query whose reader may not know that
/// `+` is a space.
pub(crate) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // A `String` takes everything that is written to it.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// The text that was encoded; `None` if it is not one.
pub(crate) fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

/// Every pair in its place; `None` for what is no form.
pub(crate) fn pairs(form: &[u8]) -> Option<Vec<(String, String)>> {
    let form = std::str::from_utf8(form).ok()?;
    let pairs = form.split('&').filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decoded(name)?, decoded(value)?))
    };
    pairs.map(pair).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{append_pair, decoded, encoded, pairs, percent_encoded};

    proptest! {
        #[test]
        fn what_is_encoded_comes_back(name in "\\PC{0,20}", value in "[\\x00-\\x7f&=%+#]{0,20}") {
            prop_assert_eq!(decoded(&encoded(&value)), Some(value.clone()));
            prop_assert_eq!(decoded(&percent_encoded(&name)), Some(name.clone()));
            let mut form = String::new();
            append_pair(&mut form, &name, &value);
            prop_assert_eq!(pairs(form.as_bytes()), Some(vec![(name, value)]));
        }
    }

    #[test]
    fn what_is_not_encoded_is_no_form() {
        for bad in [&b"a=%"[..], b"a=%2", b"a=%zz", b"a=%ff", b"%=a", b"a=\xff"] {
            assert_eq!(pairs(bad), None, "{bad:?}");
        }
        assert_eq!(pairs(b"&&"), Some(Vec::new()));
    }

    #[test]
    fn encodes_as_rfc_6749_appendix_b() {
        assert_eq!(encoded(" %&+\u{a3}\u{20ac}"), "+%25%26%2B%C2%A3%E2%82%AC");
        assert_eq!(encoded("azAZ09*-._"), "azAZ09*-._");
        assert_eq!(encoded("a:b/c=d~\r\n"), "a%3Ab%2Fc%3Dd%7E%0D%0A");
    }

    #[test]
    fn a_value_cannot_add_a_pair() {
        let mut form = String::new();
        append_pair(&mut form, "token", "x&client_id=other");
        append_pair(&mut form, "token_type_hint", "access_token");
        assert_eq!(form, "token=x%26client_id%3Dother&token_type_hint=access_token");
    }
}
