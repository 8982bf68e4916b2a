//! Header fields between bytes and maps.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Version, header};

/// A field that no map takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadField;

/// Which fields that say something about the connection or the length are in a head.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) connection: bool,
    pub(crate) expect: bool,
    /// `Content-Length`, so often.
    pub(crate) lengths: u8,
    /// `Transfer-Encoding`, so often.
    pub(crate) codings: u8,
    pub(crate) te: bool,
}

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
) -> Result<Seen, BadField> {
    let mut seen = Seen::default();
    into.try_reserve(fields.len()).map_err(|_| BadField)?;
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name).map_err(|_| BadField)?;
        match name {
            header::CONNECTION => seen.connection = true,
            header::CONTENT_LENGTH => seen.lengths = seen.lengths.saturating_add(1),
            header::TRANSFER_ENCODING => seen.codings = seen.codings.saturating_add(1),
            header::EXPECT => seen.expect = true,
            header::TE => seen.te = true,
            _ => {}
        }
        let value = HeaderValue::from_maybe_shared(head.slice_ref(value)).map_err(|_| BadField)?;
        into.try_append(name, value).map_err(|_| BadField)?;
    }
    Ok(seen)
}

/// One field line.
pub(crate) fn put_field(out: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Whether `Connection` names this option (RFC 9110 §7.6.1).
pub(crate) fn has_option(headers: &HeaderMap, option: &str) -> bool {
    let lines = headers.get_all(header::CONNECTION).iter();
    lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .any(|named| named.trim_ascii().eq_ignore_ascii_case(option.as_bytes()))
}

/// Whether the sender of this head leaves the connection open after the message (RFC 9112 §9.3).
pub(crate) fn is_persistent(version: Version, headers: &HeaderMap, seen: Seen) -> bool {
    if !seen.connection {
        return version == Version::HTTP_11;
    }
    !has_option(headers, "close") && (version == Version::HTTP_11 || has_option(headers, "keep-alive"))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Version, header};

    use super::Seen;

    fn is_persistent(version: Version, headers: &HeaderMap) -> bool {
        super::is_persistent(version, headers, Seen { connection: !headers.is_empty(), ..Seen::default() })
    }

    #[test]
    fn who_keeps_the_connection() {
        let head = |lines: &[&'static str]| {
            let lines = lines.iter().map(|line| (header::CONNECTION, HeaderValue::from_static(line)));
            lines.collect::<HeaderMap>()
        };
        let (old, new) = (Version::HTTP_10, Version::HTTP_11);
        assert!(is_persistent(new, &head(&[])));
        assert!(!is_persistent(old, &head(&[])));
        assert!(is_persistent(old, &head(&["Keep-Alive"])));
        assert!(is_persistent(old, &head(&["foo", "bar , keep-alive"])));
        assert!(!is_persistent(new, &head(&["foo,CLOSE"])));
        assert!(!is_persistent(old, &head(&["keep-alive, close"])));
        assert!(is_persistent(new, &head(&["upgrade", "closed"])));
    }
}
