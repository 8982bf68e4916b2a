//! What a service that checks proofs answers in `WWW-Authenticate` (RFC 9449 §7.1, §7.2).

use http::{HeaderValue, StatusCode};

use super::Proofs;
use crate::{Challenge, TokenRefusal, refusal::challenge};

/// How a token was sent: the scheme of `Authorization`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `Bearer`, or not at all.
    Bearer,
    /// `DPoP`.
    Dpop,
}

impl Proofs {
    /// The value of `WWW-Authenticate`, if there is one.
    pub(crate) fn challenge(
        &self,
        refusal: TokenRefusal,
        scope: Option<&str>,
        sent: Scheme,
    ) -> Option<HeaderValue> {
        let names: Vec<&str> = self.policy.algorithms.iter().map(|algorithm| algorithm.name()).collect();
        let algorithms = format!(r#"algs="{}""#, names.join(" "));
        let row = refusal.row();
        let text = match row.challenge {
            Challenge::None => return None,
            Challenge::Bare if self.policy.bound_only => format!("DPoP {algorithms}"),
            Challenge::Bare => format!("Bearer, DPoP {algorithms}"),
            Challenge::Proof(error) => format!("{}, {algorithms}", challenge("DPoP", error, scope)),
            Challenge::Error(error) if sent == Scheme::Dpop || self.policy.bound_only => {
                format!("{}, {algorithms}", challenge("DPoP", error, scope))
            }
            // A bound token would do as well as another bearer token.
            Challenge::Error(error) if row.status == StatusCode::UNAUTHORIZED => {
                format!("{}, DPoP {algorithms}", challenge("Bearer", error, scope))
            }
            Challenge::Error(error) => challenge("Bearer", error, scope),
        };
        HeaderValue::try_from(text).ok()
    }
}
