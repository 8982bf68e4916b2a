//! Comma-separated lists of tokens (RFC 9110 §5.6.1).

use http::{HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

use crate::http::Marks;

/// The members of one list value, trimmed, without the empty ones. A comma in a quoted string divides too: nothing
/// here is looked for inside quotes, and a member cut in two is no member we know.
pub(super) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

/// Whether a list value has `member`, in any case.
pub(super) fn has_member(value: &[u8], member: &[u8]) -> bool {
    members(value).any(|found| found.eq_ignore_ascii_case(member))
}

/// Names to remove after a pass over a map that cannot be changed while it is read.
pub(super) type Names = SmallVec<[HeaderName; 6]>;

pub(super) fn remove_all(headers: &mut HeaderMap, names: Names) {
    for name in names {
        headers.remove(name);
    }
}

/// Removes `Connection` and the fields it names (RFC 9110 §7.6.1).
///
/// `Host` and `Content-Length` stay: the gateway itself has read and will write them. What the gateway sets is set
/// later, so that no client can have it removed by naming it here.
pub(super) fn remove_connection(headers: &mut HeaderMap) {
    let mut named: SmallVec<[HeaderValue; 1]> = SmallVec::new();
    for value in headers.get_all(http::header::CONNECTION) {
        if !members(value.as_bytes()).all(is_ordinary_option) {
            named.push(value.clone());
        }
    }
    for value in named {
        for option in members(value.as_bytes()) {
            let Ok(name) = std::str::from_utf8(option) else { continue };
            if !is_needed(option) {
                headers.remove(name);
            }
        }
    }
    headers.remove(http::header::CONNECTION);
}

/// The fields that a `Connection` field names and that may be there, in lower case: none where all of them are dealt with
/// by name anyway.
pub(super) fn named(connection: &[u8], there: Marks) -> impl Iterator<Item = Vec<u8>> {
    let is_ordinary = members(connection).all(is_ordinary_option);
    let options = members(connection)
        .filter(move |option| !is_ordinary && there.may_have_in_any_case(option) && !is_needed(option));
    options.map(<[u8]>::to_ascii_lowercase)
}

/// Fields that stay, whoever names them: the gateway itself has read and will write them.
fn is_needed(option: &[u8]) -> bool {
    [&b"host"[..], b"content-length"].iter().any(|needed| option.eq_ignore_ascii_case(needed))
}

/// Options whose field is dealt with by name anyway.
fn is_ordinary_option(option: &[u8]) -> bool {
    [&b"keep-alive"[..], b"close", b"upgrade", b"te"].iter().any(|known| option.eq_ignore_ascii_case(known))
}
