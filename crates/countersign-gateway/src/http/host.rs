//! Which host is this request for?
//!
//! Exactly one valid `Host` (RFC 9112 §3.2), and when the request target names an authority too (absolute form,
//! HTTP/2 `:authority`) both must say the same. RFC 9112 §3.2.2 would let the target win; a request that says two
//! things is refused here, because whoever stands before or behind us may have listened to the other one.

use std::{borrow::Cow, net::Ipv6Addr};

use http::{Uri, Version};

use super::{Fields, Several};
use crate::error::Refusal;

/// The host of a request: lower case, without port, IPv6 in brackets. Borrowed unless a letter had to be lowered.
///
/// # Errors
/// [`Refusal::HostInvalid`]: none, several, malformed, or contradicted by the request target.
pub fn check<'a>(uri: &'a Uri, fields: &'a Fields, version: Version) -> Result<Cow<'a, str>, Refusal> {
    let field = match fields.only(HOST).map_err(|Several| Refusal::HostInvalid)? {
        Some(value) => Some(parse(value).ok_or(Refusal::HostInvalid)?),
        None => None,
    };
    let target = match uri.authority() {
        Some(authority) => Some(parse(authority.as_str().as_bytes()).ok_or(Refusal::HostInvalid)?),
        None => None,
    };
    // HTTP/2 replaces `Host` by `:authority` (RFC 9113 §8.3.1); before it, `Host` is always needed.
    let one = match (target, field) {
        (Some(target), Some(field)) if agree(&target, &field, uri.scheme_str()) => target,
        (Some(target), None) if version >= Version::HTTP_2 => target,
        (None, Some(field)) => field,
        _ => return Err(Refusal::HostInvalid),
    };
    let host = std::str::from_utf8(one.host).map_err(|_| Refusal::HostInvalid)?;
    Ok(if one.host.iter().fold(false, |seen, byte| seen | byte.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    })
}

/// Whether the bytes are a host with an optional port, as one `Host` field may hold it. An empty `Host` is none.
#[must_use]
pub fn is_valid(value: &[u8]) -> bool {
    parse(value).is_some()
}

/// Whether a request is for the host and port of an origin: `https://shop.example`. False for what [`check`] refuses.
#[must_use]
pub fn is_of_origin(uri: &Uri, fields: &Fields, version: Version, origin: &str) -> bool {
    if check(uri, fields, version).is_err() {
        return false;
    }
    let sent = match uri.authority() {
        Some(authority) => Some(authority.as_str().as_bytes()),
        None => fields.first(HOST),
    };
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    match (parse(authority.as_bytes()), sent.and_then(parse)) {
        (Some(ours), Some(sent)) => agree(&ours, &sent, Some(scheme)),
        _ => false,
    }
}

const HOST: &[u8] = b"host";

/// Host and port as they were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct HostPort<'a> {
    host: &'a [u8],
    port: Option<u16>,
}

fn agree(target: &HostPort<'_>, field: &HostPort<'_>, scheme: Option<&str>) -> bool {
    let default = match scheme {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    };
    target.host.eq_ignore_ascii_case(field.host) && target.port.or(default) == field.port.or(default)
}

/// Reads `host [":" port]`. The host is a name of letters, digits, `-` and `_` with single dots between them, an IPv4
/// address, or an IPv6 address in brackets without zone; user information, percent-encoding and the dot at the end
/// are not let in.
fn parse(value: &[u8]) -> Option<HostPort<'_>> {
    let length = if value.first() == Some(&b'[') { ipv6_length(value)? } else { name_length(value)? };
    let (host, rest) = value.split_at_checked(length)?;
    let port = match rest {
        [] => None,
        [b':', digits @ ..] => Some(port(digits)?),
        _ => return None,
    };
    Some(HostPort { host, port })
}

/// The length of the name that the value begins with: labels that are not empty, with single dots between them.
fn name_length(value: &[u8]) -> Option<usize> {
    let mut last = Letter::Dot;
    let mut rest = value;
    while let [byte, behind @ ..] = rest {
        let letter = LETTERS.get(usize::from(*byte)).copied().unwrap_or(Letter::None);
        if letter == Letter::None {
            break;
        }
        if letter == Letter::Dot && last == Letter::Dot {
            return None;
        }
        last = letter;
        rest = behind;
    }
    let length = value.len() - rest.len();
    (last == Letter::OfLabel && length <= MAX_HOST_BYTES).then_some(length)
}

/// What a byte is in a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Letter {
    Dot,
    OfLabel,
    None,
}

const LETTERS: [Letter; 256] = {
    let mut table = [Letter::None; 256];
    let mut rest: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler; a byte is below 256")]
    while let [byte, tail @ ..] = rest {
        table[*byte as usize] = Letter::OfLabel;
        rest = tail;
    }
    #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler; a byte is below 256")]
    {
        table[b'.' as usize] = Letter::Dot;
    }
    table
};

/// The length of the address in brackets that the value begins with.
fn ipv6_length(value: &[u8]) -> Option<usize> {
    let end = value.iter().position(|byte| *byte == b']')?;
    std::str::from_utf8(value.get(1..end)?).ok()?.parse::<Ipv6Addr>().ok()?;
    Some(end + 1)
}

/// `u16::from_str` would take a sign, too.
fn port(digits: &[u8]) -> Option<u16> {
    let (first, rest) = digits.split_first()?;
    let value = |byte: &u8| byte.is_ascii_digit().then(|| u16::from(byte - b'0'));
    rest.iter().try_fold(value(first)?, |port, digit| port.checked_mul(10)?.checked_add(value(digit)?))
}

/// Longest host name of the DNS (RFC 1035 §2.3.4).
const MAX_HOST_BYTES: usize = 255;

#[cfg(test)]
mod tests {
    use super::{check, is_valid};
    use std::borrow::Cow;

    use http::{Uri, Version};

    use crate::{error::Refusal, testing::fields};

    fn verdict(uri: &str, hosts: &[&str], version: Version) -> Result<String, Refusal> {
        let hosts: Vec<_> = hosts.iter().map(|host| ("Host", *host)).collect();
        check(&uri.parse::<Uri>().unwrap(), &fields(&hosts), version).map(Cow::into_owned)
    }

    #[test]
    fn one_host_is_taken() {
        for (host, expected) in [
            ("shop.example", "shop.example"),
            ("Shop.Example:8080", "shop.example"),
            ("localhost", "localhost"),
            ("127.0.0.1:1", "127.0.0.1"),
            ("[::1]:8080", "[::1]"),
            ("[2001:DB8::1]", "[2001:db8::1]"),
            ("under_score.example", "under_score.example"),
        ] {
            assert_eq!(verdict("/a", &[host], Version::HTTP_11).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn a_lower_case_host_is_borrowed() {
        let fields = fields(&[("host", "shop.example:80")]);
        let uri = Uri::from_static("/");
        assert!(matches!(check(&uri, &fields, Version::HTTP_11), Ok(Cow::Borrowed("shop.example"))));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for host in [
            "",
            " ",
            "a b",
            "a,b",
            "user@shop.example",
            "shop.example.",
            ".shop.example",
            "shop..example",
            "shop.example:",
            "shop.example:+80",
            "shop.example:65536",
            "shop.example:80:80",
            "shop.example/admin",
            "shop.example?x",
            "shop%2eexample",
            "[::1",
            "[::1]x",
            "[fe80::1%25eth0]",
            "[shop.example]",
            "::1",
        ] {
            assert!(!is_valid(host.as_bytes()), "{host}");
            assert_eq!(verdict("/", &[host], Version::HTTP_11), Err(Refusal::HostInvalid), "{host}");
        }
        assert!(!is_valid("caf\u{e9}.example".as_bytes()));
        assert!(!is_valid(b"\xff"));
        assert!(!is_valid("a".repeat(256).as_bytes()));
    }

    #[test]
    fn none_and_two_are_refused() {
        assert_eq!(verdict("/", &[], Version::HTTP_11), Err(Refusal::HostInvalid));
        assert_eq!(verdict("/", &[], Version::HTTP_2), Err(Refusal::HostInvalid));
        assert_eq!(verdict("/", &["a", "b"], Version::HTTP_11), Err(Refusal::HostInvalid));
        assert_eq!(verdict("/", &["a", "a"], Version::HTTP_11), Err(Refusal::HostInvalid));
    }

    #[test]
    fn target_and_field_must_agree() {
        for (uri, host, version, good) in [
            ("http://shop.example/a", "shop.example", Version::HTTP_11, true),
            ("http://shop.example/a", "SHOP.example:80", Version::HTTP_11, true),
            ("https://shop.example:443/a", "shop.example", Version::HTTP_2, true),
            ("http://shop.example:8080/a", "shop.example:8080", Version::HTTP_11, true),
            ("http://shop.example:8080/a", "shop.example", Version::HTTP_11, false),
            ("http://evil.example/a", "shop.example", Version::HTTP_11, false),
            ("http://user@shop.example/a", "shop.example", Version::HTTP_11, false),
        ] {
            assert_eq!(verdict(uri, &[host], version).is_ok(), good, "{uri} {host}");
        }
        assert_eq!(verdict("http://a.example/", &[], Version::HTTP_11), Err(Refusal::HostInvalid));
        assert_eq!(verdict("http://a.example/", &[], Version::HTTP_2).as_deref(), Ok("a.example"));
        assert_eq!(
            verdict("http://a.example/", &["a.example", "a.example"], Version::HTTP_2),
            Err(Refusal::HostInvalid)
        );
    }
}
