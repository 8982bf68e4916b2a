//! Whose request it is, in terms of addresses.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's address: the peer, or, if the peer is a trusted proxy, the nearest address in `X-Forwarded-For` that
/// is not one. A chain that cannot be read ends where it becomes unreadable.
#[must_use]
pub fn address(peer: IpAddr, headers: &HeaderMap, trusted_proxies: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    let is_trusted = |address: &IpAddr| trusted_proxies.iter().any(|net| net.contains(address));
    if trusted_proxies.is_empty() || !is_trusted(&peer) {
        return peer;
    }
    let mut nearest = peer;
    for value in headers.get_all(X_FORWARDED_FOR).iter().rev() {
        for hop in value.as_bytes().rsplit(|byte| *byte == b',') {
            let Some(hop) = parse(hop) else { return nearest };
            nearest = hop;
            if !is_trusted(&hop) {
                return nearest;
            }
        }
    }
    nearest
}

fn parse(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::address;

    fn seen(peer: &str, lines: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", HeaderValue::from_str(line).unwrap());
        }
        let trusted: Vec<_> = trusted.iter().map(|net| net.parse().unwrap()).collect();
        address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn by_default_nobody_is_believed() {
        assert_eq!(seen("192.0.2.1", &["203.0.113.9"], &[]), "192.0.2.1");
        assert_eq!(seen("192.0.2.1", &["203.0.113.9"], &["198.51.100.0/24"]), "192.0.2.1");
    }

    #[test]
    fn a_trusted_proxy_names_the_nearest_address_that_is_none() {
        let trusted = ["192.0.2.0/24"];
        assert_eq!(seen("192.0.2.1", &["203.0.113.9"], &trusted), "203.0.113.9");
        assert_eq!(seen("192.0.2.1", &["6.6.6.6, 203.0.113.9, 192.0.2.7"], &trusted), "203.0.113.9");
        assert_eq!(seen("192.0.2.1", &["6.6.6.6", "203.0.113.9"], &trusted), "203.0.113.9");
        assert_eq!(seen("192.0.2.1", &["6.6.6.6, nonsense, 192.0.2.7"], &trusted), "192.0.2.7");
        assert_eq!(seen("192.0.2.1", &[], &trusted), "192.0.2.1");
        assert_eq!(seen("::ffff:192.0.2.1", &["2001:db8::1"], &trusted), "2001:db8::1");
    }
}
