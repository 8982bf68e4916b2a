//! `application/x-www-form-urlencoded`, written (RFC 6749 appendix B).

use std::fmt::Write as _;

/// Appends one pair to a form.
pub(super) fn append_pair(form: &mut String, name: &str, value: &str) {
    if !form.is_empty() {
        form.push('&');
    }
    append(form, name);
    form.push('=');
    append(form, value);
}

/// Appends a text so that it cannot end where it stands.
pub(super) fn append(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'*' | b'-' | b'.' | b'_' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            // Writing to a string cannot fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{append, append_pair};

    #[test]
    fn a_value_stays_where_it_stands() {
        let mut form = String::new();
        append_pair(&mut form, "a", "x&b=y z");
        append_pair(&mut form, "c", "é:%\r\n*-._~");
        assert_eq!(form, "a=x%26b%3Dy+z&c=%C3%A9%3A%25%0D%0A*-._%7E");
        let mut text = String::new();
        append(&mut text, " %&+\u{a3}\u{20ac}");
        assert_eq!(text, "+%25%26%2B%C2%A3%E2%82%AC", "the example of RFC 6749 appendix B");
    }
}
