//! Header fields between bytes and maps.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Version};

use crate::http::put_line;

/// A field that no map takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadField;

/// Names and values as `httparse` has found them.
pub(crate) fn parsed<'a>(
    fields: &'a [httparse::Header<'a>],
) -> impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> {
    fields.iter().map(|field| (field.name.as_bytes(), field.value))
}

/// Appends fields, whose values are parts of `head`, to the map.
pub(crate) fn read_fields<'a>(
    fields: impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])>,
    head: &Bytes,
    into: &mut HeaderMap,
) -> Result<(), BadField> {
    into.try_reserve(fields.len()).map_err(|_| BadField)?;
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name).map_err(|_| BadField)?;
        let value = HeaderValue::from_maybe_shared(head.slice_ref(value)).map_err(|_| BadField)?;
        into.try_append(name, value).map_err(|_| BadField)?;
    }
    Ok(())
}

/// One field line.
pub(crate) fn put_field(out: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    put_line(out, name.as_str().as_bytes(), value.as_bytes());
}

/// A length as it is said: digits, perhaps with white space around them.
pub(crate) fn length(text: &[u8]) -> Option<u64> {
    let digits = text.trim_ascii();
    let more = |number: u64, digit: &u8| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    };
    if digits.is_empty() { None } else { digits.iter().try_fold(0, more) }
}

/// Whether the sender of a head with these `Connection` fields leaves the connection open after the message
/// (RFC 9112 §9.3).
pub(crate) fn is_persistent<'a>(version: Version, connection: impl Iterator<Item = &'a [u8]>) -> bool {
    let (mut closes, mut keeps) = (false, version == Version::HTTP_11);
    for line in connection {
        match line {
            b"close" => closes = true,
            b"keep-alive" => keeps = true,
            _ => {
                for option in line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                    closes |= option.eq_ignore_ascii_case(b"close");
                    keeps |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
        }
    }
    keeps && !closes
}

#[cfg(test)]
mod tests {
    use http::Version;

    fn is_persistent(version: Version, lines: &[&str]) -> bool {
        super::is_persistent(version, lines.iter().map(|line| line.as_bytes()))
    }

    #[test]
    fn a_length_is_digits() {
        for (text, expected) in [
            (&b"0"[..], Some(0)),
            (b" 0017\t", Some(17)),
            (b"18446744073709551615", Some(u64::MAX)),
            (b"18446744073709551616", None),
            (b"99999999999999999999", None),
            (b"", None),
            (b" ", None),
            (b"+5", None),
            (b"-5", None),
            (b"5 5", None),
            (b"5,5", None),
            (b"5:", None),
            (b"\xb2", None),
        ] {
            assert_eq!(super::length(text), expected, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn who_keeps_the_connection() {
        let (old, new) = (Version::HTTP_10, Version::HTTP_11);
        assert!(is_persistent(new, &[]));
        assert!(!is_persistent(old, &[]));
        assert!(is_persistent(old, &["Keep-Alive"]));
        assert!(is_persistent(old, &["foo", "bar , keep-alive"]));
        assert!(!is_persistent(new, &["foo,CLOSE"]));
        assert!(!is_persistent(old, &["keep-alive, close"]));
        assert!(is_persistent(new, &["upgrade", "closed"]));
    }
}
