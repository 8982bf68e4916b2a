//! The head of a request that HTTP/2 brought: framed and decoded by others, and held to the bounds of HTTP/1 here.

use http::Method;

use super::request_line::MAX_TARGET_BYTES;
use crate::{error::Refusal, http::Parts};

/// Why a head is refused before anybody reads it: a method that asks for a tunnel, more than `fields` header fields, or a
/// target over 8 KiB.
///
/// `CONNECT` names a host and a port in place of a path (RFC 9113 §8.5): a server that makes no tunnels has the method to
/// blame, and not the host, as in HTTP/1.1.
///
/// A client may split its cookie over any number of fields (RFC 9113 §8.2.3); they count as the one that they become.
#[must_use]
pub fn fault_in(head: &Parts, fields: usize) -> Option<Refusal> {
    if head.method == Method::CONNECT {
        return Some(Refusal::MethodNotAllowed);
    }
    if head.uri.path_and_query().map_or(0, |target| target.as_str().len()) > MAX_TARGET_BYTES {
        return Some(Refusal::UriTooLong);
    }
    if head.fields.len() > fields {
        let cookies = head.fields.all(b"cookie").count();
        let count = head.fields.len() - cookies.saturating_sub(1);
        return (count > fields).then_some(Refusal::HeaderTooLarge);
    }
    None
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::fault_in;
    use crate::error::Refusal;

    fn fault(target: &str, fields: &[(&str, &str)]) -> Option<Refusal> {
        let request =
            fields.iter().fold(Request::get(target), |request, (name, value)| request.header(*name, *value));
        fault_in(&request.body(()).unwrap().into_parts().0.into(), 3)
    }

    #[test]
    fn a_tunnel_is_refused_for_its_method_whatever_else_is_wrong() {
        let fields = [("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")];
        let connect = Request::connect("shop.example:443");
        let connect = fields.iter().fold(connect, |request, (name, value)| request.header(*name, *value));
        let fault = fault_in(&connect.body(()).unwrap().into_parts().0.into(), 3);
        assert_eq!(fault, Some(Refusal::MethodNotAllowed));
    }

    #[test]
    fn a_head_is_held_to_the_bounds_of_http1() {
        let path = |length: usize| format!("/{}", "a".repeat(length - 1));
        let host = "https://shop.example";
        assert_eq!(fault(&format!("{host}{}", path(8_192)), &[]), None);
        assert_eq!(fault(&format!("{host}{}", path(8_193)), &[]), Some(Refusal::UriTooLong));
        assert_eq!(fault(&format!("{host}/?{}", path(8_191)), &[]), Some(Refusal::UriTooLong));
        let three = [("a", "1"), ("b", "1"), ("b", "2")];
        assert_eq!(fault(host, &three), None);
        assert_eq!(fault(host, &[&three[..], &[("c", "1")]].concat()), Some(Refusal::HeaderTooLarge));
        let crumbs = [("cookie", "a=1"); 9];
        assert_eq!(fault(host, &[&three[..2], &crumbs].concat()), None, "one cookie");
        assert_eq!(fault(host, &[&three[..], &crumbs].concat()), Some(Refusal::HeaderTooLarge));
    }
}
