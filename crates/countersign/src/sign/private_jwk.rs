//! A private key as a JWK (RFC 7518 §6, RFC 8037 §2).

use aws_lc_rs::{
    rsa::KeyPair as RsaKeyPair,
    signature::{EcdsaKeyPair, Ed25519KeyPair},
};
use zeroize::Zeroizing;

use super::material::PrivateKey;
use crate::{
    json::{self, Object},
    jws::{self, Algorithm, Family, KeyError},
};

impl PrivateKey {
    /// Reads a private JWK for that algorithm. `alg`, `kty` and `crv`, where they are there, must say the same, and
    /// the public members must belong to the private ones.
    pub(super) fn from_jwk(algorithm: Algorithm, text: &[u8]) -> Result<Self, KeyError> {
        let members = json::object(text).map_err(|_| KeyError::Malformed)?;
        if members.member("alg").is_some_and(|alg| alg.text() != Some(algorithm.name())) {
            return Err(KeyError::AlgorithmMismatch);
        }
        let is = |name: &str, wanted: &str| {
            let said = members.member(name).and_then(|value| value.text());
            if said == Some(wanted) { Ok(()) } else { Err(KeyError::AlgorithmMismatch) }
        };
        match algorithm.family() {
            Family::Ec(curve) => {
                is("kty", "EC")?;
                is("crv", curve.name())?;
                let mut point = vec![4];
                point.extend_from_slice(&bytes(&members, "x")?);
                point.extend_from_slice(&bytes(&members, "y")?);
                let d = bytes(&members, "d")?;
                let pair = EcdsaKeyPair::from_private_key_and_public_key(curve.signing(), &d, &point);
                pair.map(Self::Ec).map_err(|_| KeyError::Malformed)
            }
            Family::Ed25519 => {
                is("kty", "OKP")?;
                is("crv", "Ed25519")?;
                let (seed, public) = (bytes(&members, "d")?, bytes(&members, "x")?);
                if seed.len() != 32 {
                    return Err(KeyError::Malformed);
                }
                let pair = Ed25519KeyPair::from_seed_and_public_key(&seed, &public);
                pair.map(Self::Ed25519).map_err(|_| KeyError::Malformed)
            }
            Family::Rsa => {
                is("kty", "RSA")?;
                if members.member("oth").is_some() {
                    return Err(KeyError::Malformed);
                }
                let der = rsa_private_key(&members)?;
                RsaKeyPair::from_der(&der).map(Self::Rsa).map_err(|_| KeyError::Malformed)
            }
            Family::Secret => Err(KeyError::AlgorithmMismatch),
        }
    }
}

fn bytes(members: &Object<'_>, name: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let text = members.member(name).and_then(|value| value.text()).ok_or(KeyError::Malformed)?;
    jws::decode(text.as_bytes()).map(Zeroizing::new).ok_or(KeyError::Malformed)
}

/// An RSAPrivateKey with two primes (RFC 8017 §A.1.2).
fn rsa_private_key(members: &Object<'_>) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let mut content = Zeroizing::new(vec![INTEGER, 1, 0]);
    for name in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] {
        let number = bytes(members, name)?;
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let number = number.get(zeros..).filter(|number| !number.is_empty()).ok_or(KeyError::Malformed)?;
        // A positive number begins with a clear bit.
        let is_signed = number.first().is_some_and(|first| *first >= 0x80);
        content.push(INTEGER);
        push_length(&mut content, number.len() + usize::from(is_signed))?;
        content.extend_from_slice(if is_signed { &[0] } else { &[] });
        content.extend_from_slice(number);
    }
    let mut whole = Zeroizing::new(vec![SEQUENCE]);
    push_length(&mut whole, content.len())?;
    whole.extend_from_slice(&content);
    Ok(whole)
}

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;

fn push_length(to: &mut Vec<u8>, length: usize) -> Result<(), KeyError> {
    let [high, low] = u16::try_from(length).map_err(|_| KeyError::Malformed)?.to_be_bytes();
    match (high, low) {
        (0, 0..=0x7F) => to.push(low),
        (0, _) => to.extend_from_slice(&[0x81, low]),
        _ => to.extend_from_slice(&[0x82, high, low]),
    }
    Ok(())
}
