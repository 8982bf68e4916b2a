//! Tokens that bring, point to or mistake a key.

use super::{BadToken, Setup, bad};
use crate::{
    TokenRefusal::{
        AlgorithmMismatch, HeaderMalformed, IssuerUnknown, KeyUnknown, OrganisationNotOfIssuer,
        SignatureInvalid,
    },
    testkit::{
        TestKey,
        recipe::{
            Change::{Claim, Header, Key, KeyIdOf, NoHeader, Sign},
            Signing::Hmac,
        },
    },
};

const EMBEDDED: &str = "CVE-2018-0114, CVE-2026-27962, RFC 8725 §3.10";
const POINTED_TO: &str = "RFC 8725 §3.10: no request is made for a token";
const CERTIFIED: &str =
    "RFC 7515 §4.1.6, RFC 8725 §3.10: who signed a certificate is not who may sign a token";
const OPAQUE: &str = "RFC 7515 §4.1.4: an opaque name, never a path, query or address";
const STRING: &str = "RFC 7515 §4.1.4";
const ISSUER: &str = "RFC 8725 §3.8: a key belongs to one issuer";

/// A token signed with the attacker's key, whose header wants that key to be used, under the name of a good key.
macro_rules! points {
    ($name:literal, $source:expr, $parameter:literal, $value:expr) => {
        bad(
            concat!("key/", $name),
            $source,
            SignatureInvalid,
            &[Key(TestKey::Ed25519OfOther), KeyIdOf(TestKey::Ed25519), Header($parameter, $value)],
        )
        .twin_is(&[Header($parameter, $value)])
    };
}

/// A good signature under a name that no key has.
macro_rules! named {
    ($name:literal, $id:expr) => {
        bad(concat!("key/id-", $name), OPAQUE, KeyUnknown, &[Header("kid", $id)])
    };
}

static ALL: &[BadToken] = &[
    points!("embedded", EMBEDDED, "jwk", "{jwk}"),
    points!("url-of-attacker", POINTED_TO, "jku", "\"{attacker}\""),
    points!("url-of-loopback", POINTED_TO, "jku", "\"http://127.0.0.1:1/jwks.json\""),
    points!("url-of-metadata-service", POINTED_TO, "jku", "\"http://169.254.169.254/latest/\""),
    points!("url-of-file", POINTED_TO, "jku", "\"file:///etc/hostname\""),
    points!("url-with-user", POINTED_TO, "jku", "\"https://issuer.test@evil.test/jwks.json\""),
    points!("url-that-redirects", POINTED_TO, "jku", "\"https://issuer.test/leave?to={attacker}\""),
    points!("url-of-look-alike-host", POINTED_TO, "jku", "\"https://issuer.test.evil.test/jwks.json\""),
    points!("url-of-name-of-loopback", POINTED_TO, "jku", "\"http://localhost:1/jwks.json\""),
    points!("url-of-loopback-in-ipv6", POINTED_TO, "jku", "\"http://[::ffff:127.0.0.1]:1/jwks.json\""),
    points!("url-that-is-the-set", POINTED_TO, "jku", "\"data:application/json,%7B%22keys%22:[]%7D\""),
    points!("certificate-url", POINTED_TO, "x5u", "\"https://evil.test/chain.pem\""),
    points!("certificate-url-of-loopback", POINTED_TO, "x5u", "\"http://127.0.0.1:1/chain.pem\""),
    points!("certificate-url-of-file", POINTED_TO, "x5u", "\"file:///etc/ssl/certs/ca.pem\""),
    points!("certificate-chain", CERTIFIED, "x5c", CHAIN),
    points!("certificate-thumbprint", CERTIFIED, "x5t", "\"k-DFZKpqhj4vOMkbKS5yHwniYrE\""),
    points!(
        "certificate-thumbprint-of-sha-256",
        CERTIFIED,
        "x5t#S256",
        "\"dtIwmDdEFXh_GNvNxun29QREc7YTIFDfzC0TGzZ6yao\""
    ),
    bad(
        "key/certificate-chain-without-id",
        CERTIFIED,
        KeyUnknown,
        &[Key(TestKey::Ed25519OfOther), NoHeader("kid"), Header("x5c", CHAIN)],
    ),
    bad(
        "key/certificate-chain-under-own-id",
        CERTIFIED,
        KeyUnknown,
        &[Key(TestKey::Ed25519OfOther), Header("x5c", CHAIN)],
    ),
    bad(
        "key/embedded-without-id",
        EMBEDDED,
        KeyUnknown,
        &[Key(TestKey::Ed25519OfOther), NoHeader("kid"), Header("jwk", "{jwk}")],
    ),
    bad(
        "key/embedded-under-own-id",
        EMBEDDED,
        KeyUnknown,
        &[Key(TestKey::Ed25519OfOther), Header("jwk", "{jwk}")],
    ),
    bad(
        "key/url-under-own-id",
        POINTED_TO,
        KeyUnknown,
        &[Key(TestKey::Ed25519OfOther), Header("jku", "\"{attacker}\"")],
    ),
    bad("key/id-missing", "RFC 7515 §4.1.4: which of several keys?", KeyUnknown, &[NoHeader("kid")]),
    bad("key/not-published", "RFC 7515 §4.1.4", KeyUnknown, &[Key(TestKey::Ed25519OfOther)]),
    named!("unknown", "\"unknown\""),
    named!("empty", "\"\""),
    named!("with-space", "\"{kid} \""),
    named!("with-nul", "\"{kid}\\u0000\""),
    named!("doubled", "\"{kid},{kid}\""),
    named!("traversal", "\"../../../../../../dev/null\""),
    named!("device", "\"/dev/null\""),
    named!("command", "\"|sleep 10\""),
    named!("command-in-backticks", "\"`sleep 10`\""),
    named!("sql", "\"x' UNION SELECT '1';--\""),
    named!("ldap", "\"*)(objectClass=*\""),
    named!("url", "\"https://evil.test/key.pem\""),
    named!("line-break", "\"{kid}\\r\\nX-Admin: 1\""),
    named!("prototype", "\"__proto__\""),
    named!("constructor", "\"constructor\""),
    named!("number-as-text", "\"0\""),
    bad(
        "key/id-path-to-empty-secret",
        OPAQUE,
        AlgorithmMismatch,
        &[
            Header("alg", "\"HS256\""),
            Header("kid", "\"../../../../../../dev/null\""),
            Sign(Hmac(|| vec![0])),
        ],
    ),
    bad(
        "key/id-device-of-empty-secret",
        OPAQUE,
        AlgorithmMismatch,
        &[Header("alg", "\"HS256\""), Header("kid", "\"/dev/null\""), Sign(Hmac(|| vec![0]))],
    ),
    bad("key/id-number", STRING, HeaderMalformed, &[Header("kid", "0")]),
    bad("key/id-null", STRING, HeaderMalformed, &[Header("kid", "null")]),
    bad("key/id-true", STRING, HeaderMalformed, &[Header("kid", "true")]),
    bad("key/id-array", STRING, HeaderMalformed, &[Header("kid", "[\"{kid}\"]")]),
    bad("key/id-object", STRING, HeaderMalformed, &[Header("kid", "{\"$ne\":null}")]),
    bad("key/id-too-long", "a name of more than 512 bytes", HeaderMalformed, &[Header("kid", LONG)]),
    bad("key/of-other-issuer", ISSUER, KeyUnknown, &[Key(TestKey::Ed25519OfOther)]).asked(Setup::TwoIssuers),
    bad("key/ours-for-other-issuer", ISSUER, KeyUnknown, &[Claim("iss", "\"https://other.test\"")])
        .asked(Setup::TwoIssuers)
        .twin_is(&[Claim("iss", "\"https://other.test\""), Key(TestKey::Ed25519OfOther)]),
    bad(
        "key/organisation-of-other-issuer",
        "an issuer names only the organisations it may",
        OrganisationNotOfIssuer,
        &[
            Claim("iss", "\"https://other.test\""),
            Key(TestKey::Ed25519OfOther),
            Claim("organisation", "\"globex\""),
        ],
    )
    .asked(Setup::TwoIssuers)
    .twin_is(&[Claim("iss", "\"https://other.test\""), Key(TestKey::Ed25519OfOther)]),
    bad("key/issuer-not-trusted", ISSUER, IssuerUnknown, &[Claim("iss", "\"https://third.test\"")])
        .asked(Setup::TwoIssuers),
    bad(
        "key/only-key-signed-by-another",
        "RFC 7515 §5.2",
        SignatureInvalid,
        &[Key(TestKey::Ed25519OfOther), NoHeader("kid")],
    )
    .asked(Setup::OneKey)
    .twin_is(&[NoHeader("kid")]),
    bad(
        "key/only-key-of-another-algorithm",
        "RFC 8725 §3.1",
        AlgorithmMismatch,
        &[Key(TestKey::Es256), NoHeader("kid")],
    )
    .asked(Setup::OneKey)
    .twin_is(&[NoHeader("kid")]),
    bad("key/only-key-under-another-name", STRING, KeyUnknown, &[Header("kid", "\"unknown\"")])
        .asked(Setup::OneKey),
];

pub(super) static ROWS: &[&[BadToken]] = &[ALL];

/// A certificate that [`TestKey::Ed25519OfOther`] gave itself, in the name of `issuer.test`.
const CHAIN: &str = concat!(
    "[\"MIHaMIGNoAMCAQICAQEwBQYDK2VwMBYxFDASBgNVBAMMC2lzc3Vlci50ZXN0MCAXDTI2MDEwMTAwMDAwMFoYDzIxMjYwMTAxMDAwMDAw",
    "WjAWMRQwEgYDVQQDDAtpc3N1ZXIudGVzdDAqMAUGAytlcAMhAOQ9AmWViC2i/R25COlf5NsOFVpcGVzaVCYdNxdyxD+PMAUGAytlcANBAAbB",
    "E/WRr2LgEgEi7VIxylGbwm0jZLpHd8xDNDH4DaY7kIyr8fNKrTl43M2r/7krNfimyrbZ9Q5KQRDwD8pwyQw=\"]"
);

/// 513 bytes.
const LONG: &str = concat!(
    "\"",
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "x\""
);
