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
            let token = token(request.headers(), DPOP)?.to_vec();
            return Ok(Self { token, proof: Some(ProofRequest::of(request)) });
        }
        #[cfg(not(feature = "dpop"))]
        let _ = verifier;
        Ok(Self {
            token: token(request.headers(), BEARER)?.to_vec(),
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
        [] => Err(TokenRefusal::TokenMalformed),
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

    use super::{BEARER, token};
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
            assert_eq!(found(&[value]), Err(TokenRefusal::TokenMalformed), "{value:?}");
        }
        for values in [["Bearer a.b.c", "Bearer a.b.c"], ["Bearer a.b.c", "Basic YTpi"]] {
            assert_eq!(found(&values), Err(TokenRefusal::TokenAmbiguous), "{values:?}");
        }
    }
}
