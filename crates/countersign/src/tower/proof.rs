//! What the answer to a request says of proofs (RFC 9449 §7.1, §8, §9).

use http::{HeaderMap, HeaderValue, Response, header};

use super::{
    Admitted, Authenticate, Sent, credential,
    credential::{Accepted, Presented},
};
use crate::{
    TokenRefusal, VerifiedClaims, Verifier,
    dpop::{NONCE_HEADER, Scheme},
};

/// Stands in the extensions of an answer that refuses, for the layer to write the challenge that fits the request: who
/// refused knows neither its scheme nor the verifier.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    refusal: TokenRefusal,
    scope: Option<Box<str>>,
}

impl Refused {
    pub(super) fn new(refusal: TokenRefusal, scope: Option<&str>) -> Self {
        Self { refusal, scope: scope.map(Into::into) }
    }
}

/// Stands in the extensions of a request whose proof was taken, for the same layer further in: there it is the same
/// request, not the same proof once more.
#[derive(Clone)]
pub(super) struct Taken {
    verifier: Verifier,
    presented: Presented,
    claims: VerifiedClaims,
}

impl Taken {
    /// None for a token that came without a proof.
    pub(super) fn new(verifier: &Verifier, presented: &Presented, claims: &VerifiedClaims) -> Option<Self> {
        presented.proof.as_ref()?;
        Some(Self { verifier: verifier.clone(), presented: presented.clone(), claims: claims.clone() })
    }

    /// What was decided, if the same verifier is asked the same.
    pub(super) fn accepted(self, verifier: &Verifier, presented: &Presented) -> Option<Accepted> {
        let is_the_same = self.verifier.is(verifier) && self.presented == *presented;
        is_the_same.then(|| Accepted { claims: self.claims, proved: crate::dpop::Proved::default() })
    }
}

/// How the token of a request was sent.
pub(super) fn sent_as(headers: &HeaderMap) -> Scheme {
    if credential::is_dpop(headers) { Scheme::Dpop } else { Scheme::Bearer }
}

impl Authenticate {
    /// Writes the challenge of an answer that refuses, and a nonce where one is needed. Nothing where proofs are not
    /// checked.
    pub(super) fn speak_of_proofs<Answer>(
        &self,
        mut response: Response<Answer>,
        sent: Sent,
        admitted: Result<Admitted, TokenRefusal>,
    ) -> Response<Answer> {
        if !self.verifier.takes_proofs() {
            return response;
        }
        if let Some(Refused { refusal, scope }) = response.extensions_mut().remove::<Refused>()
            && let Some(challenge) = self.verifier.challenge(refusal, scope.as_deref(), sent.scheme)
        {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        self.give_nonce(response.headers_mut(), admitted);
        response
    }

    /// Gives out a nonce to who needs a new one.
    pub(crate) fn give_nonce(&self, headers: &mut HeaderMap, admitted: Result<Admitted, TokenRefusal>) {
        let nonce = match admitted {
            Ok(admitted) => admitted.fresh_nonce,
            Err(TokenRefusal::ProofNonceRequired) => self.verifier.proof_nonce(),
            Err(_) => None,
        };
        if let Some(nonce) = nonce {
            headers.insert(NONCE_HEADER, nonce);
            // From a cache it would be an old one (RFC 9449 §8).
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
    }
}
