//! What an answer of the old application does to the session cookie. Pure.

use countersign::UnixTime;

use crate::http::{Fields, cookie_end::is_over};

/// What became of the cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// The browser is told to forget it: the old application has logged its user out.
    Deleted,
    /// The browser gets another one.
    Replaced,
}

/// What `Set-Cookie` says about the cookie of that name, which was `old` in the request. The last field that names it
/// counts (RFC 6265 §5.3). `None`: it stays as it is.
pub(super) fn fate_of(answer: &Fields, name: &str, old: &str, now: UnixTime) -> Option<Fate> {
    let fields = answer.all(b"set-cookie").filter(|field| field.is_ascii());
    let fields = fields.filter_map(|field| std::str::from_utf8(field).ok());
    let (value, attributes) = fields.filter_map(|field| named(field, name)).last()?;
    if value.is_empty() || is_over(attributes.split(';'), now) {
        return Some(Fate::Deleted);
    }
    (value != old).then_some(Fate::Replaced)
}

/// Value and attributes of a field that sets the cookie of that name.
fn named<'a>(field: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let (pair, attributes) = field.split_once(';').unwrap_or((field, ""));
    let (found, value) = pair.split_once('=')?;
    (found.trim() == name).then(|| (value.trim().trim_matches('"'), attributes))
}

#[cfg(test)]
mod tests {
    use countersign::UnixTime;
    use http::{HeaderValue, header};

    use super::{Fate, fate_of};
    use crate::http::Fields;

    fn fate(fields: &[&str]) -> Option<Fate> {
        let mut answer = Fields::default();
        for field in fields {
            answer.add(&header::SET_COOKIE, &HeaderValue::from_str(field).unwrap());
        }
        fate_of(&answer, "SESSION", "old", UnixTime::from_secs(1_800_000_000))
    }

    #[test]
    fn a_cookie_is_deleted_replaced_or_left_alone() {
        for (fields, expected) in [
            (&[][..], None),
            (&["OTHER=; Max-Age=0"], None),
            (&["SESSIONS=; Max-Age=0"], None),
            (&["SESSION=old; Path=/"], None),
            (&["SESSION=old; Max-Age=60"], None),
            (&["SESSION=new"], Some(Fate::Replaced)),
            (&["SESSION=\"new\"; HttpOnly"], Some(Fate::Replaced)),
            (&["SESSION="], Some(Fate::Deleted)),
            (&["SESSION=x; Max-Age=0"], Some(Fate::Deleted)),
            (&["SESSION=old; path=/; max-age=-1"], Some(Fate::Deleted)),
            (&["SESSION=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], Some(Fate::Deleted)),
            (&["SESSION=x; expires=Thu, 01-Jan-1970 00:00:10 GMT"], Some(Fate::Deleted)),
            (&["SESSION=old; Expires=Thu, 1 Jan 1970 00:00:00 GMT"], Some(Fate::Deleted)),
            (&["SESSION=x; expires=Thursday, 01-Jan-1970 01:00:00 GMT"], Some(Fate::Deleted)),
            (&["SESSION=x; expires=Thu, 01-Jan-70 00:00:00 GMT"], Some(Fate::Deleted)),
            (&["SESSION=x; expires=Thu, 01 Jan 1970 00:00:00 -0000"], Some(Fate::Deleted)),
            (&["SESSION=x; Max-Age=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], Some(Fate::Deleted)),
            (&["SESSION=x; Max-Age=-99999999999999999999"], Some(Fate::Deleted)),
            (&["SESSION=old; Expires=Thu, 01 Jan 2099 00:00:00 GMT"], None),
            (&["SESSION=old; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], None),
            (&["SESSION=; Max-Age=0", "SESSION=new"], Some(Fate::Replaced)),
            (&["SESSION=new", "SESSION=gone; Max-Age=0"], Some(Fate::Deleted)),
        ] {
            assert_eq!(fate(fields), expected, "{fields:?}");
        }
    }
}
