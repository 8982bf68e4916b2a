//! The little DER that public keys need: SubjectPublicKeyInfo (RFC 5280 §4.1) and RSAPublicKey (RFC 8017 §A.1.1).

use super::{
    algorithm::Curve,
    key::{KeyError, Material},
};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
#[cfg(feature = "testkit")]
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const NULL: u8 = 0x05;

const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const CURVES: [(&[u8], Curve); 3] = [
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07], Curve::P256),
    (&[0x2b, 0x81, 0x04, 0x00, 0x22], Curve::P384),
    (&[0x2b, 0x81, 0x04, 0x00, 0x23], Curve::P521),
];

/// Reads values one after another.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The content of the next value, which must have that tag and a length in its shortest form.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&found, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (len, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81 => {
                let (&len, rest) = rest.split_first()?;
                (usize::from(len).checked_sub(0x80)? + 0x80, rest)
            }
            0x82 => {
                let (&[high, low], rest) = rest.split_first_chunk()?;
                (usize::from(u16::from_be_bytes([high, low]).checked_sub(0x100)?) + 0x100, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        (found == tag).then_some(content)
    }

    const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Modulus and exponent of an RSAPublicKey, without the zero byte of a positive sign.
pub(crate) fn rsa_components(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut outer = Reader(der);
    let mut inner = Reader(outer.take(SEQUENCE)?);
    let modulus = positive(inner.take(INTEGER)?)?;
    let exponent = positive(inner.take(INTEGER)?)?;
    (outer.is_empty() && inner.is_empty()).then(|| (modulus.to_vec(), exponent.to_vec()))
}

/// The primes, their exponents and the inverse of the second of an RSA key in PKCS #8 (RFC 5208 §5, RFC 8017 §A.1.2).
#[cfg(feature = "testkit")]
pub(crate) fn rsa_private_components(pkcs8: &[u8]) -> Option<[&[u8]; 5]> {
    let mut outer = Reader(Reader(pkcs8).take(SEQUENCE)?);
    outer.take(INTEGER)?;
    let mut algorithm = Reader(outer.take(SEQUENCE)?);
    (algorithm.take(OBJECT_IDENTIFIER)? == RSA_ENCRYPTION).then_some(())?;
    let mut key = Reader(Reader(outer.take(OCTET_STRING)?).take(SEQUENCE)?);
    // The version, the modulus and the two exponents.
    for _ in 0..4 {
        key.take(INTEGER)?;
    }
    let mut next = || positive(key.take(INTEGER)?);
    Some([next()?, next()?, next()?, next()?, next()?])
}

fn positive(integer: &[u8]) -> Option<&[u8]> {
    match integer {
        [0, rest @ ..] if rest.first().is_some_and(|&byte| byte >= 0x80) => Some(rest),
        [1..=0x7f, ..] => Some(integer),
        _ => None,
    }
}

/// The key of a SubjectPublicKeyInfo.
pub(super) fn public_key(der: &[u8]) -> Result<Material, KeyError> {
    read_public_key(der).ok_or(KeyError::Malformed)
}

fn read_public_key(der: &[u8]) -> Option<Material> {
    let mut outer = Reader(der);
    let mut inner = Reader(outer.take(SEQUENCE)?);
    let mut algorithm = Reader(inner.take(SEQUENCE)?);
    let (&0, key) = inner.take(BIT_STRING)?.split_first()? else { return None };
    if !outer.is_empty() || !inner.is_empty() {
        return None;
    }
    let material = match algorithm.take(OBJECT_IDENTIFIER)? {
        EC_PUBLIC_KEY => {
            let name = algorithm.take(OBJECT_IDENTIFIER)?;
            let (_, curve) = CURVES.into_iter().find(|(oid, _)| *oid == name)?;
            Material::from_point(curve, key)?
        }
        ED25519 => Material::Ed25519 { x: key.to_vec() },
        RSA_ENCRYPTION => {
            algorithm.take(NULL)?;
            let (n, e) = rsa_components(key)?;
            Material::Rsa { n, e }
        }
        _ => return None,
    };
    algorithm.is_empty().then_some(material)
}
