//! Where keys may be fetched from.

use std::net::IpAddr;

use http::Uri;

/// A URL that keys may be fetched from: `https`, or `http` to the own machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Location(Uri);

/// Why keys are not fetched from there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LocationError {
    /// Plain `http` to another machine.
    #[error("`{0}` is plain http to another machine: whoever is on the way could become any caller")]
    Insecure(String),
    /// Not an absolute `http` or `https` URL, or one with user, password or fragment.
    #[error("`{0}` is no http or https URL")]
    Malformed(String),
    /// The metadata of an issuer elsewhere names a place on the own machine, or that of an `https` issuer one that is
    /// plain `http` ([RFC 8725 §3.10](https://www.rfc-editor.org/rfc/rfc8725#section-3.10)).
    #[error("`{0}` is less guarded, or closer to this machine, than the issuer whose metadata names it")]
    LedAstray(String),
}

impl Location {
    pub(super) fn parse(url: &str, insecure_http: bool) -> Result<Self, LocationError> {
        let malformed = || LocationError::Malformed(without_user(url));
        let uri: Uri = url.parse().map_err(|_| malformed())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(malformed());
        };
        if authority.as_str().contains('@') || url.contains('#') {
            return Err(malformed());
        }
        match scheme {
            "https" => Ok(Self(uri)),
            "http" if insecure_http || is_own_machine(authority.host()) => Ok(Self(uri)),
            "http" => Err(LocationError::Insecure(url.to_owned())),
            _ => Err(malformed()),
        }
    }

    pub(super) const fn uri(&self) -> &Uri {
        &self.0
    }

    /// The place of that path below this one.
    pub(super) fn below(&self, path: &str) -> Result<Self, LocationError> {
        let own = self.0.to_string();
        let url = format!("{}/{path}", own.trim_end_matches('/'));
        match url.parse() {
            Ok(uri) if self.0.query().is_none() => Ok(Self(uri)),
            _ => Err(LocationError::Malformed(own)),
        }
    }

    /// The place that an issuer's metadata names, from the place of the issuer itself. Metadata is an answer from
    /// outside: it leads neither into the own machine nor from `https` to `http`.
    pub(super) fn named_by(&self, url: &str, insecure_http: bool) -> Result<Self, LocationError> {
        let named = Self::parse(url, insecure_http)?;
        let comes_closer = named.is_own_machine() && !self.is_own_machine();
        let loses_tls = self.is_https() && !named.is_https() && !insecure_http;
        if comes_closer || loses_tls { Err(LocationError::LedAstray(url.to_owned())) } else { Ok(named) }
    }

    fn is_own_machine(&self) -> bool {
        self.0.host().is_some_and(is_own_machine)
    }

    pub(super) fn is_https(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }
}

/// What stands before an `@` may be a password.
fn without_user(url: &str) -> String {
    url.rsplit_once('@').map_or_else(|| url.to_owned(), |(_, rest)| format!("[redacted]@{rest}"))
}

/// `localhost` never leaves the machine (RFC 6761 §6.3).
fn is_own_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::{Location, LocationError};

    #[test]
    fn plain_http_stays_on_the_machine() {
        for good in
            ["http://127.0.0.1:80/k", "http://[::1]/k", "http://LOCALHOST:1/k", "https://shop.example/k"]
        {
            assert!(Location::parse(good, false).is_ok(), "{good}");
        }
        for bad in [
            "http://shop.example/k",
            "http://10.0.0.1/k",
            "http://localhost.example/k",
            "http://127.0.0.1.nip.io/",
        ] {
            assert_eq!(Location::parse(bad, false), Err(LocationError::Insecure(bad.to_owned())));
            assert!(Location::parse(bad, true).is_ok(), "{bad}");
        }
    }

    #[test]
    fn what_is_no_location_is_refused_without_its_password() {
        for bad in ["", "/k", "ftp://shop.example/k", "shop.example", "file:///etc/passwd", "https://a/k#b"] {
            assert!(matches!(Location::parse(bad, true), Err(LocationError::Malformed(_))), "{bad}");
        }
        let refused = Location::parse("https://ann:hunter2@shop.example/", true).unwrap_err();
        assert!(!refused.to_string().contains("hunter2"), "{refused}");
    }

    #[test]
    fn a_path_is_appended() {
        for (base, whole) in [
            ("http://127.0.0.1:1", "http://127.0.0.1:1/a/b"),
            ("http://127.0.0.1:1/", "http://127.0.0.1:1/a/b"),
            ("https://gateway.example/internal/", "https://gateway.example/internal/a/b"),
        ] {
            assert_eq!(Location::parse(base, false).unwrap().below("a/b").unwrap().uri().to_string(), whole);
        }
        assert!(Location::parse("https://gateway.example/?x=1", false).unwrap().below("a").is_err());
    }
}
