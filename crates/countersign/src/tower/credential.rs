//! The token of a request, and how it was sent (RFC 6750 §2.1, RFC 9449 §7.1, RFC 9110 §11.6.2).

use http::{HeaderMap, Request, header::AUTHORIZATION};

#[cfg(feature = "dpop")]
use crate::dpop::ProofRequest;
use crate::{TokenRefusal, VerifiedClaims, Verifier};

/// What a request asks to be let in with.
#[cfg_attr(feature = "dpop", derive(Clone, PartialEq, Eq))]
pub(super) struct Presented {
    pub(super) token: Vec<u8>,
    /// What the proof is compared with, for a token that was sent with the scheme `DPoP`.
    #[cfg(feature = "dpop")]
    pub(super) proof: Option<ProofRequest>,
}

/// A token that counts.
pub(super) struct Accepted {
    pub(super) claims: VerifiedClaims,
    #[cfg(feature = "dpop")]
    pub(super) proved: crate::dpop::Proved,
}

impl Presented {
    /// The one token of a request. The scheme `DPoP` is known where the verifier checks proofs.
    pub(super) fn of<Body>(request: &Request<Body>, verifier: &Verifier) -> Result<Self, TokenRefusal> {
        #[cfg(feature = "dpop")]
        if verifier.takes_proofs() && is_dpop(request.headers()) {
            let token = one_token(request, DPOP)?.to_vec();
            return Ok(Self { token, proof: Some(ProofRequest::of(request)) });
        }
        #[cfg(not(feature = "dpop"))]
        let _ = verifier;
        Ok(Self {
            token: one_token(request, BEARER)?.to_vec(),
            #[cfg(feature = "dpop")]
            proof: None,
        })
    }

    pub(super) fn judge(&self, verifier: &Verifier) -> Result<Accepted, TokenRefusal> {
        #[cfg(feature = "dpop")]
        if let Some(request) = &self.proof {
            let (claims, proved) = verifier.prove(&self.token, request, verifier.now())?;
            return Ok(Accepted { claims, proved });
        }
        Ok(Accepted {
            claims: verifier.verify(&self.token)?,
            #[cfg(feature = "dpop")]
            proved: crate::dpop::Proved::default(),
        })
    }
}

const BEARER: &[u8] = b"Bearer";
#[cfg(feature = "dpop")]
const DPOP: &[u8] = b"DPoP";

/// Whether a token is sent with the scheme `DPoP`.
#[cfg(feature = "dpop")]
pub(super) fn is_dpop(headers: &HeaderMap) -> bool {
    headers
        .get(AUTHORIZATION)
        .is_some_and(|value| scheme_and_rest(value.as_bytes()).0.eq_ignore_ascii_case(DPOP))
}

/// The token of the header, of a request that does not bring another in its query (RFC 6750 §2).
fn one_token<'a, Body>(request: &'a Request<Body>, wanted: &[u8]) -> Result<&'a [u8], TokenRefusal> {
    let token = token(request.headers(), wanted)?;
    if request.uri().query().is_some_and(has_access_token) {
        return Err(TokenRefusal::TokenAmbiguous);
    }
    Ok(token)
}

/// Whether a query has a parameter `access_token`
/// ([RFC 6750 §2.3](https://www.rfc-editor.org/rfc/rfc6750#section-2.3)), its name percent-encoded or not, after `&`
/// or `;`. Beside a token in the header it is one too many: some library behind may prefer it.
#[must_use]
pub fn has_access_token(query: &str) -> bool {
    query.split(['&', ';']).any(|pair| {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
        percent_decoded(name.as_bytes()).eq(b"access_token".iter().copied())
    })
}

/// What is no percent-encoding stays as it is.
fn percent_decoded(mut text: &[u8]) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let (&first, rest) = text.split_first()?;
        let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        if let (b'%', [high, low, after @ ..]) = (first, rest)
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            text = after;
            return Some(high << 4 | low);
        }
        text = rest;
        Some(first)
    })
}

/// The bytes after that scheme. Whether they are a token is for the verifier to say.
fn token<'a>(headers: &'a HeaderMap, wanted: &[u8]) -> Result<&'a [u8], TokenRefusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(TokenRefusal::TokenMissing)?;
    if values.next().is_some() {
        return Err(TokenRefusal::TokenAmbiguous);
    }
    let (scheme, rest) = scheme_and_rest(value.as_bytes());
    // Schemes are compared without regard to case (RFC 9110 §11.1).
    if !scheme.eq_ignore_ascii_case(wanted) {
        return Err(TokenRefusal::TokenMissing);
    }
    match rest.trim_ascii() {
        // Nothing was presented, so nothing is wrong with it: no error in the challenge (RFC 6750 §3.1).
        [] => Err(TokenRefusal::TokenMissing),
        token => Ok(token),
    }
}

fn scheme_and_rest(value: &[u8]) -> (&[u8], &[u8]) {
    let end = value.iter().position(|&byte| byte == b' ').unwrap_or(value.len());
    value.split_at_checked(end).unwrap_or((value, &[]))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

    use super::{BEARER, has_access_token, token};
    use crate::TokenRefusal;

    fn found(values: &[&'static str]) -> Result<String, TokenRefusal> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        token(&headers, BEARER).map(|token| String::from_utf8_lossy(token).into_owned())
    }

    #[test]
    fn one_bearer_token_is_found() {
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c "] {
            assert_eq!(found(&[value]), Ok("a.b.c".to_owned()), "{value}");
        }
        assert_eq!(found(&["Bearer a b"]), Ok("a b".to_owned()), "the verifier refuses it");
    }

    #[test]
    fn none_and_two_and_other_schemes_are_told_apart() {
        for values in [&[][..], &["Basic YTpi"], &["Bearera.b.c"], &[""], &["DPoP a.b.c"]] {
            assert_eq!(found(values), Err(TokenRefusal::TokenMissing), "{values:?}");
        }
        for value in ["Bearer", "Bearer ", "bearer    "] {
            assert_eq!(found(&[value]), Err(TokenRefusal::TokenMissing), "{value:?}");
        }
        for query in
            ["access_token=x", "a=1&access_token=x", "access_token", "%61ccess%5Ftoken=", "a;access_token=x"]
        {
            assert!(has_access_token(query), "{query}");
        }
        for query in [
            "",
            "access_token2=x",
            "x_access_token=1",
            "q=access_token",
            "%6access_token=1",
            "access%5token",
            "a%",
        ] {
            assert!(!has_access_token(query), "{query}");
        }
        for values in [["Bearer a.b.c", "Bearer a.b.c"], ["Bearer a.b.c", "Basic YTpi"]] {
            assert_eq!(found(&values), Err(TokenRefusal::TokenAmbiguous), "{values:?}");
        }
    }
}
