//! What an answer of the old application does to the session cookie. Pure.

use std::time::{Duration, UNIX_EPOCH};

use countersign::UnixTime;
use http::{HeaderMap, header};

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
pub(super) fn fate_of(headers: &HeaderMap, name: &str, old: &str, now: UnixTime) -> Option<Fate> {
    let fields = headers.get_all(header::SET_COOKIE).iter().filter_map(|field| field.to_str().ok());
    let (value, attributes) = fields.filter_map(|field| named(field, name)).next_back()?;
    if value.is_empty() || is_over(attributes, now) {
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

/// Whether the attributes end the cookie. `Max-Age` has precedence over `Expires` (RFC 6265 §5.3).
fn is_over(attributes: &str, now: UnixTime) -> bool {
    let of = |name: &str| {
        attributes
            .split(';')
            .filter_map(|attribute| attribute.split_once('='))
            .rev()
            .find_map(|(found, value)| found.trim().eq_ignore_ascii_case(name).then(|| value.trim()))
    };
    if let Some(age) = of("max-age").and_then(|age| age.parse::<i64>().ok()) {
        return age <= 0;
    }
    let Some(expires) = of("expires") else { return false };
    // The one form of a cookie's date that differs from HTTP's, `-` between day, month and year, is read too.
    let date =
        httpdate::parse_http_date(expires).or_else(|_| httpdate::parse_http_date(&expires.replace('-', " ")));
    date.is_ok_and(|date| date <= UNIX_EPOCH + Duration::from_secs(now.as_secs()))
}

#[cfg(test)]
mod tests {
    use countersign::UnixTime;
    use http::{HeaderMap, HeaderValue, header};

    use super::{Fate, fate_of};

    fn fate(fields: &[&str]) -> Option<Fate> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(header::SET_COOKIE, HeaderValue::from_str(field).unwrap());
        }
        fate_of(&headers, "SESSION", "old", UnixTime::from_secs(1_800_000_000))
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
            (&["SESSION=old; Expires=Thu, 01 Jan 2099 00:00:00 GMT"], None),
            (&["SESSION=old; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], None),
            (&["SESSION=; Max-Age=0", "SESSION=new"], Some(Fate::Replaced)),
            (&["SESSION=new", "SESSION=gone; Max-Age=0"], Some(Fate::Deleted)),
        ] {
            assert_eq!(fate(fields), expected, "{fields:?}");
        }
    }
}
