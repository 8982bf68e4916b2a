//! Signatures checked by hand, with whatever key somebody came up with.

use aws_lc_rs::{hmac, rsa::PublicKeyComponents, signature};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use serde_json::Value;

/// Whether `signature` over `message` is that of the JWK, by an algorithm of the JWK's kind.
pub(super) fn holds(jwk: &Value, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
    verified(jwk, algorithm, message, signature).is_some()
}

fn verified(jwk: &Value, algorithm: &str, message: &[u8], signature: &[u8]) -> Option<()> {
    if jwk.get("alg").is_some_and(|named| named != algorithm) {
        return None;
    }
    match algorithm {
        "Ed25519" | "EdDSA" => verify(&signature::ED25519, &member(jwk, "x")?, message, signature),
        "ES256" => verify(&signature::ECDSA_P256_SHA256_FIXED, &point(jwk)?, message, signature),
        "ES384" => verify(&signature::ECDSA_P384_SHA384_FIXED, &point(jwk)?, message, signature),
        "ES512" => verify(&signature::ECDSA_P521_SHA512_FIXED, &point(jwk)?, message, signature),
        "PS256" => rsa(jwk, &signature::RSA_PSS_2048_8192_SHA256, message, signature),
        "RS256" => rsa(jwk, &signature::RSA_PKCS1_2048_8192_SHA256, message, signature),
        _ => None,
    }
}

fn verify(
    algorithm: &'static dyn signature::VerificationAlgorithm,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Option<()> {
    signature::UnparsedPublicKey::new(algorithm, key).verify(message, signature).ok()
}

fn rsa(
    jwk: &Value,
    parameters: &'static signature::RsaParameters,
    message: &[u8],
    signature: &[u8],
) -> Option<()> {
    let key = PublicKeyComponents { n: member(jwk, "n")?, e: member(jwk, "e")? };
    key.verify(parameters, message, signature).ok()
}

/// Whether `tag` is the HMAC with SHA-256 under those bytes, however many they are.
pub(super) fn is_hmac(secret: &[u8], message: &[u8], tag: &[u8]) -> bool {
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret), message, tag).is_ok()
}

/// The public key as the file that was once handed round.
pub(super) fn pem(jwk: &Value) -> Option<String> {
    const ED25519: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    const P256: [u8; 26] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
        0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];
    let der = match jwk.get("crv").and_then(Value::as_str)? {
        "Ed25519" => [ED25519.as_slice(), &member(jwk, "x")?].concat(),
        "P-256" => [P256.as_slice(), &point(jwk)?].concat(),
        _ => return None,
    };
    let text = BASE64_STANDARD.encode(der);
    let mut pem = "-----BEGIN PUBLIC KEY-----\n".to_owned();
    let mut rest = text.as_str();
    while let Some((line, more)) = rest.split_at_checked(64) {
        pem.push_str(line);
        pem.push('\n');
        rest = more;
    }
    if !rest.is_empty() {
        pem.push_str(rest);
        pem.push('\n');
    }
    pem.push_str("-----END PUBLIC KEY-----\n");
    Some(pem)
}

/// An uncompressed point.
fn point(jwk: &Value) -> Option<Vec<u8>> {
    let (x, y) = (member(jwk, "x")?, member(jwk, "y")?);
    Some([[4].as_slice(), &x, &y].concat())
}

fn member(jwk: &Value, name: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(jwk.get(name)?.as_str()?).ok()
}
