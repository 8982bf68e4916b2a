//! Does this request come from one of our pages?
//!
//! A browser sends the session cookie with requests that other sites make, too. For a request that is let in by a
//! cookie and changes something, one of these must hold (RFC 10017 §6.1.3.3, Fetch Metadata):
//!
//! 1. `Sec-Fetch-Site: same-origin`: the browser itself says so, and no script can write this field;
//! 2. `Origin` is ours or one of the allowed ones, byte for byte.
//!
//! Neither field is a refusal, and so is either of them twice. `Sec-Fetch-Site: none` (address bar, bookmark) is no
//! proof: a navigation the user started is always a `GET`, so an unsafe method with `none` comes from something that
//! is not a page of ours. `Origin: null` is never ours; together with `same-origin` it passes by rule 1, as a page
//! with `Referrer-Policy: no-referrer` sends it.
//!
//! Call it only when the credential is the cookie: nobody can make a browser send a bearer token.

use http::Method;

use super::{Fields, Several};
use crate::error::Refusal;

/// What counts as one of our pages.
#[derive(Debug, Clone, Copy)]
pub struct CsrfRules<'a> {
    /// The origin of our pages as a browser writes it: `https://shop.example`, no default port, no slash. It
    /// comes from the issuer, never from `Host`.
    pub own_origin: &'a str,
    /// Origins of other sites, written the same way.
    pub allowed_origins: &'a [String],
    /// The header `Countersign: 1` is needed as well. A page of another site can't send it without being asked
    /// first (CORS preflight).
    pub require_countersign_header: bool,
}

/// Checks a request that carries the session cookie. Safe methods (RFC 9110 §9.2.1) pass unless the request asks
/// for an upgrade: a WebSocket is opened with `GET`, from any site, with the cookie.
///
/// # Errors
/// [`Refusal::Csrf`] or [`Refusal::CountersignHeaderMissing`].
pub fn check(
    method: &Method,
    fields: &Fields,
    rules: &CsrfRules<'_>,
    is_upgrade: bool,
) -> Result<(), Refusal> {
    if is_safe(method) && !is_upgrade {
        return Ok(());
    }
    if !from_our_page(fields, rules)? {
        return Err(Refusal::Csrf);
    }
    // A browser's WebSocket cannot set a header; its proof is the origin.
    if rules.require_countersign_header && !is_upgrade {
        check_countersign_header(fields)?;
    }
    Ok(())
}

/// Checks a request to the gateway's own session endpoints, reading ones included: what they answer is the session.
///
/// Stricter than [`check`]: an `Origin` that is there must be ours or allowed, whatever `Sec-Fetch-Site` says; where
/// there is none, the browser must say `same-origin` **and** the request be for a host of ours. A page on a name that
/// an attacker makes resolve to the gateway is `same-origin` with itself, and gets a cookie whose `Domain` is a
/// parent of that name.
///
/// # Errors
/// [`Refusal::Csrf`].
pub fn check_page(fields: &Fields, rules: &CsrfRules<'_>, host_is_ours: bool) -> Result<(), Refusal> {
    let site = only(fields, SEC_FETCH_SITE)?;
    let is_ours = match only(fields, ORIGIN)? {
        Some(origin) => rules.knows(origin),
        None => host_is_ours && site.is_some_and(|site| site == b"same-origin"),
    };
    if is_ours { Ok(()) } else { Err(Refusal::Csrf) }
}

/// What a refused request would have needed, for logs and `explain`.
pub(crate) fn missing(own_origin: &str) -> String {
    format!("no `Origin` or `Sec-Fetch-Site` of ours: expected `Origin: {own_origin}`")
}

/// Checks that there is exactly one header `Countersign`, with the value `1`.
///
/// # Errors
/// [`Refusal::CountersignHeaderMissing`].
pub fn check_countersign_header(fields: &Fields) -> Result<(), Refusal> {
    match only(fields, b"countersign") {
        Ok(Some(b"1")) => Ok(()),
        _ => Err(Refusal::CountersignHeaderMissing),
    }
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn from_our_page(fields: &Fields, rules: &CsrfRules<'_>) -> Result<bool, Refusal> {
    let site = only(fields, SEC_FETCH_SITE)?;
    let origin = only(fields, ORIGIN)?;
    if site.is_some_and(|site| site == b"same-origin") {
        return Ok(true);
    }
    let Some(origin) = origin else { return Ok(false) };
    Ok(rules.knows(origin))
}

impl CsrfRules<'_> {
    /// Whether an `Origin` is ours or allowed. `null` never is.
    fn knows(&self, origin: &[u8]) -> bool {
        origin != b"null"
            && (origin == self.own_origin.as_bytes()
                || self.allowed_origins.iter().any(|allowed| origin == allowed.as_bytes()))
    }
}

/// The value of a header that may occur once.
fn only<'a>(fields: &'a Fields, name: &[u8]) -> Result<Option<&'a [u8]>, Refusal> {
    fields.only(name).map_err(|Several| Refusal::Csrf)
}

const ORIGIN: &[u8] = b"origin";
const SEC_FETCH_SITE: &[u8] = b"sec-fetch-site";

#[cfg(test)]
mod tests {
    use super::{CsrfRules, check, check_countersign_header, check_page};
    use http::Method;

    use crate::{error::Refusal, testing::fields as head};

    fn verdict(
        method: &Method,
        fields: &[(&'static str, &'static str)],
        is_upgrade: bool,
    ) -> Result<(), Refusal> {
        let allowed = ["https://partner.example".to_owned(), "null".to_owned()];
        let rules = CsrfRules {
            own_origin: "https://shop.example",
            allowed_origins: &allowed,
            require_countersign_header: false,
        };
        check(method, &head(fields), &rules, is_upgrade)
    }

    #[test]
    fn safe_methods_pass_without_proof() {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            assert_eq!(verdict(&method, &[("sec-fetch-site", "cross-site")], false), Ok(()));
        }
    }

    #[test]
    fn one_proof_is_enough() {
        for fields in [
            &[("sec-fetch-site", "same-origin")][..],
            &[("origin", "https://shop.example")],
            &[("origin", "https://partner.example"), ("sec-fetch-site", "cross-site")],
            &[("origin", "null"), ("sec-fetch-site", "same-origin")],
        ] {
            assert_eq!(verdict(&Method::POST, fields, false), Ok(()), "{fields:?}");
            assert_eq!(verdict(&Method::GET, fields, true), Ok(()), "{fields:?}");
        }
    }

    #[test]
    fn no_proof_is_a_refusal() {
        for fields in [
            &[][..],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "Same-Origin")],
            &[("sec-fetch-site", "same-origin, same-origin")],
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")],
            &[("origin", "null")],
            &[("origin", "https://shop.example.evil.example")],
            &[("origin", "https://sub.shop.example")],
            &[("origin", "http://shop.example")],
            &[("origin", "https://shop.example:8443")],
            &[("origin", "https://shop.example https://evil.example")],
            &[("origin", "https://shop.example"), ("origin", "https://shop.example")],
            &[("origin", "https://evil.example"), ("sec-fetch-site", "same-site")],
            &[("content-type", "text/plain"), ("referer", "https://shop.example/")],
        ] {
            for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                assert_eq!(verdict(&method, fields, false), Err(Refusal::Csrf), "{fields:?}");
            }
            let custom = Method::from_bytes(b"get").unwrap();
            assert_eq!(verdict(&custom, fields, false), Err(Refusal::Csrf), "{fields:?}");
            assert_eq!(verdict(&Method::GET, fields, true), Err(Refusal::Csrf), "{fields:?}");
        }
    }

    #[test]
    fn a_page_of_ours_says_so_in_one_way() {
        let allowed = ["https://partner.example".to_owned()];
        let rules = CsrfRules {
            own_origin: "https://shop.example",
            allowed_origins: &allowed,
            require_countersign_header: true,
        };
        for (fields, on_our_host, elsewhere) in [
            (&[][..], false, false),
            (&[("sec-fetch-site", "same-origin")], true, false),
            (&[("sec-fetch-site", "same-site")], false, false),
            (&[("sec-fetch-site", "none")], false, false),
            (&[("origin", "https://shop.example")], true, true),
            (&[("origin", "https://partner.example"), ("sec-fetch-site", "cross-site")], true, true),
            (&[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")], false, false),
            (&[("origin", "null"), ("sec-fetch-site", "same-origin")], false, false),
            (&[("origin", "https://shop.example"), ("origin", "https://shop.example")], false, false),
            (&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")], false, false),
        ] {
            for (host_is_ours, passes) in [(true, on_our_host), (false, elsewhere)] {
                let expected = if passes { Ok(()) } else { Err(Refusal::Csrf) };
                assert_eq!(check_page(&head(fields), &rules, host_is_ours), expected, "{fields:?}");
            }
        }
    }

    #[test]
    fn the_static_header_is_exactly_one_one() {
        let good = head(&[("countersign", "1")]);
        assert_eq!(check_countersign_header(&good), Ok(()));
        for fields in [&[][..], &[("countersign", "0")], &[("countersign", "1"), ("countersign", "1")]] {
            assert_eq!(check_countersign_header(&head(fields)), Err(Refusal::CountersignHeaderMissing));
        }
        let rules =
            CsrfRules { own_origin: "https://a", allowed_origins: &[], require_countersign_header: true };
        let fields = head(&[("origin", "https://a")]);
        assert_eq!(check(&Method::POST, &fields, &rules, false), Err(Refusal::CountersignHeaderMissing));
        assert_eq!(check(&Method::GET, &fields, &rules, true), Ok(()));
        let fields = head(&[("origin", "https://a"), ("countersign", "1")]);
        assert_eq!(check(&Method::POST, &fields, &rules, false), Ok(()));
    }
}
