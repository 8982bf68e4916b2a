//! What a service is told about the client's side of the connection.
//!
//! The client's own `Forwarded` and `X-Forwarded-*` never survive; these three are added afterwards to every request:
//! `X-Forwarded-For` (the client's address, as far as it is known), `X-Forwarded-Proto` and `X-Forwarded-Host`.

use std::net::IpAddr;

use http::{HeaderName, HeaderValue};

use crate::{http::Fields, upstream::Added};

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST_NAME: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Which scheme the client used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// In clear.
    Http,
    /// Over TLS.
    Https,
}

/// Adds the three fields. `rendered` is the client's address, rendered once for each connection.
pub fn add(added: &mut Added, fields: &Fields, rendered: HeaderValue, scheme: Scheme) {
    let scheme = match scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    };
    added.extend(fields.value(b"host").map(|host| (HOST_NAME, host)));
    added.push((FOR, rendered));
    added.push((PROTO, HeaderValue::from_static(scheme)));
}

/// An address as the value of `X-Forwarded-For`.
#[must_use]
pub fn render(address: IpAddr) -> HeaderValue {
    HeaderValue::try_from(address.to_string()).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests {
    use super::{Added, Scheme, add, render};
    use crate::testing::fields;

    #[test]
    fn the_three_fields_are_added() {
        let mut added = Added::new();
        add(
            &mut added,
            &fields(&[("host", "shop.example")]),
            render("2001:db8::1".parse().unwrap()),
            Scheme::Https,
        );
        let said: Vec<_> =
            added.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        let expected = [
            ("x-forwarded-host", "shop.example"),
            ("x-forwarded-for", "2001:db8::1"),
            ("x-forwarded-proto", "https"),
        ];
        assert_eq!(said, expected);
    }
}
