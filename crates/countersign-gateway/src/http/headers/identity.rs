//! The table of names a client may not use.

use http::HeaderName;

/// What happens to a request header of this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Disposition {
    /// Dropped unless the configuration allows the name: some services can't tell it from another name.
    Alias,
    /// Always dropped: it says who the caller is, or by which way the request came.
    Identity,
    /// Passes.
    Keep,
    /// Dropped where the gateway judges the method: it names another method than the request line.
    MethodOverride,
}

/// One line of [`REMOVED`]. Lower case, with `-` for everything that is no letter or digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// This name.
    Exact(&'static str, Disposition),
    /// Every name that begins like this.
    Prefix(&'static str, Disposition),
}

/// Request headers that never reach a service as the client wrote them. `Authorization` of a `legacy` route is the
/// one exception, and our own values are set after the client's are gone.
pub const REMOVED: &[Pattern] = {
    use Disposition::{Identity, MethodOverride};
    use Pattern::{Exact, Prefix};
    &[
        // Our own, and the credential.
        Exact("authorization", Identity),
        Exact("proxy-authorization", Identity),
        Exact("txn-token", Identity),
        Prefix("countersign-", Identity),
        Prefix("x-countersign", Identity),
        // The way of the request: the client, or a proxy nobody configured, invents these.
        Exact("forwarded", Identity),
        Exact("x-real-ip", Identity),
        Prefix("x-envoy-", Identity),
        Prefix("x-forwarded", Identity),
        Prefix("x-original-", Identity),
        Prefix("x-rewrite-", Identity),
        // Who the caller is, as other gateways tell their services.
        Exact("remote-user", Identity),
        Prefix("client-cert", Identity),
        Prefix("ssl-client-", Identity),
        Prefix("x-auth", Identity),
        Prefix("x-client-cert", Identity),
        Prefix("x-remote-", Identity),
        Prefix("x-role", Identity),
        Prefix("x-ssl-client-", Identity),
        Prefix("x-user", Identity),
        Prefix("x-webauth-", Identity),
        // CGI makes `HTTP_PROXY` of it, which many HTTP clients take as their proxy.
        Exact("proxy", Identity),
        // Another method than the one that was judged.
        Exact("x-http-method", MethodOverride),
        Exact("x-http-method-override", MethodOverride),
        Exact("x-method-override", MethodOverride),
    ]
};

/// What happens to a request header of this name.
#[must_use]
pub fn disposition(name: &HeaderName) -> Disposition {
    let name = name.as_str().as_bytes();
    let is_alias = name.iter().any(|byte| !matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    if !is_alias && !name.first().is_some_and(|first| begins_a_pattern(*first)) {
        return Disposition::Keep;
    }
    for pattern in REMOVED {
        let (head, wanted, disposition) = match *pattern {
            Pattern::Exact(wanted, disposition) => (Some(name), wanted.as_bytes(), disposition),
            Pattern::Prefix(wanted, disposition) => {
                (name.get(..wanted.len()), wanted.as_bytes(), disposition)
            }
        };
        let Some(head) = head else { continue };
        let same = if is_alias { reads_as(head, wanted) } else { head == wanted };
        if same {
            return disposition;
        }
    }
    if is_alias { Disposition::Alias } else { Disposition::Keep }
}

/// Whether a lax reader takes `name` for `wanted`.
fn reads_as(name: &[u8], wanted: &[u8]) -> bool {
    name.len() == wanted.len()
        && name.iter().zip(wanted).all(|(byte, wanted)| {
            let read = if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' };
            read == *wanted
        })
}

/// Most names are decided by their first letter.
fn begins_a_pattern(first: u8) -> bool {
    first.is_ascii_lowercase() && FIRST_LETTERS & (1 << (first - b'a')) != 0
}

const FIRST_LETTERS: u32 = {
    let mut letters = 0;
    let mut rest = REMOVED;
    while let [Pattern::Exact(name, _) | Pattern::Prefix(name, _), tail @ ..] = rest {
        if let [first, ..] = name.as_bytes() {
            letters |= 1 << (*first - b'a');
        }
        rest = tail;
    }
    letters
};
