//! What a page of another origin may send and read (Fetch §3.2).
//!
//! 1. An origin is allowed by its exact bytes, and `null` never is. Nothing is reflected that is not on the list.
//! 2. An allowed origin may send the cookie, and reads the gateway's own headers, of refusals too: a 401 that a page
//!    cannot read is no log-in prompt.
//! 3. Preflights carry no credential. The gateway answers those of allowed origins itself; they are kept for ten
//!    minutes.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};

use super::{Fields, Several};
use crate::error::Refusal;

/// The longest list of header names that a preflight may ask for.
const MAX_REQUESTED_BYTES: usize = 1024;
const ORIGIN: &[u8] = b"origin";
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Countersign-Decision, Countersign-Forwarded, Countersign-Refused, Retry-After, WWW-Authenticate",
);
/// What a preflight's answer depends on.
const PREFLIGHT_VARY: HeaderValue =
    HeaderValue::from_static("Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
const TRUE: HeaderValue = HeaderValue::from_static("true");

/// The `Origin` of a request, if it is one of those allowed.
#[must_use]
pub fn allowed_origin(fields: &Fields, allowed: &[String]) -> Option<HeaderValue> {
    if allowed.is_empty() {
        return None;
    }
    let origin = fields.only(ORIGIN).ok().flatten()?;
    let is_allowed = origin != b"null" && allowed.iter().any(|allowed| origin == allowed.as_bytes());
    HeaderValue::from_bytes(origin).ok().filter(|_| is_allowed)
}

/// Whether a browser asks if it may send a request (Fetch §3.2.2).
#[must_use]
pub fn is_preflight(method: &Method, fields: &Fields) -> bool {
    *method == Method::OPTIONS && fields.has(ORIGIN) && fields.has(b"access-control-request-method")
}

/// Lets a page of that origin read an answer. What the answer said about it before is replaced; what it exposes
/// besides stays.
pub fn allow(answer: &mut Fields, origin: &HeaderValue) {
    answer.set(&header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    answer.set(&header::ACCESS_CONTROL_ALLOW_CREDENTIALS, &TRUE);
    answer.add(&header::ACCESS_CONTROL_EXPOSE_HEADERS, &EXPOSED);
    vary_by_origin(answer);
}

/// Takes from a service's answer the permission to read it with the cookie: only the allow-list gives that.
pub fn withdraw(answer: &mut Fields) {
    answer.remove(b"access-control-allow-credentials");
}

/// The answer to a preflight of an allowed origin.
#[must_use]
pub fn preflight(origin: HeaderValue, methods: HeaderValue, names: Option<HeaderValue>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    if let Some(names) = names {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
    }
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, PREFLIGHT_VARY);
    response
}

/// The header names that a preflight asks for, to be granted to an allowed origin.
///
/// # Errors
/// [`Refusal::ParameterInvalid`]: several fields, more than 1 KiB, or something that is not a list of names.
pub fn requested_names(fields: &Fields) -> Result<Option<HeaderValue>, Refusal> {
    let only = fields.only(b"access-control-request-headers");
    let Some(value) = only.map_err(|Several| Refusal::ParameterInvalid)? else { return Ok(None) };
    let is_name = |name: &[u8]| HeaderName::from_bytes(name.trim_ascii()).is_ok();
    let is_list = value.is_empty() || value.split(|byte| *byte == b',').all(is_name);
    if value.len() > MAX_REQUESTED_BYTES || !is_list {
        return Err(Refusal::ParameterInvalid);
    }
    HeaderValue::from_bytes(value).map(Some).map_err(|_| Refusal::ParameterInvalid)
}

/// In one field: some caches read only one.
fn vary_by_origin(answer: &mut Fields) {
    let mut all: Vec<&[u8]> = answer.all(b"vary").collect();
    let names = |value: &&[u8], name: &[u8]| {
        value.split(|byte| *byte == b',').any(|member| member.trim_ascii().eq_ignore_ascii_case(name))
    };
    if all.iter().any(|value| names(value, b"*") || (all.len() == 1 && names(value, b"origin"))) {
        return;
    }
    all.push(b"Origin");
    // What is joined of valid values is valid; should it not be, `*` keeps the answer from being shared.
    let merged = HeaderValue::from_maybe_shared(Bytes::from(all.join(&b", "[..])));
    answer.set(&header::VARY, &merged.unwrap_or(HeaderValue::from_static("*")));
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method, header};

    use super::{allow, allowed_origin, is_preflight, requested_names};
    use crate::{error::Refusal, http::Fields, testing::fields as head};

    #[test]
    fn an_origin_is_allowed_by_its_bytes() {
        let allowed = ["https://app.example".to_owned(), "null".to_owned()];
        for (fields, expected) in [
            (&[("origin", "https://app.example")][..], true),
            (&[], false),
            (&[("origin", "null")], false),
            (&[("origin", "https://app.example.evil.example")], false),
            (&[("origin", "https://APP.example")], false),
            (&[("origin", "https://app.example:443")], false),
            (&[("origin", "https://app.example https://app.example")], false),
            (&[("origin", "https://app.example"), ("origin", "https://app.example")], false),
        ] {
            assert_eq!(allowed_origin(&head(fields), &allowed).is_some(), expected, "{fields:?}");
        }
        assert_eq!(allowed_origin(&head(&[("origin", "https://app.example")]), &[]), None);
    }

    #[test]
    fn a_preflight_has_three_marks() {
        let full = [("origin", "https://a"), ("access-control-request-method", "PUT")];
        assert!(is_preflight(&Method::OPTIONS, &head(&full)));
        assert!(!is_preflight(&Method::GET, &head(&full)));
        assert!(!is_preflight(&Method::OPTIONS, &head(&full[..1])));
        assert!(!is_preflight(&Method::OPTIONS, &head(&full[1..])));
    }

    #[test]
    fn what_the_service_said_is_replaced() {
        let mut fields = head(&[
            ("access-control-allow-origin", "*"),
            ("access-control-expose-headers", "X-Total"),
            ("vary", "Cookie"),
            ("vary", "Accept"),
        ]);
        allow(&mut fields, &HeaderValue::from_static("https://app.example"));
        allow(&mut fields, &HeaderValue::from_static("https://app.example"));
        let answer = HeaderMap::from(fields);
        let all = |name| answer.get_all(name).iter().map(|v| v.to_str().unwrap()).collect::<Vec<_>>();
        assert_eq!(all(header::ACCESS_CONTROL_ALLOW_ORIGIN), ["https://app.example"]);
        assert_eq!(all(header::ACCESS_CONTROL_ALLOW_CREDENTIALS), ["true"]);
        assert_eq!(all(header::VARY), ["Cookie, Accept, Origin"]);
        assert_eq!(all(header::ACCESS_CONTROL_EXPOSE_HEADERS)[0], "X-Total");
    }

    #[test]
    fn a_preflight_asks_for_few_names() {
        let name = "access-control-request-headers";
        let of = |value: &str| requested_names(&head(&[(name, value)]));
        assert_eq!(requested_names(&Fields::default()), Ok(None));
        assert!(of("countersign, x-request-id").unwrap().is_some());
        assert!(of("").unwrap().is_some());
        for bad in ["a b", "a,,b", "x: y", &"x".repeat(1025)] {
            assert_eq!(of(bad), Err(Refusal::ParameterInvalid), "{bad}");
        }
        assert_eq!(requested_names(&head(&[(name, "a"), (name, "b")])), Err(Refusal::ParameterInvalid));
    }
}
