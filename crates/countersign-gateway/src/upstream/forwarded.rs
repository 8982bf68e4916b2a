//! What a service is told about the client's side of the connection.
//!
//! The client's own `Forwarded` and `X-Forwarded-*` never survive; these three go behind what is left of every request:
//! `X-Forwarded-Host` (its `Host`), `X-Forwarded-For` (the client's address, as far as it is known) and
//! `X-Forwarded-Proto`.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::http::Fields;

const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Which scheme the client used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// In clear.
    Http,
    /// Over TLS.
    Https,
}

/// The client's side of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarded {
    /// The client's address, rendered once for each connection.
    pub address: HeaderValue,
    /// The scheme it used.
    pub scheme: Scheme,
}

impl Forwarded {
    /// Appends the three field lines. Nothing of that name is among `fields`.
    pub(super) fn put(&self, out: &mut Vec<u8>, fields: &Fields) {
        debug_assert!([HOST, FOR, PROTO].iter().all(|name| !fields.has(name.as_str().as_bytes())));
        if let Some(host) = fields.first(b"host") {
            out.extend_from_slice(b"x-forwarded-host: ");
            out.extend_from_slice(host);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"x-forwarded-for: ");
        out.extend_from_slice(self.address.as_bytes());
        out.extend_from_slice(match self.scheme {
            Scheme::Http => b"\r\nx-forwarded-proto: http\r\n",
            Scheme::Https => b"\r\nx-forwarded-proto: https\r\n",
        });
    }

    /// Sets the three fields of a request whose host is its target's.
    pub(super) fn set(&self, headers: &mut HeaderMap, host: Option<&str>) {
        headers.extend(host.and_then(|host| Some((HOST, HeaderValue::from_str(host).ok()?))));
        headers.insert(FOR, self.address.clone());
        headers.insert(PROTO, HeaderValue::from_static(self.scheme.as_str()));
    }

    /// Takes them back from a request that was not sent.
    pub(super) fn unset(headers: &mut HeaderMap) {
        for name in [HOST, FOR, PROTO] {
            headers.remove(name);
        }
    }
}

impl Scheme {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// An address as the value of `X-Forwarded-For`.
#[must_use]
pub fn render(address: IpAddr) -> HeaderValue {
    HeaderValue::try_from(address.to_string()).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::{Forwarded, Scheme, render};
    use crate::{http::Fields, testing::fields};

    #[test]
    fn the_three_fields_are_said_in_either_protocol() {
        let forwarded = Forwarded { address: render("2001:db8::1".parse().unwrap()), scheme: Scheme::Https };
        let mut out = Vec::new();
        forwarded.put(&mut out, &fields(&[("host", "shop.example")]));
        let said =
            "x-forwarded-host: shop.example\r\nx-forwarded-for: 2001:db8::1\r\nx-forwarded-proto: https\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), said);

        let mut headers = HeaderMap::new();
        forwarded.set(&mut headers, Some("shop.example"));
        let mut out = Vec::new();
        Fields::from(headers.clone()).put(&mut out, |_, _| true);
        assert_eq!(String::from_utf8(out).unwrap(), said);
        Forwarded::unset(&mut headers);
        assert!(headers.is_empty());
    }
}
