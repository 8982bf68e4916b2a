//! The protected header of a compact JWS.

use std::{fmt, sync::Arc};

use super::JwsError;
use crate::{
    KeyId,
    json::{self, Json, Object},
    rule::Rule,
};

/// What a token's header says (RFC 7515 §4). Untrusted until the signature is verified. A clone is cheap.
///
/// `jwk`, `jku`, `x5u`, `x5c` and `x5t` are not read at all: a token cannot bring or point to its own key.
#[derive(Clone, PartialEq, Eq)]
pub struct Header(Arc<Members>);

#[derive(Debug, PartialEq, Eq)]
struct Members {
    algorithm: Box<str>,
    key_id: Option<KeyId>,
    typ: Option<Box<str>>,
}

/// The longest accepted `kid`, in bytes.
const MAX_KEY_ID_BYTES: usize = 512;

impl Header {
    /// The algorithm the token names (`alg`): any string. It never chooses how the signature is checked.
    #[must_use]
    pub fn algorithm(&self) -> &str {
        &self.0.algorithm
    }

    /// The key the token names (`kid`): an opaque map key.
    #[must_use]
    pub fn key_id(&self) -> Option<&KeyId> {
        self.0.key_id.as_ref()
    }

    /// The kind of token (`typ`), as it was written.
    #[must_use]
    pub fn typ(&self) -> Option<&str> {
        self.0.typ.as_deref()
    }

    /// True if `typ` is that media type: without regard to case, with or without `application/` before it
    /// (RFC 7515 §4.1.9). `expected` is written in lower case without `application/`.
    #[must_use]
    pub fn is_type(&self, expected: &str) -> bool {
        const PREFIX: &str = "application/";
        self.typ().is_some_and(|typ| {
            let subtype = match typ.split_at_checked(PREFIX.len()) {
                Some((prefix, subtype)) if prefix.eq_ignore_ascii_case(PREFIX) => subtype,
                _ => typ,
            };
            subtype.eq_ignore_ascii_case(expected)
        })
    }

    pub(super) fn parse(text: &[u8]) -> Result<Self, JwsError> {
        let members = json::object(text).map_err(|_| JwsError::HeaderMalformed)?;
        let algorithm = string(&members, "alg")?.ok_or(JwsError::HeaderMalformed)?;
        let key_id = string(&members, "kid")?;
        let typ = string(&members, "typ")?;
        string(&members, "cty")?;
        // We implement no extension, so every use of `crit` is either malformed or names something unknown.
        if Rule::Critical.is_broken_by(members.member("crit").is_some()) {
            return Err(JwsError::CriticalHeader);
        }
        // RFC 7797 §3: only `true` says what is the case anyway.
        let as_it_stands = matches!(members.member("b64"), None | Some(Json::Bool(true)));
        if Rule::Critical.is_broken_by(!as_it_stands) {
            return Err(JwsError::CriticalHeader);
        }
        if Rule::KeyIdLength.is_broken_by(key_id.is_some_and(|id| id.len() > MAX_KEY_ID_BYTES)) {
            return Err(JwsError::HeaderMalformed);
        }
        Ok(Self(Arc::new(Members {
            algorithm: algorithm.into(),
            key_id: key_id.map(KeyId::from),
            typ: typ.map(Into::into),
        })))
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Members { algorithm, key_id, typ } = &*self.0;
        f.debug_struct("Header")
            .field("algorithm", algorithm)
            .field("key_id", key_id)
            .field("typ", typ)
            .finish()
    }
}

/// The string of that name; a member of another type is an error, not absent.
fn string<'a>(members: &'a Object<'_>, name: &str) -> Result<Option<&'a str>, JwsError> {
    members.member(name).map(|value| value.text().ok_or(JwsError::HeaderMalformed)).transpose()
}

#[cfg(test)]
mod tests {
    use super::{Header, JwsError};

    #[test]
    fn a_type_is_a_media_type() {
        for good in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
            let header = Header::parse(format!(r#"{{"alg":"x","typ":"{good}"}}"#).as_bytes()).unwrap();
            assert!(header.is_type("at+jwt"), "{good}");
        }
        for bad in
            ["JWT", "at+jwt ", "application/", "application/application/at+jwt", "x/at+jwt", "", "é+jwt"]
        {
            let header = Header::parse(format!(r#"{{"alg":"x","typ":"{bad}"}}"#).as_bytes()).unwrap();
            assert!(!header.is_type("at+jwt"), "{bad}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_or_harmless() {
        for (text, expected) in [
            (r#"{"alg":"x","crit":["exp"],"exp":1}"#, JwsError::CriticalHeader),
            (r#"{"alg":"x","crit":[]}"#, JwsError::CriticalHeader),
            (r#"{"alg":"x","b64":false}"#, JwsError::CriticalHeader),
            (r#"{"alg":"x","b64":"true"}"#, JwsError::CriticalHeader),
            (r#"{"alg":1}"#, JwsError::HeaderMalformed),
            (r#"{"kid":"1"}"#, JwsError::HeaderMalformed),
            (r#"{"alg":"x","kid":1}"#, JwsError::HeaderMalformed),
            (r#"{"alg":"x","typ":["at+jwt"]}"#, JwsError::HeaderMalformed),
        ] {
            assert_eq!(Header::parse(text.as_bytes()), Err(expected), "{text}");
        }
        let named =
            |length| Header::parse(format!(r#"{{"alg":"x","kid":"{}"}}"#, "k".repeat(length)).as_bytes());
        assert!(named(512).is_ok());
        assert_eq!(named(513), Err(JwsError::HeaderMalformed));
        assert!(Header::parse(br#"{"alg":"x","b64":true,"jku":7,"x5c":[],"new":{"a":1}}"#).is_ok());
    }
}
