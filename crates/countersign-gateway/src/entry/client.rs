//! Whose request it is, in terms of addresses.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::{http::Fields, upstream::Scheme};

const X_FORWARDED_FOR: &[u8] = b"x-forwarded-for";
const X_FORWARDED_PROTO: &[u8] = b"x-forwarded-proto";

/// The client's address: the peer, or, if the peer is a trusted proxy, the nearest address in `X-Forwarded-For` that
/// is not one. A chain that cannot be read ends where it becomes unreadable.
#[must_use]
pub fn address(peer: IpAddr, fields: &Fields, trusted_proxies: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    let is_trusted = |address: &IpAddr| trusted_proxies.iter().any(|net| net.contains(address));
    if trusted_proxies.is_empty() || !is_trusted(&peer) {
        return peer;
    }
    let mut nearest = peer;
    let lines: Vec<&[u8]> = fields.all(X_FORWARDED_FOR).collect();
    for value in lines.into_iter().rev() {
        for hop in value.rsplit(|byte| *byte == b',') {
            if hop.trim_ascii().is_empty() {
                continue;
            }
            let Some(hop) = parse(hop) else { return nearest };
            nearest = hop;
            if !is_trusted(&hop) {
                return nearest;
            }
        }
    }
    nearest
}

/// The scheme the client used: that of its connection to us, or, if the peer is a trusted proxy, the one that it names in
/// `X-Forwarded-Proto`. What is neither `http` nor `https`, or both, says nothing.
#[must_use]
pub fn scheme(peer: IpAddr, fields: &Fields, trusted_proxies: &[IpNet], own: Scheme) -> Scheme {
    let peer = peer.to_canonical();
    if !trusted_proxies.iter().any(|net| net.contains(&peer)) {
        return own;
    }
    match fields.only(X_FORWARDED_PROTO).map(|line| line.map(<[u8]>::trim_ascii)) {
        Ok(Some(said)) if said.eq_ignore_ascii_case(b"https") => Scheme::Https,
        Ok(Some(said)) if said.eq_ignore_ascii_case(b"http") => Scheme::Http,
        _ => own,
    }
}

/// Some proxies write the port too, and IPv6 in brackets.
fn parse(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().ok();
    let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|with_port| with_port.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::{Scheme, address, scheme};
    use crate::testing::fields;

    #[test]
    fn a_trusted_proxy_names_the_scheme() {
        let said = |peer: &str, lines: &[&str], own| {
            let lines: Vec<_> = lines.iter().map(|line| ("x-forwarded-proto", *line)).collect();
            scheme(peer.parse().unwrap(), &fields(&lines), &["192.0.2.0/24".parse().unwrap()], own)
        };
        assert_eq!(said("192.0.2.1", &["https"], Scheme::Http), Scheme::Https);
        assert_eq!(said("::ffff:192.0.2.1", &["HTTP"], Scheme::Https), Scheme::Http);
        for (peer, lines) in [
            ("203.0.113.9", &["https"][..]),
            ("192.0.2.1", &[]),
            ("192.0.2.1", &["wss"]),
            ("192.0.2.1", &["https, http"]),
            ("192.0.2.1", &["https", "https"]),
        ] {
            assert_eq!(said(peer, lines, Scheme::Http), Scheme::Http, "{peer} {lines:?}");
        }
    }

    fn seen(peer: &str, lines: &[&str], trusted: &[&str]) -> String {
        let lines: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
        let trusted: Vec<_> = trusted.iter().map(|net| net.parse().unwrap()).collect();
        address(peer.parse().unwrap(), &fields(&lines), &trusted).to_string()
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
        assert_eq!(seen("192.0.2.1", &["203.0.113.9:4711"], &trusted), "203.0.113.9");
        assert_eq!(seen("192.0.2.1", &["[2001:db8::1]:443, 192.0.2.7:80,"], &trusted), "2001:db8::1");
        assert_eq!(seen("192.0.2.1", &["[2001:db8::1]"], &trusted), "2001:db8::1");
        assert_eq!(seen("::ffff:192.0.2.1", &["2001:db8::1"], &trusted), "2001:db8::1");
    }
}
