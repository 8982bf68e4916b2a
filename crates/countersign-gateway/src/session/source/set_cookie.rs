//! A session cookie that the authorization server replaces while it answers (`Set-Cookie`, RFC 6265 §4.1).
//!
//! Taken is one `Set-Cookie` of exactly the session cookie's name, whose value could be a credential. Not taken are
//! two that differ, a deletion, a quoted or empty value, and what is longer than a credential may be: the answer then
//! counts as if it had none.

use std::fmt;

use countersign::{Secret, UnixTime};
use http::HeaderValue;

use crate::{
    credential::{CredentialKind, OwnedCredential, is_cookie_value},
    http::cookie_end::is_over,
};

/// The new session cookie, and the field that sets it.
#[derive(Clone)]
pub struct NewCookie {
    /// The credential it holds.
    pub value: Secret<String>,
    /// The whole `Set-Cookie` value, as the server sent it.
    pub field: HeaderValue,
}

impl NewCookie {
    /// The credential that the browser will send from now on.
    #[must_use]
    pub fn credential(&self) -> OwnedCredential {
        OwnedCredential { kind: CredentialKind::Cookie, value: self.value.clone() }
    }
}

impl fmt::Debug for NewCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewCookie([redacted])")
    }
}

impl PartialEq for NewCookie {
    fn eq(&self, other: &Self) -> bool {
        self.field == other.field
    }
}

/// Finds the session cookie among the `Set-Cookie` fields of an answer.
#[must_use]
pub fn new_cookie(fields: &[HeaderValue], name: &str, now: UnixTime) -> Option<NewCookie> {
    let mut found: Option<NewCookie> = None;
    for field in fields {
        let Some(value) = field.to_str().ok().and_then(|text| value_of(text, name, now)) else { continue };
        if found.as_ref().is_some_and(|earlier| earlier.value.expose() != value) {
            return None;
        }
        let mut field = field.clone();
        field.set_sensitive(true);
        found = Some(NewCookie { value: Secret::new(value.to_owned()), field });
    }
    found
}

/// The value, if the field sets this cookie and does not delete it.
fn value_of<'a>(field: &'a str, name: &str, now: UnixTime) -> Option<&'a str> {
    let mut parts = field.split(';');
    let (own_name, value) = parts.next()?.split_once('=')?;
    let value = value.trim();
    let is_taken = own_name.trim() == name && is_cookie_value(value) && !is_over(parts, now);
    is_taken.then_some(value)
}

#[cfg(test)]
mod tests {
    use countersign::UnixTime;
    use http::HeaderValue;

    use super::new_cookie;

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    fn read(fields: &[&str]) -> Option<String> {
        let fields: Vec<_> = fields.iter().map(|field| HeaderValue::from_str(field).unwrap()).collect();
        new_cookie(&fields, "SESSION", NOW).map(|new| new.value.expose().clone())
    }

    #[test]
    fn the_session_cookie_is_found_and_nothing_else_is() {
        let long = format!("SESSION={}", "x".repeat(8193));
        for (fields, expected) in [
            (&["SESSION=new; Path=/; HttpOnly"][..], Some("new")),
            (&["theme=dark", " SESSION = new ;Secure", "SESSIONS=other"], Some("new")),
            (&["SESSION=new; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], Some("new")),
            (&["SESSION=new", "SESSION=new; Path=/"], Some("new")),
            (&["SESSION=new; Expires=whenever"], Some("new")),
            (&["SESSION=new", "SESSION=other"], None),
            (&["session=new"], None),
            (&["SESSION"], None),
            (&["SESSION="], None),
            (&["SESSION=\"new\""], None),
            (&["SESSION=a b"], None),
            (&["SESSION=new; max-age=0"], None),
            (&["SESSION=new; Max-Age=-1"], None),
            (&["SESSION=new; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], None),
            (&["SESSION=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT"], None),
            (&["SESSION=deleted; expires=Thursday, 01-Jan-1970 00:00:01 GMT"], None),
            (&["SESSION=new; Max-Age=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], None),
            (&["SESSION=deleted; expires=Thu, 01-Jan-70 00:00:01 GMT", "SESSION=new"], Some("new")),
            (&[&long], None),
            (&[], None),
        ] {
            assert_eq!(read(fields).as_deref(), expected, "{fields:?}");
        }
    }
}
