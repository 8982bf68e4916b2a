//! A compact JWS taken apart to be shown.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

/// Header and claims as anybody can read them, and how long the signature is.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) header: Value,
    pub(crate) claims: Value,
    pub(crate) signature_bytes: usize,
}

impl Parts {
    /// `None` if it is not three segments of base64url with a JSON object in the first two.
    pub(crate) fn of(token: &str) -> Option<Self> {
        let mut segments = token.split('.');
        let (header, claims, signature) = (segments.next()?, segments.next()?, segments.next()?);
        if segments.next().is_some() {
            return None;
        }
        Some(Self {
            header: object(header)?,
            claims: object(claims)?,
            signature_bytes: URL_SAFE_NO_PAD.decode(signature).ok()?.len(),
        })
    }
}

fn object(segment: &str) -> Option<Value> {
    let value: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(segment).ok()?).ok()?;
    value.is_object().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::Parts;

    #[test]
    fn only_three_segments_of_json_are_shown() {
        let parts = Parts::of("eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.AAAA").unwrap();
        assert_eq!((parts.header["alg"].as_str(), parts.signature_bytes), (Some("ES256"), 3));
        for bad in ["", "a", "e30.e30", "e30.e30.AA.AA", "W10.e30.AA", "e30.!!.AA", "e30.e30.A"] {
            assert!(Parts::of(bad).is_none(), "{bad}");
        }
    }
}
