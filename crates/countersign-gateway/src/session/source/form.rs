//! `application/x-www-form-urlencoded`, written.

/// Appends one pair. Everything but letters, digits and `*-._` is written as `%XX`, a space as `+`.
pub(super) fn append_pair(form: &mut String, name: &str, value: &str) {
    if !form.is_empty() {
        form.push('&');
    }
    append_encoded(form, name);
    form.push('=');
    append_encoded(form, value);
}

/// One encoded text: also how RFC 6749 §2.3.1 wants client id and secret before they go into HTTP basic.
pub(super) fn encoded(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::{append_pair, encoded};

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
