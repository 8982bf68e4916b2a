//! The table of names a client may not use.

/// What happens to a request header of this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Disposition {
    /// Dropped unless the configuration allows the name: some services can't tell it from another name.
    Alias,
    /// Dropped: it is meant for the gateway (RFC 9110 §7.6.1).
    HopByHop,
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

/// Request headers that never reach a service as the client wrote them, in alphabetical order. `Authorization` of a
/// `legacy` route is the one exception, and our own values are set after the client's are gone.
///
/// Three kinds: identity (our own names and the credential; the way of the request, which the client or a proxy
/// nobody configured invents; who the caller is, as other gateways tell their services), fields between two
/// neighbours, and fields that name another method than the one that was judged.
pub const REMOVED: &[Pattern] = {
    use Disposition::{HopByHop, Identity, MethodOverride};
    use Pattern::{Exact, Prefix};
    &[
        Exact("authorization", Identity),
        Prefix("cf-access-", Identity),
        Exact("cf-connecting-ip", Identity),
        Exact("cf-connecting-ipv6", Identity),
        Prefix("client-cert", Identity),
        Exact("connection", HopByHop),
        Prefix("countersign-", Identity),
        Exact("eppn", Identity),
        // Over HTTP/1.1 the gateway itself answers `100 Continue`.
        Exact("expect", HopByHop),
        Exact("fastly-client-ip", Identity),
        Exact("forwarded", Identity),
        Exact("front-end-https", Identity),
        Exact("http2-settings", HopByHop),
        Prefix("impersonate-", Identity),
        Prefix("iv-", Identity),
        Exact("keep-alive", HopByHop),
        Prefix("oidc-", Identity),
        // CGI makes `HTTP_PROXY` of it, which many HTTP clients take as their proxy.
        Exact("proxy", Identity),
        Exact("proxy-authorization", Identity),
        Exact("proxy-connection", HopByHop),
        Exact("remote-user", Identity),
        Prefix("shib-", Identity),
        Prefix("sm-", Identity),
        Prefix("ssl-client-", Identity),
        Prefix("tailscale-user-", Identity),
        // But `trailers`.
        Exact("te", HopByHop),
        Exact("transfer-encoding", HopByHop),
        Exact("true-client-ip", Identity),
        Exact("txn-token", Identity),
        Exact("upgrade", HopByHop),
        Prefix("x-admin", Identity),
        Prefix("x-amzn-oidc-", Identity),
        Exact("x-api-user", Identity),
        Prefix("x-appengine-user-", Identity),
        Prefix("x-arr-clientcert", Identity),
        Prefix("x-auth", Identity),
        Prefix("x-azure-client", Identity),
        Prefix("x-claim", Identity),
        Prefix("x-client-cert", Identity),
        Exact("x-client-cn", Identity),
        Exact("x-client-ip", Identity),
        Exact("x-cluster-client-ip", Identity),
        Prefix("x-consumer-", Identity),
        Prefix("x-countersign", Identity),
        Prefix("x-credential-", Identity),
        Exact("x-email", Identity),
        Prefix("x-envoy-", Identity),
        Prefix("x-forwarded", Identity),
        Prefix("x-goog-", Identity),
        Prefix("x-group", Identity),
        Exact("x-host", Identity),
        Exact("x-http-method", MethodOverride),
        Exact("x-http-method-override", MethodOverride),
        Exact("x-id-token", Identity),
        Prefix("x-identity", Identity),
        Exact("x-internal", Identity),
        Prefix("x-jwt", Identity),
        Exact("x-login", Identity),
        Exact("x-method-override", MethodOverride),
        Prefix("x-ms-client-principal", Identity),
        Prefix("x-ms-token-", Identity),
        Prefix("x-original-", Identity),
        Prefix("x-permission", Identity),
        Prefix("x-pomerium-", Identity),
        Exact("x-principal", Identity),
        Exact("x-real-ip", Identity),
        Prefix("x-remote-", Identity),
        Prefix("x-rewrite-", Identity),
        Prefix("x-role", Identity),
        Exact("x-scheme", Identity),
        Prefix("x-scope", Identity),
        Prefix("x-ssl-cert", Identity),
        Prefix("x-ssl-client-", Identity),
        Exact("x-sub", Identity),
        Exact("x-subject", Identity),
        Exact("x-url-scheme", Identity),
        Prefix("x-user", Identity),
        Prefix("x-vouch-", Identity),
        Prefix("x-webauth-", Identity),
    ]
};

/// What happens to a request header of this name.
#[must_use]
pub fn disposition(name: &[u8]) -> Disposition {
    let is_plain = name.iter().all(|byte| PLAIN.get(usize::from(*byte)).copied().unwrap_or(false));
    if !is_plain {
        return disposition_of_alias(name);
    }
    let [first, ..] = name else { return Disposition::Keep };
    for pattern in beginning_with(*first) {
        let (wanted, disposition, is_found) = match *pattern {
            Pattern::Exact(wanted, disposition) => (wanted, disposition, name.len() == wanted.len()),
            Pattern::Prefix(wanted, disposition) => (wanted, disposition, name.len() >= wanted.len()),
        };
        // The third letter tells most `x-` names apart without a call to compare memory.
        if is_found && name.get(2) == wanted.as_bytes().get(2) && name.starts_with(wanted.as_bytes()) {
            return disposition;
        }
    }
    Disposition::Keep
}

/// A name with an unusual character: what a lax reader takes it for.
fn disposition_of_alias(name: &[u8]) -> Disposition {
    let reads_as = |name: Option<&[u8]>, wanted: &str| {
        name.is_some_and(|name| {
            name.len() == wanted.len()
                && name.iter().zip(wanted.bytes()).all(|(byte, wanted)| {
                    *byte == wanted || (wanted == b'-' && !byte.is_ascii_alphanumeric())
                })
        })
    };
    for pattern in REMOVED {
        let (is_found, disposition) = match *pattern {
            Pattern::Exact(wanted, disposition) => (reads_as(Some(name), wanted), disposition),
            Pattern::Prefix(wanted, disposition) => (reads_as(name.get(..wanted.len()), wanted), disposition),
        };
        if is_found {
            return disposition;
        }
    }
    Disposition::Alias
}

/// The part of the table whose names begin with this letter.
fn beginning_with(first: u8) -> &'static [Pattern] {
    let letter = usize::from(first.wrapping_sub(b'a'));
    LETTERS.get(letter).and_then(|(from, to)| REMOVED.get(*from..*to)).unwrap_or_default()
}

/// The bytes of ordinary names.
const PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut rest: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789-";
    while let [byte, tail @ ..] = rest {
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler; a byte is below 256")]
        {
            table[*byte as usize] = true;
        }
        rest = tail;
    }
    table
};

/// For each letter, where its names begin and end in [`REMOVED`].
const LETTERS: [(usize, usize); 26] = {
    let mut letters = [(0, 0); 26];
    let mut rest = REMOVED;
    let mut at = 0;
    while let [Pattern::Exact(name, _) | Pattern::Prefix(name, _), tail @ ..] = rest {
        if let [first, ..] = name.as_bytes() {
            #[expect(
                clippy::indexing_slicing,
                reason = "evaluated by the compiler; names begin with a letter"
            )]
            let (from, to) = &mut letters[(*first - b'a') as usize];
            if *to == 0 {
                *from = at;
            }
            *to = at + 1;
        }
        at += 1;
        rest = tail;
    }
    letters
};
