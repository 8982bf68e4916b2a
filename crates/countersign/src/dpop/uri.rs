//! The address of a request in one spelling, so that two that mean the same are compared as equal (RFC 3986 §6.2.2,
//! §6.2.3; RFC 9449 §4.3).

use std::fmt::Write as _;

/// An `http` or `https` address without query and fragment: scheme and host in lower case, no default port, nothing
/// percent-encoded that need not be, no dot segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address(String);

/// What stands before the path of every request, as those who call a service write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base {
    origin: String,
    path: String,
}

impl Address {
    /// Reads an absolute address, whatever its spelling. Query and fragment are passed over. `None` for any other
    /// scheme, user information, or what no address can hold.
    pub(super) fn read(text: &str) -> Option<Self> {
        let text = text.split('#').next()?.split('?').next()?;
        let (mut address, path) = origin_and_path(text)?;
        address.push_str(&path_in_one_spelling(path)?);
        Some(Self(address))
    }

    #[cfg(feature = "testkit")]
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The address of a request for this path; `None` for one whose dot segments lead out of the base.
    pub(super) fn below(base: &Base, path: &str) -> Option<Self> {
        let path = path_in_one_spelling(&format!("{}{path}", base.path))?;
        let is_below =
            path.strip_prefix(&base.path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        is_below.then(|| Self(format!("{}{path}", base.origin)))
    }
}

impl Base {
    /// Reads an origin, or an origin and the path below which a service is reached.
    pub(super) fn read(text: &str) -> Option<Self> {
        if text.contains(['?', '#']) {
            return None;
        }
        let (origin, path) = origin_and_path(text)?;
        let path = path_in_one_spelling(path)?;
        Some(Self { origin, path: path.trim_end_matches('/').to_owned() })
    }
}

fn origin_and_path(text: &str) -> Option<(String, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let (scheme, default_port) = if scheme.eq_ignore_ascii_case("https") {
        ("https", 443)
    } else if scheme.eq_ignore_ascii_case("http") {
        ("http", 80)
    } else {
        return None;
    };
    let (authority, path) = rest.split_at_checked(rest.find('/').unwrap_or(rest.len()))?;
    let end = if authority.starts_with('[') {
        authority.find(']')? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (host, port) = authority.split_at_checked(end)?;
    let mut origin = format!("{scheme}://{}", host_in_one_spelling(host)?);
    let digits = match port.strip_prefix(':') {
        Some(digits) => digits,
        None if port.is_empty() => "",
        None => return None,
    };
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let port = if digits.is_empty() { default_port } else { digits.parse::<u16>().ok()? };
    if port != default_port {
        // Writing to a string cannot fail.
        let _ = write!(origin, ":{port}");
    }
    Some((origin, path))
}

/// A name, an IPv4 address, or an IPv6 address in brackets.
fn host_in_one_spelling(host: &str) -> Option<String> {
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_possible = match inner {
        Some(address) => {
            !address.is_empty()
                && address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.')
        }
        None => {
            let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&byte);
            !host.is_empty() && host.bytes().all(may_stand)
        }
    };
    // After decoding, which can bring capitals to light. What is still encoded is written in small letters on both sides.
    is_possible.then(|| in_one_spelling(host)).flatten().map(|host| host.to_ascii_lowercase())
}

fn path_in_one_spelling(path: &str) -> Option<String> {
    match path {
        "" => Some("/".to_owned()),
        path if path.starts_with('/') => in_one_spelling(path).map(|path| without_dot_segments(&path)),
        _ => None,
    }
}

/// Percent-encoding where it is needed, and in capitals (RFC 3986 §6.2.2.1, §6.2.2.2).
fn in_one_spelling(text: &str) -> Option<String> {
    let mut spelled = String::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if !byte.is_ascii_graphic() {
            return None;
        }
        if byte != b'%' {
            spelled.push(char::from(byte));
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let encoded = u8::try_from(digit()? * 16 + digit()?).ok()?;
        if encoded.is_ascii_alphanumeric() || b"-._~".contains(&encoded) {
            spelled.push(char::from(encoded));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(spelled, "%{encoded:02X}");
        }
    }
    Some(spelled)
}

/// RFC 3986 §5.2.4, for a path that begins with `/`.
fn without_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_dots = false;
    for segment in path.split('/').skip(1) {
        ends_in_dots = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    let mut path = format!("/{}", kept.join("/"));
    if ends_in_dots && !kept.is_empty() {
        path.push('/');
    }
    path
}

#[cfg(test)]
mod tests {
    use super::{Address, Base};

    fn same(left: &str, right: &str) -> bool {
        let (left, right) = (Address::read(left).unwrap(), Address::read(right).unwrap());
        left == right
    }

    #[test]
    fn equal_addresses_are_equal_in_every_spelling() {
        for (left, right) in [
            ("HTTPS://Orders.Test", "https://orders.test/"),
            ("https://orders.test:443/a", "https://orders.test/a"),
            ("https://orders.test:/a", "https://orders.test/a"),
            ("http://orders.test:80/a", "http://orders.test/a"),
            ("https://orders.test:0443/a", "https://orders.test/a"),
            ("https://orders.test/a?b=c#d", "https://orders.test/a"),
            ("https://orders.test/a#d?b", "https://orders.test/a"),
            ("https://orders.test?b=/c", "https://orders.test"),
            ("https://orders.test/%7euser/%41", "https://orders.test/~user/A"),
            ("https://orders.test/a%2fb%c3%a9", "https://orders.test/a%2Fb%C3%A9"),
            ("https://orders.test/a/./b/../c", "https://orders.test/a/c"),
            ("https://orders.test/a/%2e%2E/c", "https://orders.test/c"),
            ("https://orders.test/../a/..", "https://orders.test/"),
            ("https://orders.test/a/b/.", "https://orders.test/a/b/"),
            ("https://orders.test/a//..", "https://orders.test/a/"),
            ("https://[2001:DB8::1]:443/a", "https://[2001:db8::1]/a"),
            ("https://%4Frders.test/%2f", "https://orders.test/%2F"),
        ] {
            assert!(same(left, right), "{left} {right}");
        }
    }

    #[test]
    fn other_addresses_are_others() {
        for (left, right) in [
            ("https://orders.test/a", "http://orders.test/a"),
            ("https://orders.test/a", "https://orders.test:8443/a"),
            ("https://orders.test/a", "https://orders.test./a"),
            ("https://orders.test/a", "https://orders.test/A"),
            ("https://orders.test/a", "https://orders.test/a/"),
            ("https://orders.test/a/b", "https://orders.test/a//b"),
            ("https://orders.test/a/b", "https://orders.test/a%2Fb"),
            ("https://orders.test/a;b", "https://orders.test/a"),
            ("https://orders.test/%2525", "https://orders.test/%25"),
        ] {
            assert!(!same(left, right), "{left} {right}");
        }
    }

    #[test]
    fn what_is_no_address_is_not_read() {
        for bad in [
            "",
            "/a",
            "orders.test/a",
            "//orders.test/a",
            "ftp://orders.test/a",
            "https:/orders.test/a",
            "https:///a",
            "https://:443/a",
            "https://user@orders.test/a",
            "https://user:word@orders.test/a",
            "https://orders.test:99999/a",
            "https://orders.test:+443/a",
            "https://orders.test:443:443/a",
            "https://[::1/a",
            "https://[]/a",
            "https://[::1]x/a",
            "https://orders.test\\@evil.test/a",
            "https://orders.test/a b",
            "https://orders.test/a\n",
            " https://orders.test/a",
            "https://orders.test/é",
            "https://orders.test/%",
            "https://orders.test/%4",
            "https://orders.test/%4g",
            "https://orders.test/%+4",
        ] {
            assert_eq!(Address::read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_request_is_below_its_base() {
        for (base, path, address) in [
            ("https://orders.test", "/a", "https://orders.test/a"),
            ("https://orders.test/", "/a", "https://orders.test/a"),
            ("https://shop.test/orders", "/a", "https://shop.test/orders/a"),
            ("HTTPS://shop.test:443/%6frders/", "/", "https://shop.test/orders/"),
        ] {
            let below = Address::below(&Base::read(base).unwrap(), path);
            assert_eq!(below, Address::read(address), "{base} {path}");
        }
        for bad in
            ["", "orders.test", "https://orders.test?a", "https://orders.test/#a", "https://u@orders.test"]
        {
            assert_eq!(Base::read(bad), None, "{bad}");
        }
        assert_eq!(Address::below(&Base::read("https://orders.test").unwrap(), "*"), None);
    }
}
