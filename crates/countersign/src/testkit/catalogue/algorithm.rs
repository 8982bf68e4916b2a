//! Tokens whose header tries to choose how the signature is checked.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{BadToken, Setup, bad};
use crate::{
    TokenRefusal::{AlgorithmMismatch, HeaderMalformed, SignatureInvalid},
    jws::Algorithm,
    sign::SigningKey,
    testkit::{
        TestKey,
        recipe::{
            Change::{Header, Key, KeyIdOf, NoHeader, Sign, Signature},
            Signing::{As, Hmac, HmacOf, Nothing},
        },
    },
};

const NONE: &str = "CVE-2015-9235, RFC 8725 §2.1";
const CONFUSION: &str = "CVE-2016-5431, CVE-2016-10555, CVE-2022-29217, CVE-2023-48223, RFC 8725 §2.1";
const EXACT: &str = "RFC 7515 §4.1.1";
const ONE_ALGORITHM: &str = "RFC 8725 §3.1, RFC 7515 §5.2";

/// A public key in every form in which somebody has used it as a secret.
macro_rules! public_key_as_secret {
    ($($key:literal, $variant:ident;)+) => { [$(
        confused(concat!("algorithm/", $key, "-pem-as-secret"), &[Key(TestKey::$variant), HS256, Sign(HmacOf(TestKey::$variant, |key| pem(key).into_bytes()))], TestKey::$variant),
        confused(concat!("algorithm/", $key, "-pem-without-newline-as-secret"), &[Key(TestKey::$variant), HS256, Sign(HmacOf(TestKey::$variant, |key| pem(key).trim_end().as_bytes().to_vec()))], TestKey::$variant),
        confused(concat!("algorithm/", $key, "-pem-after-newline-as-secret"), &[Key(TestKey::$variant), HS256, Sign(HmacOf(TestKey::$variant, |key| format!("\n{}", pem(key)).into_bytes()))], TestKey::$variant),
        confused(concat!("algorithm/", $key, "-der-as-secret"), &[Key(TestKey::$variant), HS256, Sign(HmacOf(TestKey::$variant, der))], TestKey::$variant),
        confused(concat!("algorithm/", $key, "-jwk-as-secret"), &[Key(TestKey::$variant), HS256, Sign(HmacOf(TestKey::$variant, jwk))], TestKey::$variant),
        confused(concat!("algorithm/", $key, "-key-id-as-secret"), &[Key(TestKey::$variant), HS256, Sign(HmacOf(TestKey::$variant, key_id))], TestKey::$variant),
    )+] };
}

const HS256: crate::testkit::recipe::Change = Header("alg", "\"HS256\"");

/// What [`TestKey::Rs256`] is published in, elsewhere.
const CERTIFICATE: &str = include_str!("../keys/rsa_certificate.pem");

const fn confused(
    name: &'static str,
    recipe: &'static [crate::testkit::recipe::Change],
    key: TestKey,
) -> BadToken {
    bad(name, CONFUSION, AlgorithmMismatch, recipe).twin_is(match key {
        TestKey::Rs256 => &[Key(TestKey::Rs256)],
        TestKey::Es256 => &[Key(TestKey::Es256)],
        _ => &[Key(TestKey::Ed25519)],
    })
}

static CONFUSED: [BadToken; 18] = public_key_as_secret! {
    "rs256", Rs256;
    "es256", Es256;
    "ed25519", Ed25519;
};

static OTHERS: &[BadToken] = &[
    bad("algorithm/none", NONE, AlgorithmMismatch, &[Header("alg", "\"none\""), Sign(Nothing)]),
    bad("algorithm/none-signed", NONE, AlgorithmMismatch, &[Header("alg", "\"none\"")]),
    bad(
        "algorithm/none-without-key-id",
        NONE,
        AlgorithmMismatch,
        &[Header("alg", "\"none\""), NoHeader("kid"), Sign(Nothing)],
    ),
    bad("algorithm/none-capital", NONE, AlgorithmMismatch, &[Header("alg", "\"None\""), Sign(Nothing)]),
    bad(
        "algorithm/none-capitals",
        "CVE-2015-2951",
        AlgorithmMismatch,
        &[Header("alg", "\"NONE\""), Sign(Nothing)],
    ),
    bad(
        "algorithm/none-mixed",
        "RFC 8725 §2.1",
        AlgorithmMismatch,
        &[Header("alg", "\"nOnE\""), Sign(Nothing)],
    ),
    bad(
        "algorithm/none-no-ne",
        "draft-ietf-oauth-rfc8725bis §2.11",
        AlgorithmMismatch,
        &[Header("alg", "\"noNE\""), Sign(Nothing)],
    ),
    bad("algorithm/none-with-space", NONE, AlgorithmMismatch, &[Header("alg", "\"none \""), Sign(Nothing)]),
    bad("algorithm/missing", EXACT, HeaderMalformed, &[NoHeader("alg")]),
    bad("algorithm/null", EXACT, HeaderMalformed, &[Header("alg", "null")]),
    bad("algorithm/number", EXACT, HeaderMalformed, &[Header("alg", "256")]),
    bad("algorithm/true", EXACT, HeaderMalformed, &[Header("alg", "true")]),
    bad("algorithm/array", EXACT, HeaderMalformed, &[Header("alg", "[\"Ed25519\"]")]),
    bad("algorithm/object", EXACT, HeaderMalformed, &[Header("alg", "{\"name\":\"Ed25519\"}")]),
    bad("algorithm/empty", EXACT, AlgorithmMismatch, &[Header("alg", "\"\"")]),
    bad("algorithm/lower-case", EXACT, AlgorithmMismatch, &[Key(TestKey::Es256), Header("alg", "\"es256\"")])
        .twin_is(&[Key(TestKey::Es256)]),
    bad("algorithm/with-space", EXACT, AlgorithmMismatch, &[Header("alg", "\"Ed25519 \"")]),
    bad("algorithm/unknown", EXACT, AlgorithmMismatch, &[Header("alg", "\"XX256\"")]),
    bad("algorithm/encryption", "RFC 7518 §4.1", AlgorithmMismatch, &[Header("alg", "\"RSA-OAEP\"")]),
    bad(
        "algorithm/direct",
        "RFC 7518 §4.1",
        AlgorithmMismatch,
        &[Header("alg", "\"dir\""), Header("enc", "\"A128GCM\"")],
    ),
    bad(
        "algorithm/other-curve",
        "RFC 8812 §3.2",
        AlgorithmMismatch,
        &[Key(TestKey::Es256), Header("alg", "\"ES256K\"")],
    )
    .twin_is(&[Key(TestKey::Es256)]),
    bad(
        "algorithm/older-name",
        "RFC 9864 §2.2: the key says Ed25519",
        AlgorithmMismatch,
        &[Header("alg", "\"EdDSA\"")],
    ),
    bad("algorithm/of-another-family", ONE_ALGORITHM, AlgorithmMismatch, &[Header("alg", "\"RS256\"")]),
    bad(
        "algorithm/rs512-with-rs256-key",
        ONE_ALGORITHM,
        AlgorithmMismatch,
        &[Key(TestKey::Rs256), Header("alg", "\"RS512\""), Sign(As(TestKey::Rs256, Algorithm::Rs512))],
    )
    .twin_is(&[Key(TestKey::Rs256)]),
    bad(
        "algorithm/rs384-with-rs256-key",
        ONE_ALGORITHM,
        AlgorithmMismatch,
        &[Key(TestKey::Rs256), Header("alg", "\"RS384\""), Sign(As(TestKey::Rs256, Algorithm::Rs384))],
    )
    .twin_is(&[Key(TestKey::Rs256)]),
    bad(
        "algorithm/ps256-with-rs256-key",
        ONE_ALGORITHM,
        AlgorithmMismatch,
        &[Key(TestKey::Rs256), Header("alg", "\"PS256\""), Sign(As(TestKey::Rs256, Algorithm::Ps256))],
    )
    .twin_is(&[Key(TestKey::Rs256)]),
    bad(
        "algorithm/rs256-with-ps256-key",
        ONE_ALGORITHM,
        AlgorithmMismatch,
        &[Key(TestKey::Ps256), Header("alg", "\"RS256\""), Sign(As(TestKey::Ps256, Algorithm::Rs256))],
    )
    .twin_is(&[Key(TestKey::Ps256)]),
    bad(
        "algorithm/ps512-with-ps256-key",
        ONE_ALGORITHM,
        AlgorithmMismatch,
        &[Key(TestKey::Ps256), Header("alg", "\"PS512\""), Sign(As(TestKey::Ps256, Algorithm::Ps512))],
    )
    .twin_is(&[Key(TestKey::Ps256)]),
    bad(
        "algorithm/es512-with-es256-key",
        ONE_ALGORITHM,
        AlgorithmMismatch,
        &[Key(TestKey::Es256), Header("alg", "\"ES512\"")],
    )
    .twin_is(&[Key(TestKey::Es256)]),
    bad(
        "algorithm/es256-with-es384-key",
        ONE_ALGORITHM,
        AlgorithmMismatch,
        &[Key(TestKey::Es384), Header("alg", "\"ES256\"")],
    )
    .twin_is(&[Key(TestKey::Es384)]),
    bad(
        "algorithm/key-of-another-algorithm",
        ONE_ALGORITHM,
        AlgorithmMismatch,
        &[Key(TestKey::Es256), KeyIdOf(TestKey::Rs256)],
    )
    .twin_is(&[Key(TestKey::Es256)]),
    bad(
        "algorithm/rs256-signed-with-sha-512",
        ONE_ALGORITHM,
        SignatureInvalid,
        &[Key(TestKey::Rs256), Sign(As(TestKey::Rs256, Algorithm::Rs512))],
    )
    .twin_is(&[Key(TestKey::Rs256)]),
    bad(
        "algorithm/rs256-signed-with-pss",
        ONE_ALGORITHM,
        SignatureInvalid,
        &[Key(TestKey::Rs256), Sign(As(TestKey::Rs256, Algorithm::Ps256))],
    )
    .twin_is(&[Key(TestKey::Rs256)]),
    bad(
        "algorithm/ps256-signed-with-pkcs1",
        ONE_ALGORITHM,
        SignatureInvalid,
        &[Key(TestKey::Ps256), Sign(As(TestKey::Ps256, Algorithm::Rs256))],
    )
    .twin_is(&[Key(TestKey::Ps256)]),
    bad(
        "algorithm/ps256-signed-with-sha-384",
        ONE_ALGORITHM,
        SignatureInvalid,
        &[Key(TestKey::Ps256), Sign(As(TestKey::Ps256, Algorithm::Ps384))],
    )
    .twin_is(&[Key(TestKey::Ps256)]),
    bad(
        "algorithm/empty-secret",
        "CVE-2019-20933, CVE-2020-28637",
        AlgorithmMismatch,
        &[HS256, Sign(Hmac(|| vec![0]))],
    ),
    bad(
        "algorithm/modulus-as-secret",
        CONFUSION,
        AlgorithmMismatch,
        &[
            Key(TestKey::Rs256),
            HS256,
            Sign(HmacOf(TestKey::Rs256, |key| der(key).get(33..289).unwrap_or_default().to_vec())),
        ],
    )
    .twin_is(&[Key(TestKey::Rs256)]),
    bad(
        "algorithm/rs256-pem-after-space-as-secret",
        CONFUSION,
        AlgorithmMismatch,
        &[
            Key(TestKey::Rs256),
            HS256,
            Sign(HmacOf(TestKey::Rs256, |key| format!(" {}", pem(key)).into_bytes())),
        ],
    )
    .twin_is(&[Key(TestKey::Rs256)]),
    bad(
        "algorithm/rs256-ssh-as-secret",
        CONFUSION,
        AlgorithmMismatch,
        &[Key(TestKey::Rs256), HS256, Sign(HmacOf(TestKey::Rs256, ssh))],
    )
    .twin_is(&[Key(TestKey::Rs256)]),
    bad(
        "algorithm/rs256-certificate-as-secret",
        CONFUSION,
        AlgorithmMismatch,
        &[Key(TestKey::Rs256), HS256, Sign(Hmac(|| CERTIFICATE.as_bytes().to_vec()))],
    )
    .twin_is(&[Key(TestKey::Rs256)]),
    bad("algorithm/post-quantum", "RFC 9964 §3", AlgorithmMismatch, &[Header("alg", "\"ML-DSA-44\"")]),
    // Where a secret is shared, the bytes matter and not only the kind of algorithm.
    bad(
        "algorithm/pem-for-shared-secret",
        CONFUSION,
        SignatureInvalid,
        &[Key(TestKey::Hs256), Sign(HmacOf(TestKey::Rs256, |key| pem(key).into_bytes()))],
    )
    .asked(Setup::SharedSecret),
    bad(
        "algorithm/jwk-for-shared-secret",
        CONFUSION,
        SignatureInvalid,
        &[Key(TestKey::Hs256), Sign(HmacOf(TestKey::Es256, jwk))],
    )
    .asked(Setup::SharedSecret),
    bad(
        "algorithm/certificate-for-shared-secret",
        CONFUSION,
        SignatureInvalid,
        &[Key(TestKey::Hs256), Sign(Hmac(|| CERTIFICATE.as_bytes().to_vec()))],
    )
    .asked(Setup::SharedSecret),
    bad(
        "algorithm/ssh-for-shared-secret",
        CONFUSION,
        SignatureInvalid,
        &[Key(TestKey::Hs256), Sign(HmacOf(TestKey::Rs256, ssh))],
    )
    .asked(Setup::SharedSecret),
    bad(
        "algorithm/one-byte-secret",
        "CVE-2019-20933",
        SignatureInvalid,
        &[Key(TestKey::Hs256), Sign(Hmac(|| b"a".to_vec()))],
    )
    .asked(Setup::SharedSecret),
    bad("algorithm/asymmetric-for-shared-secret", ONE_ALGORITHM, AlgorithmMismatch, &[Key(TestKey::Es256)])
        .asked(Setup::SharedSecret),
    bad(
        "algorithm/none-for-shared-secret",
        NONE,
        AlgorithmMismatch,
        &[Key(TestKey::Hs256), Header("alg", "\"none\""), Sign(Nothing)],
    )
    .asked(Setup::SharedSecret),
    bad(
        "algorithm/hs512-for-hs256-secret",
        ONE_ALGORITHM,
        AlgorithmMismatch,
        &[Key(TestKey::Hs256), Header("alg", "\"HS512\"")],
    )
    .asked(Setup::SharedSecret),
    bad(
        "algorithm/hs384-for-hs256-secret",
        ONE_ALGORITHM,
        AlgorithmMismatch,
        &[Key(TestKey::Hs256), Header("alg", "\"HS384\"")],
    )
    .asked(Setup::SharedSecret),
    bad(
        "algorithm/another-secret",
        "RFC 7518 §3.2",
        SignatureInvalid,
        &[Key(TestKey::Hs256), Sign(Hmac(|| vec![0x5a; 32]))],
    )
    .asked(Setup::SharedSecret),
    bad(
        "algorithm/dictionary-secret",
        "CVE-2019-20933",
        SignatureInvalid,
        &[Key(TestKey::Hs256), Sign(Hmac(|| b"secret".to_vec()))],
    )
    .asked(Setup::SharedSecret),
    bad(
        "algorithm/zero-secret",
        "CVE-2020-28637",
        SignatureInvalid,
        &[Key(TestKey::Hs256), Sign(Hmac(|| vec![0]))],
    )
    .asked(Setup::SharedSecret),
    bad("algorithm/tag-empty", "RFC 7518 §3.2", SignatureInvalid, &[Key(TestKey::Hs256), Sign(Nothing)])
        .asked(Setup::SharedSecret),
    bad(
        "algorithm/tag-truncated",
        "RFC 7518 §3.2",
        SignatureInvalid,
        &[Key(TestKey::Hs256), Signature(|tag| tag.truncate(16))],
    )
    .asked(Setup::SharedSecret),
    bad(
        "algorithm/tag-with-more",
        "RFC 7518 §3.2",
        SignatureInvalid,
        &[Key(TestKey::Hs256), Signature(|tag| tag.push(0))],
    )
    .asked(Setup::SharedSecret),
    bad(
        "algorithm/tag-flipped",
        "RFC 7518 §3.2",
        SignatureInvalid,
        &[
            Key(TestKey::Hs256),
            Signature(|tag| {
                if let Some(byte) = tag.last_mut() {
                    *byte ^= 1;
                }
            }),
        ],
    )
    .asked(Setup::SharedSecret),
];

pub(super) static ROWS: &[&[BadToken]] = &[&CONFUSED, OTHERS];

fn der(key: &SigningKey) -> Vec<u8> {
    key.verifying_key().and_then(|key| key.to_spki_der()).unwrap_or_default()
}

fn pem(key: &SigningKey) -> String {
    let text = STANDARD.encode(der(key));
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
    pem
}

/// An RSA key as OpenSSH publishes it (RFC 4253 §6.6).
fn ssh(key: &SigningKey) -> Vec<u8> {
    let field =
        |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap_or_default().to_be_bytes(), bytes].concat();
    let modulus = der(key).get(32..289).unwrap_or_default().to_vec();
    let blob = [field(b"ssh-rsa"), field(&[1, 0, 1]), field(&modulus)].concat();
    format!("ssh-rsa {}", STANDARD.encode(blob)).into_bytes()
}

fn jwk(key: &SigningKey) -> Vec<u8> {
    key.public_jwk().and_then(|jwk| serde_json::to_vec(&jwk).ok()).unwrap_or_default()
}

fn key_id(key: &SigningKey) -> Vec<u8> {
    key.key_id().map(|id| id.as_str().as_bytes().to_vec()).unwrap_or_default()
}
