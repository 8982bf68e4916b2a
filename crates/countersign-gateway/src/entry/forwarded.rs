//! What a service is told about the client's side of the connection.
//!
//! The client's own `Forwarded` and `X-Forwarded-*` never survive; these three are set afterwards on every request:
//! `X-Forwarded-For` (the client's address, as far as it is known), `X-Forwarded-Proto` and `X-Forwarded-Host`.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header::HOST};

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

/// Sets the three headers. `rendered` is the client's address, rendered once for each connection.
pub fn set(headers: &mut HeaderMap, rendered: HeaderValue, scheme: Scheme) {
    if let Some(host) = headers.get(HOST).cloned() {
        headers.insert(HOST_NAME, host);
    }
    headers.insert(FOR, rendered);
    headers.insert(
        PROTO,
        HeaderValue::from_static(match scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }),
    );
}

/// An address as the value of `X-Forwarded-For`.
#[must_use]
pub fn render(address: IpAddr) -> HeaderValue {
    HeaderValue::try_from(address.to_string()).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header::HOST};

    use super::{Scheme, render, set};

    #[test]
    fn the_three_headers_are_set() {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("shop.example"));
        headers.insert("x-forwarded-for", HeaderValue::from_static("6.6.6.6"));
        set(&mut headers, render("2001:db8::1".parse().unwrap()), Scheme::Https);
        assert_eq!(headers["x-forwarded-for"], "2001:db8::1");
        assert_eq!(headers["x-forwarded-proto"], "https");
        assert_eq!(headers["x-forwarded-host"], "shop.example");
    }
}
