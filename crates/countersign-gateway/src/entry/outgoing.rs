//! The head of a request, made ready for a service: HTTP/1.1, origin form, one `Host`, one `Cookie`.
//!
//! The path is never rewritten but for the prefix a route strips: what was decided is, byte for byte, what is sent.
//! A fragment in `:path` is the exception: h2 drops it before anybody here sees it, so that it is neither decided nor
//! sent. HTTP/1.1 refuses one.

use http::{
    HeaderValue, Uri, Version,
    header::{COOKIE, HOST},
    uri::PathAndQuery,
};

use crate::{
    error::Refusal,
    http::{Fields, Parts, Several},
    http1::length,
    route::Route,
};

/// The length that the head tells. HTTP/1.1 heads have passed the head guard; HTTP/2 may still say one length twice, or
/// in a form that the next reader takes for another number.
///
/// # Errors
/// [`Refusal::Framing`] for two fields, and for anything but digits without a leading zero.
pub fn content_length(fields: &Fields) -> Result<Option<u64>, Refusal> {
    let only = fields.only(b"content-length").map_err(|Several| Refusal::Framing)?;
    let Some(digits) = only else { return Ok(None) };
    let is_plain = digits.iter().all(u8::is_ascii_digit) && (digits == b"0" || !digits.starts_with(b"0"));
    let length = if is_plain { length(digits) } else { None };
    length.map(Some).ok_or(Refusal::Framing)
}

/// Makes the head ready.
///
/// # Errors
/// [`Refusal::Bug`] if what is left of a valid target after the prefix is not a target.
pub fn prepare(parts: &mut Parts, route: &Route) -> Result<(), Refusal> {
    if let Some(authority) = parts.uri.authority() {
        // RFC 9112 §3.2.2 and RFC 9113 §8.3.1: the authority of the target overrules `Host`.
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Refusal::HostInvalid)?;
        parts.fields.set(&HOST, &host);
    }
    if parts.version == Version::HTTP_2 {
        join_cookies(&mut parts.fields);
    }
    parts.version = Version::HTTP_11;
    if route.config.strip_prefix {
        parts.uri = without_prefix(&parts.uri, &route.config.path)?;
    } else if parts.uri.authority().is_some() {
        let target = parts.uri.path_and_query().cloned();
        parts.uri = Uri::from(target.unwrap_or_else(|| PathAndQuery::from_static("/")));
    }
    Ok(())
}

/// A client may split the cookie over several fields (RFC 9113 §8.2.3); HTTP/1.1 knows one.
fn join_cookies(fields: &mut Fields) {
    let name = COOKIE.as_str().as_bytes();
    if fields.only(name) == Err(Several) {
        let joined = fields.all(name).collect::<Vec<_>>().join(&b"; "[..]);
        if let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(joined)) {
            fields.set(&COOKIE, &value);
        }
    }
}

/// The route's prefix ends in `/`, which stays: `/orders/7?x=1` becomes `/7?x=1`.
fn without_prefix(uri: &Uri, prefix: &str) -> Result<Uri, Refusal> {
    let target = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let stripped = target.strip_prefix(prefix.trim_end_matches('/')).ok_or(Refusal::Bug)?;
    PathAndQuery::try_from(stripped).map(Uri::from).map_err(|_| Refusal::Bug)
}

#[cfg(test)]
mod tests {
    use http::{Request, Version};

    use super::{content_length, prepare};
    use crate::{
        error::Refusal,
        http::Parts,
        route::RouteTable,
        testing::{fields, policy, route},
    };

    fn prepared(uri: &str, version: Version, strip: bool) -> Parts {
        let mut config = route("/orders/");
        config.strip_prefix = strip;
        let table = RouteTable::new(&[config], policy);
        let request = Request::get(uri)
            .version(version)
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .header("host", "spoofed.example");
        let mut parts = Parts::from(request.body(()).unwrap().into_parts().0);
        prepare(&mut parts, table.find("x", "/orders/").unwrap()).unwrap();
        parts
    }

    #[test]
    fn absolute_form_becomes_origin_form_and_overrules_host() {
        let parts = prepared("http://shop.example:81/orders/7?x=%2F", Version::HTTP_11, false);
        assert_eq!(parts.uri.to_string(), "/orders/7?x=%2F");
        assert_eq!(parts.fields.only(b"host"), Ok(Some(&b"shop.example:81"[..])));
        assert_eq!(parts.fields.all(b"cookie").count(), 2);
    }

    #[test]
    fn a_length_has_one_form() {
        for (values, expected) in [
            (&[][..], Ok(None)),
            (&["0"], Ok(Some(0))),
            (&["17"], Ok(Some(17))),
            (&["5", "5"], Err(Refusal::Framing)),
            (&["005"], Err(Refusal::Framing)),
            (&["+5"], Err(Refusal::Framing)),
            (&[""], Err(Refusal::Framing)),
            (&["99999999999999999999"], Err(Refusal::Framing)),
        ] {
            let values: Vec<_> = values.iter().map(|value| ("content-length", *value)).collect();
            assert_eq!(content_length(&fields(&values)), expected, "{values:?}");
        }
    }

    #[test]
    fn http2_becomes_http1() {
        let parts = prepared("https://shop.example/orders/7", Version::HTTP_2, false);
        assert_eq!((parts.uri.to_string().as_str(), parts.version), ("/orders/7", Version::HTTP_11));
        assert_eq!(parts.fields.only(b"host"), Ok(Some(&b"shop.example"[..])));
        assert_eq!(parts.fields.only(b"cookie"), Ok(Some(&b"a=1; b=2"[..])));
    }

    #[test]
    fn a_stripped_prefix_leaves_the_rest_as_it_was() {
        for (before, after) in [
            ("/orders/7?x=1", "/7?x=1"),
            ("/orders/", "/"),
            ("/orders/?q", "/?q"),
            ("/orders/orders/", "/orders/"),
        ] {
            assert_eq!(prepared(before, Version::HTTP_11, true).uri.to_string(), after);
        }
    }
}
