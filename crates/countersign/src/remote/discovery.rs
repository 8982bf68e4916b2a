//! From an issuer to its key set: OpenID Connect Discovery 1.0 §4 and RFC 8414 §3. Pure.

use serde::Deserialize;

use crate::Issuer;

use super::{FetchError, LocationError, location::Location};

/// How the key set is found.
#[derive(Debug, Clone)]
pub(super) enum Where {
    /// In the metadata of that issuer.
    Discovered { issuer: Issuer, metadata: Vec<Location> },
    /// Known.
    Given(Location),
}

/// Where the metadata of an issuer may be: `OpenID` Connect appends to the path, RFC 8414 inserts before it.
pub(super) fn metadata_locations(
    issuer: &Issuer,
    insecure_http: bool,
) -> Result<Vec<Location>, LocationError> {
    let whole = issuer.as_str();
    let uri = Location::parse(whole, insecure_http)?.uri().clone();
    if uri.query().is_some() {
        return Err(LocationError::Malformed(whole.to_owned()));
    }
    let path = uri.path().trim_end_matches('/');
    let (scheme, authority) =
        (uri.scheme_str().unwrap_or_default(), uri.authority().map_or("", |a| a.as_str()));
    let origin = format!("{scheme}://{authority}");
    [
        format!("{origin}{path}/.well-known/openid-configuration"),
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
    ]
    .iter()
    .map(|url| Location::parse(url, insecure_http))
    .collect()
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

/// The key set's location, if the metadata is this issuer's.
pub(super) fn key_set_location(
    metadata: &[u8],
    issuer: &Issuer,
    insecure_http: bool,
) -> Result<Location, FetchError> {
    let metadata: Metadata = serde_json::from_slice(metadata).map_err(|_| FetchError::Metadata)?;
    if issuer != metadata.issuer.as_str() {
        return Err(FetchError::OtherIssuer);
    }
    let issuer = Location::parse(issuer.as_str(), insecure_http).map_err(FetchError::Location)?;
    issuer.named_by(&metadata.jwks_uri, insecure_http).map_err(FetchError::Location)
}

#[cfg(test)]
mod tests {
    use super::{FetchError, LocationError, key_set_location, metadata_locations};

    #[test]
    fn metadata_is_looked_for_where_both_standards_put_it() {
        let urls = |issuer: &str| {
            let locations = metadata_locations(&issuer.into(), false).unwrap();
            locations.iter().map(|location| location.uri().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            urls("https://shop.example"),
            [
                "https://shop.example/.well-known/openid-configuration",
                "https://shop.example/.well-known/oauth-authorization-server"
            ]
        );
        assert_eq!(
            urls("https://shop.example/tenant/a/"),
            [
                "https://shop.example/tenant/a/.well-known/openid-configuration",
                "https://shop.example/.well-known/oauth-authorization-server/tenant/a"
            ]
        );
        assert!(metadata_locations(&"https://shop.example?a=b".into(), false).is_err());
        assert!(metadata_locations(&"http://shop.example".into(), false).is_err());
    }

    #[test]
    fn metadata_of_another_issuer_is_not_used() {
        let issuer = "https://shop.example".into();
        let found = |text: &str| key_set_location(text.as_bytes(), &issuer, false);
        let good = r#"{"issuer":"https://shop.example","jwks_uri":"https://keys.example/k","x":1}"#;
        assert_eq!(found(good).unwrap().uri(), "https://keys.example/k");
        for other in ["https://shop.example/", "https://SHOP.example", "https://evil.example"] {
            let text = good.replace("https://shop.example", other);
            assert!(matches!(found(&text), Err(FetchError::OtherIssuer)), "{other}");
        }
        assert!(matches!(found("<html>"), Err(FetchError::Metadata)));
        assert!(matches!(found(r#"{"issuer":"https://shop.example"}"#), Err(FetchError::Metadata)));
        let plain = good.replace("https://keys", "http://keys");
        assert!(matches!(found(&plain), Err(FetchError::Location(LocationError::Insecure(_)))));
    }

    #[test]
    fn metadata_leads_neither_into_the_own_machine_nor_away_from_https() {
        let found = |issuer: &str, keys: &str, insecure_http: bool| {
            let metadata = format!(r#"{{"issuer":"{issuer}","jwks_uri":"{keys}"}}"#);
            key_set_location(metadata.as_bytes(), &issuer.into(), insecure_http)
        };
        let shop = "https://shop.example";
        for keys in [
            "http://127.0.0.1:8500/v1/kv",
            "http://localhost/k",
            "http://[::1]/k",
            "https://127.0.0.1/k",
            "https://LOCALHOST/k",
        ] {
            for (issuer, insecure_http) in [(shop, false), (shop, true), ("http://shop.example", true)] {
                let led = found(issuer, keys, insecure_http);
                let is_refused = matches!(led, Err(FetchError::Location(LocationError::LedAstray(_))));
                assert!(is_refused, "{issuer} {keys}");
            }
        }
        let plain = found("https://localhost:8443", "http://localhost:8080/k", false);
        assert!(matches!(plain, Err(FetchError::Location(LocationError::LedAstray(_)))));
        for (issuer, keys, insecure_http) in [
            (shop, "https://keys.example/k", false),
            (shop, "http://keys.example/k", true),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8081/k", false),
            ("http://127.0.0.1:8080", "https://keys.example/k", false),
        ] {
            assert!(found(issuer, keys, insecure_http).is_ok(), "{issuer} {keys}");
        }
    }
}
