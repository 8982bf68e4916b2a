//! One public key as JSON (RFC 7517, RFC 7518 §6, RFC 8037 §2).

use aws_lc_rs::digest;
use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::{
    KeyId,
    json::{self, Json, Object},
    jws::{self, Algorithm, Curve, KeyError, Material},
    rule::Rule,
};

/// A public key with its algorithm. Never holds a private or secret member.
///
/// Serialises with `kty`, its numbers, `kid` (if it has one), `alg` and `use: "sig"`.
#[derive(Clone, PartialEq, Eq)]
pub struct Jwk {
    algorithm: Algorithm,
    id: Option<KeyId>,
    material: Material,
}

/// Why one JWK is not a key that can verify signatures here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum JwkError {
    /// No `alg`, and the kind of key does not decide it (RSA).
    #[error("the key does not say its algorithm")]
    AlgorithmMissing,
    /// `alg` is none of ours, or is not for this kind of key.
    #[error("the key's algorithm is not supported, or not for this kind of key")]
    AlgorithmUnsupported,
    /// The key's numbers are no key, or a weak one.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Not an object, a doubled member, or a member that is missing or of the wrong type.
    #[error("the key is malformed")]
    Malformed,
    /// `use` or `key_ops` say that it is not for verifying signatures (RFC 7517 §4.2, §4.3).
    #[error("the key is not for verifying signatures")]
    OtherUse,
    /// It has a private member, or is a shared secret: it must not stand where others can read it.
    #[error("the key is not public")]
    Private,
    /// `kty` or `crv` is none of ours.
    #[error("the kind of key is not supported")]
    TypeUnsupported,
}

/// The members only a private or secret key has (RFC 7518 §6, RFC 9964).
const PRIVATE_MEMBERS: [&str; 9] = ["d", "dp", "dq", "k", "oth", "p", "priv", "q", "qi"];

impl Jwk {
    pub(crate) fn new(algorithm: Algorithm, id: Option<KeyId>, material: Material) -> Result<Self, KeyError> {
        let jwk = Self { algorithm, id, material };
        if jwk.fits() { Ok(jwk) } else { Err(KeyError::AlgorithmMismatch) }
    }

    /// Reads one public key.
    ///
    /// An EC key without `alg` has the one of its curve, an OKP key without `alg` has `Ed25519`.
    ///
    /// # Errors
    /// [`JwkError`], by the rules of [`KeySet`](crate::KeySet).
    pub fn parse(text: &[u8]) -> Result<Self, JwkError> {
        Self::from_members(&json::object(text).map_err(|_| JwkError::Malformed)?, None)
    }

    pub(crate) fn from_members(members: &Object<'_>, assumed: Option<Algorithm>) -> Result<Self, JwkError> {
        let is_private = PRIVATE_MEMBERS.iter().any(|name| members.member(name).is_some());
        if Rule::KeyPrivate.is_broken_by(is_private) {
            return Err(JwkError::Private);
        }
        let kty = text(members, "kty")?.ok_or(JwkError::Malformed)?;
        if kty == "oct" {
            return Err(JwkError::Private);
        }
        check_use(members)?;
        let id = text(members, "kid")?.map(KeyId::from);
        let material = match kty {
            "EC" => {
                let name = text(members, "crv")?.ok_or(JwkError::Malformed)?;
                let curve = Curve::from_name(name).ok_or(JwkError::TypeUnsupported)?;
                Material::Ec { curve, x: number(members, "x")?, y: number(members, "y")? }
            }
            "OKP" => match text(members, "crv")?.ok_or(JwkError::Malformed)? {
                "Ed25519" => Material::Ed25519 { x: number(members, "x")? },
                _ => return Err(JwkError::TypeUnsupported),
            },
            "RSA" => Material::Rsa { n: number(members, "n")?, e: number(members, "e")? },
            _ => return Err(JwkError::TypeUnsupported),
        };
        let algorithm = match text(members, "alg")? {
            Some(name) => Algorithm::from_name(name).ok_or(JwkError::AlgorithmUnsupported)?,
            None => material.only_algorithm(assumed).ok_or(JwkError::AlgorithmMissing)?,
        };
        Self::new(algorithm, id, material).map_err(|_| JwkError::AlgorithmUnsupported)
    }

    /// The only algorithm of this key.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The name tokens call it by (`kid`).
    #[must_use]
    pub const fn key_id(&self) -> Option<&KeyId> {
        self.id.as_ref()
    }

    /// The key's SHA-256 thumbprint, base64url: the same for everyone who has the key
    /// ([RFC 7638](https://www.rfc-editor.org/rfc/rfc7638)).
    #[must_use]
    pub fn thumbprint(&self) -> KeyId {
        jws::encode(digest::digest(&digest::SHA256, self.required_members().as_bytes()).as_ref()).into()
    }

    /// The members that make the key, and no others, as JSON in the order of their names, without white space
    /// (RFC 7638 §3.2). No value needs an escape.
    pub(crate) fn required_members(&self) -> String {
        match &self.material {
            Material::Ec { curve, x, y } => format!(
                r#"{{"crv":"{}","kty":"EC","x":"{}","y":"{}"}}"#,
                curve.name(),
                jws::encode(x),
                jws::encode(y)
            ),
            Material::Ed25519 { x } => {
                format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, jws::encode(x))
            }
            Material::Rsa { n, e } => {
                format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, jws::encode(e), jws::encode(n))
            }
        }
    }

    #[cfg(feature = "sign")]
    pub(crate) fn with_key_id(self, id: KeyId) -> Self {
        Self { id: Some(id), ..self }
    }

    pub(crate) const fn material(&self) -> &Material {
        &self.material
    }

    fn fits(&self) -> bool {
        self.material.family() == self.algorithm.family()
    }
}

impl std::fmt::Debug for Jwk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jwk")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl Serialize for Jwk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Jwk", 7)?;
        match &self.material {
            Material::Ec { curve, x, y } => {
                out.serialize_field("kty", "EC")?;
                out.serialize_field("crv", curve.name())?;
                out.serialize_field("x", &jws::encode(x))?;
                out.serialize_field("y", &jws::encode(y))?;
            }
            Material::Ed25519 { x } => {
                out.serialize_field("kty", "OKP")?;
                out.serialize_field("crv", "Ed25519")?;
                out.serialize_field("x", &jws::encode(x))?;
            }
            Material::Rsa { n, e } => {
                out.serialize_field("kty", "RSA")?;
                out.serialize_field("n", &jws::encode(n))?;
                out.serialize_field("e", &jws::encode(e))?;
            }
        }
        if let Some(id) = &self.id {
            out.serialize_field("kid", id)?;
        }
        out.serialize_field("alg", &self.algorithm)?;
        out.serialize_field("use", "sig")?;
        out.end()
    }
}

/// The string of that name; a member of another type is malformed, not absent.
fn text<'a>(members: &'a Object<'_>, name: &str) -> Result<Option<&'a str>, JwkError> {
    members.member(name).map(|value| value.text().ok_or(JwkError::Malformed)).transpose()
}

fn number(members: &Object<'_>, name: &str) -> Result<Vec<u8>, JwkError> {
    let value = text(members, name)?.ok_or(JwkError::Malformed)?;
    jws::decode(value.as_bytes()).ok_or(JwkError::Malformed)
}

/// `use` and `key_ops`, where present, must both allow verifying (RFC 7517 §4.3: they must agree).
fn check_use(members: &Object<'_>) -> Result<(), JwkError> {
    let is_for_other = text(members, "use")?.is_some_and(|purpose| purpose != "sig");
    if Rule::KeyUse.is_broken_by(is_for_other) {
        return Err(JwkError::OtherUse);
    }
    let operations = match members.member("key_ops") {
        None => return Ok(()),
        Some(Json::Array(operations)) => operations,
        Some(_) => return Err(JwkError::Malformed),
    };
    let mut names = Vec::with_capacity(operations.len().min(8));
    for operation in operations {
        let name = operation.text().ok_or(JwkError::Malformed)?;
        if names.contains(&name) {
            return Err(JwkError::Malformed);
        }
        names.push(name);
    }
    if Rule::KeyOperations.is_broken_by(names != ["verify"]) { Err(JwkError::OtherUse) } else { Ok(()) }
}
