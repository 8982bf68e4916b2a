//! Tokens that look odd and are good: refusing them would be a fault too.

use super::{OddToken, Setup, odd, signature::P256_ORDER};
use crate::testkit::{
    TestKey,
    recipe::Change::{Claim, Header, Key, NoClaim, NoHeader, Payload, Signature, Time},
};

pub(super) static ROWS: &[OddToken] = &[
    odd("good/plain", "RFC 9068 §2.2", &[]),
    odd("good/es256", "RFC 7518 §3.4", &[Key(TestKey::Es256)]),
    odd("good/es384", "RFC 7518 §3.4", &[Key(TestKey::Es384)]),
    odd("good/es512", "RFC 7518 §3.4", &[Key(TestKey::Es512)]),
    odd("good/rs256", "RFC 7518 §3.3", &[Key(TestKey::Rs256)]),
    odd("good/ps256", "RFC 7518 §3.5", &[Key(TestKey::Ps256)]),
    odd("good/hs256", "RFC 7518 §3.2", &[Key(TestKey::Hs256)]).asked(Setup::SharedSecret),
    odd("good/hs256-with-key-id", "RFC 7515 §4.1.4: a hint", &[Key(TestKey::Hs256), Header("kid", "\"k1\"")])
        .asked(Setup::SharedSecret),
    odd(
        "good/other-issuer",
        "RFC 8725 §3.8",
        &[Claim("iss", "\"https://other.test\""), Key(TestKey::Es256OfOther)],
    )
    .asked(Setup::TwoIssuers),
    odd("good/only-key-without-id", "RFC 7515 §4.1.4", &[NoHeader("kid")]).asked(Setup::OneKey),
    odd("good/unknown-header-parameter", "RFC 7515 §4", &[Header("new", "{\"a\":[1,2]}")]),
    odd(
        "good/url-that-is-not-read",
        "RFC 7515 §4.1.2",
        &[Header("jku", "\"https://issuer.test/jwks.json\"")],
    ),
    odd("good/key-url-of-wrong-type-that-is-not-read", "RFC 7515 §4.1.5", &[Header("x5u", "7")]),
    odd("good/type-in-capitals", "RFC 7515 §4.1.9", &[Header("typ", "\"AT+JWT\"")]),
    odd("good/type-in-full", "RFC 9068 §4", &[Header("typ", "\"application/at+jwt\"")]),
    odd("good/type-in-full-mixed", "RFC 7515 §4.1.9", &[Header("typ", "\"Application/AT+jwt\"")]),
    odd("good/content-type", "RFC 7515 §4.1.10", &[Header("cty", "\"json\"")]),
    odd("good/b64-true", "RFC 7797 §3", &[Header("b64", "true")]),
    odd("good/audience-array", "RFC 7519 §4.1.3", &[Claim("aud", "[\"{aud}\"]")]),
    odd("good/audience-among-others", "RFC 7519 §4.1.3", &[Claim("aud", "[\"a\",\"{aud}\",\"b\"]")]),
    odd("good/expiry-fraction", "RFC 7519 §2", &[Claim("exp", "1800000300.75")]),
    odd("good/expiry-exponent", "RFC 7519 §2", &[Claim("exp", "1.8000003e9")]),
    odd("good/issued-fraction", "RFC 7519 §2", &[Claim("iat", "1800000000.999")]),
    odd("good/not-before-now", "RFC 7519 §4.1.5", &[Time("nbf", 0)]),
    odd("good/not-before-zero", "RFC 7519 §4.1.5", &[Claim("nbf", "0")]),
    odd("good/no-roles", "RFC 9068 §2.2.3.1", &[NoClaim("roles")]),
    odd("good/roles-empty", "RFC 9068 §2.2.3.1", &[Claim("roles", "[]")]),
    odd("good/roles-doubled", "RFC 9068 §2.2.3.1", &[Claim("roles", "[\"editor\",\"editor\"]")]),
    odd("good/roles-unknown", "RFC 9068 §2.2.3.1", &[Claim("roles", "[\"never-heard-of\",\"*\",\"\"]")]),
    odd("good/roles-in-the-header", "RFC 7515 §4: it says nothing", &[Header("roles", "[\"admin\"]")]),
    odd("good/roles-look-alike", "another role, with a Cyrillic letter", &[Claim("roles", "[\"аdmin\"]")]),
    odd("good/no-organisation", "not every caller has one", &[NoClaim("organisation")]),
    odd("good/no-session", "RFC 9068 §2.2", &[NoClaim("sid")]),
    odd("good/no-scope", "RFC 9068 §2.2.3", &[NoClaim("scope")]),
    odd("good/scope-empty", "RFC 6749 §3.3", &[Claim("scope", "\"\"")]),
    odd("good/organisation-of-digits", "an opaque string", &[Claim("organisation", "\"42\"")]),
    odd("good/organisation-with-space", "an opaque string", &[Claim("organisation", "\"acme inc\"")]),
    odd("good/subject-with-quote", "RFC 8725 §2.9: opaque", &[Claim("sub", "\"x' OR '1'='1\"")]),
    odd("good/subject-with-line-break", "RFC 8725 §2.9: opaque", &[Claim("sub", "\"a\\r\\nb\"")]),
    odd(
        "good/subject-with-markup",
        "RFC 8725 §2.9: opaque",
        &[Claim("sub", "\"<script>alert(1)</script>\"")],
    ),
    odd("good/subject-beyond-ascii", "RFC 7519 §4.1.2", &[Claim("sub", "\"añ\\u00e4\\ud83d\\ude00\"")]),
    odd("good/unknown-claims", "RFC 7519 §4", &[Claim("plan", "{\"tier\":3,\"flags\":[true,null,-1.5e3]}")]),
    odd("good/names-that-differ-in-case", "RFC 7519 §4", &[Claim("SUB", "\"root\"")]),
    odd("good/names-of-prototypes", "opaque names", &[Claim("__proto__", "{\"admin\":true}")]),
    odd(
        "good/white-space",
        "RFC 8259 §2",
        &[Payload(|text| text.replace(',', " ,\r\n\t").replacen('{', " { ", 1).into_bytes())],
    ),
    odd(
        "good/high-s",
        "RFC 7518 §3.4: both halves of the curve are valid",
        &[Key(TestKey::Es256), Signature(|signature| other_s(signature))],
    ),
    odd(
        "good/long",
        "less than 8 KiB",
        &[Payload(|text| {
            text.replacen('}', &format!(",\"note\":\"{}\"}}", "n".repeat(5_500)), 1).into_bytes()
        })],
    ),
];

/// The order of the curve minus S: the other signature that the same key, message and R have.
fn other_s(signature: &mut [u8]) {
    let mut borrow = 0;
    for (byte, order) in signature.iter_mut().skip(32).zip(P256_ORDER).rev() {
        let difference = i16::from(order) - i16::from(*byte) - borrow;
        borrow = i16::from(difference < 0);
        *byte = difference.rem_euclid(256).to_be_bytes().last().copied().unwrap_or_default();
    }
}
