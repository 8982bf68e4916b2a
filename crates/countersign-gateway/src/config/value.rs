//! Texts of the configuration → values. Pure; says what is wrong, never where.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use http::{HeaderName, Method, Uri};
use ipnet::IpNet;

use crate::config::resolved::{ClaimPath, ClaimRoot, UpstreamOrigin, UpstreamProtocol};

/// Why a text is not the value it should be, as a phrase: `has no unit`.
pub(super) type Problem = &'static str;

/// `250ms`, `30s`, `5m`, `8h`, `7d`: one whole number and one unit.
pub(super) fn duration(text: &str) -> Result<Duration, Problem> {
    let (number, unit) = number_and_unit(text)?;
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "" => return Err("has no unit"),
        _ => return Err("has an unknown unit"),
    };
    number.checked_mul(milliseconds).map(Duration::from_millis).ok_or("is too large")
}

/// `512B`, `32KiB`, `16MiB`, `1GiB`: one whole number and one unit.
pub(super) fn size(text: &str) -> Result<u64, Problem> {
    let (number, unit) = number_and_unit(text)?;
    let bytes: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "" => return Err("has no unit"),
        _ => return Err("has an unknown unit"),
    };
    number.checked_mul(bytes).ok_or("is too large")
}

fn number_and_unit(text: &str) -> Result<(u64, &str), Problem> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).ok_or("is not a number with a unit")?;
    if number.is_empty() {
        return Err("is not a number with a unit");
    }
    Ok((number.parse().map_err(|_| "is too large")?, unit))
}

/// Whether a host of a URL is this machine: `localhost`, `*.localhost` or a loopback address.
pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    match bare.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => {
            let lower = bare.to_ascii_lowercase();
            lower == "localhost" || lower.ends_with(".localhost")
        }
    }
}

/// An absolute `http` or `https` URL without user, password and fragment.
pub(super) fn url(text: &str) -> Result<Uri, Problem> {
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("has a character that a URL cannot hold");
    }
    if text.contains('#') {
        return Err("has a fragment");
    }
    let uri: Uri = text.parse().map_err(|_| "is not a URL")?;
    match uri.scheme_str() {
        Some("http" | "https") => {}
        Some(_) => return Err("has another scheme than `http` or `https`"),
        None => return Err("has no scheme"),
    }
    let authority = uri.authority().ok_or("has no host")?;
    if authority.as_str().contains('@') {
        return Err("holds a user name or password, which does not belong in a URL");
    }
    host_and_port(authority.as_str())?;
    Ok(uri)
}

/// An IP address and a port.
pub(super) fn address(text: &str) -> Result<SocketAddr, Problem> {
    if text.starts_with("localhost:") || text.starts_with(':') {
        return Err("has no IP address");
    }
    text.parse().map_err(|_| "is not an IP address and port")
}

/// Whether a URL may be spoken to without TLS: it is `https`, or this machine.
pub(super) fn is_private(uri: &Uri) -> bool {
    uri.scheme_str() == Some("https") || uri.host().is_some_and(is_loopback)
}

/// Scheme, host and port alone, in the form a browser sends in `Origin` (RFC 6454 §6.2).
pub(super) fn origin(text: &str) -> Result<String, Problem> {
    let uri = url(text)?;
    if text.ends_with('/') {
        return Err("ends with `/`");
    }
    if uri.path() != "/" || uri.query().is_some() {
        return Err("has a path or query");
    }
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err("has upper case letters");
    }
    if !is_private(&uri) {
        return Err("is plain HTTP beyond loopback");
    }
    let default_port = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    if uri.port_u16() == Some(default_port) {
        return Err("names the default port of its scheme");
    }
    Ok(text.to_owned())
}

/// Scheme, host and port of a service.
pub(super) fn upstream(text: &str) -> Result<UpstreamOrigin, Problem> {
    let (scheme, rest) = text.split_once("://").ok_or("has no scheme")?;
    let (protocol, default_port) = match scheme {
        "http" => (UpstreamProtocol::Http1, 80),
        "https" => (UpstreamProtocol::Tls, 443),
        "h2c" => (UpstreamProtocol::Http2PriorKnowledge, 80),
        _ => return Err("has another scheme than `http`, `https` or `h2c`"),
    };
    if rest.contains('@') {
        return Err("holds a user name or password, which does not belong in a URL");
    }
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '?', '#']) {
        return Err("has a path or query");
    }
    let (host, port) = host_and_port(authority)?;
    Ok(UpstreamOrigin {
        protocol,
        host: host.to_ascii_lowercase().into(),
        port: port.unwrap_or(default_port),
    })
}

/// Host without brackets and port, of `host`, `host:port`, `[v6]` or `[v6]:port`.
fn host_and_port(authority: &str) -> Result<(&str, Option<u16>), Problem> {
    let (host, rest) = if let Some(inside) = authority.strip_prefix('[') {
        let (host, rest) = inside.split_once(']').ok_or("has no `]` behind its address")?;
        host.parse::<std::net::Ipv6Addr>().map_err(|_| "has no IPv6 address between `[` and `]`")?;
        (host, rest)
    } else {
        let end = authority.find(':').unwrap_or(authority.len());
        let (host, rest) = authority.split_at_checked(end).ok_or("has no host")?;
        host_name(host)?;
        (host, rest)
    };
    if rest.is_empty() {
        return Ok((host, None));
    }
    let digits = rest.strip_prefix(':').ok_or("has something behind its address")?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("has a port that is not a number");
    }
    match digits.parse() {
        Ok(0) | Err(_) => Err("has a port that is not from 1 to 65535"),
        Ok(port) => Ok((host, Some(port))),
    }
}

/// A DNS name or IPv4 address (RFC 1123 §2.1, `_` allowed as DNS does).
fn host_name(host: &str) -> Result<(), Problem> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if host.is_empty() {
        return Err("has no host");
    }
    if host.len() > 253 || !host.split('.').all(label) {
        return Err("has a host that is not a name or address");
    }
    let numeric = host.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    if numeric && host.parse::<std::net::Ipv4Addr>().is_err() {
        return Err("has a host that is not a name or address");
    }
    Ok(())
}

/// A host as routes compare it.
pub(super) fn host(text: &str) -> Result<String, Problem> {
    if text.contains('*') {
        return Err("has a wildcard: leave `host` out to match every host");
    }
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err("has upper case letters");
    }
    match host_and_port(text)? {
        (_, Some(_)) => Err("has a port"),
        (host, None) => Ok(host.to_owned()),
    }
}

/// A canonical path that begins and ends with `/`.
pub(super) fn path_prefix(text: &str) -> Result<String, Problem> {
    if !text.starts_with('/') {
        return Err("does not begin with `/`");
    }
    if !text.ends_with('/') {
        return Err("does not end with `/`");
    }
    // Of everything else a request can have the encoded form, which the service takes for the same.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    if !text.bytes().all(plain) {
        return Err("has a character that is no letter, no digit, and none of `-`, `.`, `_`, `~`, `/`");
    }
    if text.contains("//") {
        return Err("has an empty segment");
    }
    if text.split('/').any(|segment| segment == "." || segment == "..") {
        return Err("has a dot segment");
    }
    Ok(text.to_owned())
}

/// The beginning of a path, as a `Location` may have it.
pub(super) fn redirect_path(text: &str) -> Result<String, Problem> {
    if !text.starts_with('/') || text.starts_with("//") {
        return Err("does not begin with one `/`");
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains(['#', '\\']) {
        return Err("has a character that a path cannot hold");
    }
    Ok(text.to_owned())
}

/// A page that a browser is sent to: a URL as [`url`], without TLS to loopback only; or a path of our own origin.
pub(super) fn page(text: &str) -> Result<String, Problem> {
    if text.starts_with('/') {
        let path = redirect_path(text)?;
        return if path.starts_with("/.countersign/") { Err("is under `/.countersign/`") } else { Ok(path) };
    }
    if is_private(&url(text)?) { Ok(text.to_owned()) } else { Err("is plain HTTP beyond loopback") }
}

/// A [`page`] with `{return}` once, behind its host.
pub(super) fn login_page(text: &str) -> Result<String, Problem> {
    let (before, after) = text.split_once("{return}").ok_or("has no `{return}`")?;
    if after.contains("{return}") {
        return Err("has `{return}` twice");
    }
    let behind_scheme = before.find("://").map_or(0, |at| at.saturating_add(3));
    if !before.get(behind_scheme..).is_some_and(|rest| rest.contains(['/', '?'])) {
        return Err("has `{return}` in its host");
    }
    page(&format!("{before}x{after}"))?;
    Ok(text.to_owned())
}

/// `session.a.b` or `userinfo.a.b`.
pub(super) fn claim_path(text: &str) -> Result<ClaimPath, Problem> {
    let mut parts = text.split('.');
    let root = match parts.next() {
        Some("session") => ClaimRoot::Session,
        Some("userinfo") => ClaimRoot::Userinfo,
        _ => return Err("does not begin with `session.` or `userinfo.`"),
    };
    let steps: Vec<String> = parts.map(str::to_owned).collect();
    if steps.is_empty() {
        return Err("names the whole answer, not a member");
    }
    if steps.iter().any(String::is_empty) {
        return Err("has an empty step");
    }
    if steps.len() > 16 {
        return Err("has more than 16 steps");
    }
    Ok(ClaimPath { root, steps })
}

/// A token (RFC 9110 §5.6.2).
pub(super) fn cookie_name(text: &str) -> Result<String, Problem> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    match text.len() {
        0 => Err("is empty"),
        1..=255 if text.bytes().all(token) => Ok(text.to_owned()),
        1..=255 => Err("has a character that a cookie name cannot hold"),
        _ => Err("is longer than 255 characters"),
    }
}

/// 1 to 255 printable ASCII characters without spaces.
pub(super) fn identifier(text: &str) -> Result<String, Problem> {
    match text.len() {
        0 => Err("is empty"),
        1..=255 if text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(text.to_owned()),
        1..=255 => Err("has a character other than printable ASCII"),
        _ => Err("is longer than 255 characters"),
    }
}

/// 1 to 255 printable ASCII characters; `VSCHAR` of RFC 6749 appendix A.1.
pub(super) fn client_id(text: &str) -> Result<String, Problem> {
    match text.len() {
        0 => Err("is empty"),
        1..=255 if text.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) => Ok(text.to_owned()),
        1..=255 => Err("has a character other than printable ASCII"),
        _ => Err("is longer than 255 characters"),
    }
}

/// 1 to 255 characters without control characters.
pub(super) fn role(text: &str) -> Result<String, Problem> {
    match text.len() {
        0 => Err("is empty"),
        1..=255 if text.chars().any(char::is_control) => Err("has a control character"),
        1..=255 => Ok(text.to_owned()),
        _ => Err("is longer than 255 bytes"),
    }
}

/// A file name (systemd.exec(5), `LoadCredential=`).
pub(super) fn credential_name(text: &str) -> Result<&str, Problem> {
    let is_name = !matches!(text, "" | "." | "..") && text.len() <= 255;
    let is_clean = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/' && byte != b':');
    if is_name && is_clean { Ok(text) } else { Err("is not the name of a credential") }
}

/// One scope (RFC 6749 §3.3).
pub(super) fn scope_token(text: &str) -> Result<String, Problem> {
    let is_scope = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
    match text.len() {
        0 => Err("is empty"),
        1..=255 if text.bytes().all(is_scope) => Ok(text.to_owned()),
        1..=255 => Err("is not one scope"),
        _ => Err("is longer than 255 bytes"),
    }
}

/// A method that may be let through.
pub(super) fn method(text: &str) -> Result<Method, Problem> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-') {
        return Err("is not a method in upper case");
    }
    match Method::from_bytes(text.as_bytes()) {
        Ok(Method::CONNECT | Method::TRACE) => Err("is never let through"),
        Ok(method) => Ok(method),
        Err(_) => Err("is not a method"),
    }
}

/// A header name that would be dropped otherwise.
pub(super) fn unusual_header_name(text: &str) -> Result<HeaderName, Problem> {
    let name = HeaderName::from_bytes(text.as_bytes()).map_err(|_| "is not a header name")?;
    if name.as_str().contains(['_', '.']) { Ok(name) } else { Err("passes without being named") }
}

/// A header name that a request can do without.
pub(super) fn removed_header_name(text: &str) -> Result<HeaderName, Problem> {
    let name = HeaderName::from_bytes(text.as_bytes()).map_err(|_| "is not a header name")?;
    match name.as_str() {
        "connection" | "content-length" | "host" | "te" | "trailer" | "transfer-encoding" | "upgrade" => {
            Err("is needed by HTTP itself")
        }
        _ => Ok(name),
    }
}

/// A header name that can tell a service who calls: no other reader takes it for another name, and nothing else is
/// meant by it.
pub(super) fn identity_header_name(text: &str) -> Result<HeaderName, Problem> {
    const OF_HTTP: &[&str] = &[
        "accept",
        "age",
        "allow",
        "authorization",
        "cache-control",
        "connection",
        "cookie",
        "date",
        "expect",
        "expires",
        "host",
        "http2-settings",
        "keep-alive",
        "location",
        "max-forwards",
        "origin",
        "pragma",
        "priority",
        "proxy",
        "range",
        "referer",
        "retry-after",
        "server",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "vary",
        "via",
        "warning",
        "www-authenticate",
    ];
    const OF_HTTP_FROM: &[&str] =
        &["accept-", "access-control-", "content-", "if-", "last-", "proxy-", "sec-", "sec-websocket-"];
    const OURS: &[&str] = &["baggage", "countersign", "forwarded", "traceparent", "tracestate", "x-real-ip"];
    const OURS_FROM: &[&str] = &[
        "countersign-",
        "x-envoy-",
        "x-forwarded",
        "x-http-method",
        "x-method-override",
        "x-original-",
        "x-rewrite-",
    ];
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if !text.starts_with(|first: char| first.is_ascii_alphabetic()) || !text.bytes().all(is_plain) {
        return Err("is not made of letters, digits and `-` alone");
    }
    if text.len() > 64 {
        return Err("is longer than 64 characters");
    }
    let name = HeaderName::from_bytes(text.as_bytes()).map_err(|_| "is not a header name")?;
    let begins = |all: &[&str]| all.iter().any(|beginning| name.as_str().starts_with(beginning));
    if OF_HTTP.contains(&name.as_str()) || begins(OF_HTTP_FROM) {
        return Err("is used by HTTP itself");
    }
    if OURS.contains(&name.as_str()) || begins(OURS_FROM) {
        return Err("tells of the request's way, not of the caller");
    }
    Ok(name)
}

/// A network, or an address as a network of one.
pub(super) fn network(text: &str) -> Result<IpNet, Problem> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address));
    }
    let network: IpNet = text.parse().map_err(|_| "is not a network or address")?;
    if network.trunc() == network { Ok(network) } else { Err("has bits set behind its prefix length") }
}

/// The name of an environment variable.
pub(super) fn variable_name(text: &str) -> Result<String, Problem> {
    let name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if text.is_empty()
        || text.len() > 255
        || !text.bytes().all(name)
        || text.starts_with(|c: char| c.is_ascii_digit())
    {
        return Err("is not the name of a variable");
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
