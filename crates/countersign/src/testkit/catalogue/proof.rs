//! Requests with a token that is bound to a key, and a proof that does not prove it (RFC 9449 §4.3).

use crate::{
    ClaimName,
    TokenRefusal::{
        self, ProofAlgorithmUnsupported, ProofAmbiguous, ProofClaimMalformed, ProofExpired,
        ProofForOtherMethod, ProofForOtherToken, ProofForOtherUri, ProofIssuedInFuture, ProofKeyInvalid,
        ProofMalformed, ProofMissing, ProofNonceRequired, ProofOfOtherKey, ProofOfOtherType, ProofReplayed,
        ProofSignatureInvalid, ProofTooLarge, TokenBound, TokenExpired, TokenNeedsProof, TokenNotBound,
    },
    testkit::{
        TestKey,
        bad_proof::{BadProof, OddProof, ProofSetup, Recipe},
        recipe::{
            Change::{
                self, Claim, ClaimAgain, Header, HeaderAgain, HeaderText, Key, NoClaim, NoHeader, Payload,
                PayloadAfterSigning, Sign, Signature, Time, Token,
            },
            Signing,
        },
    },
};

const fn bad(
    name: &'static str,
    source: &'static str,
    refusal: TokenRefusal,
    proof: &'static [Change],
) -> BadProof {
    let recipe = Recipe { proof, ..Recipe::GOOD };
    BadProof { name, source, refusal, setup: ProofSetup::Both, recipe, twin: Recipe::GOOD }
}

const fn odd(name: &'static str, source: &'static str, proof: &'static [Change]) -> OddProof {
    OddProof { name, source, setup: ProofSetup::Both, recipe: Recipe { proof, ..Recipe::GOOD } }
}

impl BadProof {
    const fn request_is(mut self, recipe: Recipe) -> Self {
        let proof = self.recipe.proof;
        self.recipe = Recipe { proof, ..recipe };
        self
    }

    const fn twin_is(mut self, proof: &'static [Change]) -> Self {
        self.twin = Recipe { proof, ..Recipe::GOOD };
        self
    }

    /// With a key whose signatures are the same each time, also in the twin.
    const fn with_ed25519(mut self) -> Self {
        const TOKEN: &[Change] = &[Claim("cnf", "{\"jkt\":\"{jkt:Ed25519}\"}")];
        self.recipe = Recipe { token: TOKEN, ..self.recipe };
        self.twin = Recipe { token: TOKEN, proof: &[Key(TestKey::Ed25519)], ..GOOD };
        self
    }

    const fn asked(mut self, setup: ProofSetup) -> Self {
        self.setup = setup;
        if matches!(setup, ProofSetup::Nonce) {
            self = self.twin_is(&[Claim("nonce", "\"{nonce}\"")]);
        }
        self
    }
}

impl OddProof {
    const fn bound_by(mut self, token: &'static [Change]) -> Self {
        self.recipe = Recipe { token, ..self.recipe };
        self
    }

    const fn sent_to(mut self, method: &'static str, target: &'static str) -> Self {
        self.recipe = Recipe { method, target, ..self.recipe };
        self
    }

    const fn asked(mut self, setup: ProofSetup) -> Self {
        self.setup = setup;
        self
    }
}

const GOOD: Recipe = Recipe::GOOD;
const AS_BEARER: Recipe = Recipe { scheme: "Bearer", ..GOOD };
const UNBOUND: Recipe = Recipe { token: &[NoClaim("cnf")], ..GOOD };

const ONE: &str = "RFC 9449 §4.3, 1";
const FORM: &str = "RFC 9449 §4.3, 2";
const CLAIMS: &str = "RFC 9449 §4.3, 3";
const TYPE: &str = "RFC 9449 §4.3, 4";
const ALGORITHM: &str = "RFC 9449 §4.3, 5";
const SIGNATURE: &str = "RFC 9449 §4.3, 6";
const KEY: &str = "RFC 9449 §4.3, 7";
const METHOD: &str = "RFC 9449 §4.3, 8";
const ADDRESS: &str = "RFC 9449 §4.3, 9";
const NONCE: &str = "RFC 9449 §4.3, 10, §9";
const TIME: &str = "RFC 9449 §4.3, 11, §11.1";
const BINDING: &str = "RFC 9449 §4.3, 12";
const SCHEME: &str = "RFC 9449 §7.1, §7.2";

static REQUEST: &[BadProof] = &[
    bad("proof/missing", SCHEME, ProofMissing, &[]).request_is(Recipe { proofs: |_| Vec::new(), ..GOOD }),
    bad("proof/bound-token-as-bearer", "RFC 9449 §7.2: a downgrade", TokenNeedsProof, &[])
        .request_is(AS_BEARER),
    bad("proof/bound-token-as-bearer-without-proof", "RFC 9449 §7.2: a downgrade", TokenNeedsProof, &[])
        .request_is(Recipe { proofs: |_| Vec::new(), ..AS_BEARER }),
    bad("proof/bound-token-as-bearer-where-all-are-bound", "RFC 9449 §7.2", TokenNeedsProof, &[])
        .request_is(AS_BEARER)
        .asked(ProofSetup::BoundOnly),
    bad("proof/unbound-token", SCHEME, TokenNotBound, &[]).request_is(UNBOUND),
    bad("proof/unbound-token-where-all-are-bound", SCHEME, TokenNotBound, &[])
        .request_is(Recipe { scheme: "Bearer", ..UNBOUND })
        .asked(ProofSetup::BoundOnly),
    bad("proof/token-bound-to-certificate-too", "RFC 8705 §3.1: not checked here", TokenBound, &[])
        .request_is(Recipe {
            token: &[Claim(
                "cnf",
                "{\"jkt\":\"{jkt}\",\"x5t#S256\":\"bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2\"}",
            )],
            ..GOOD
        }),
    bad("proof/token-bound-to-certificate", "RFC 8705 §3.1: not checked here", TokenBound, &[]).request_is(
        Recipe {
            token: &[Claim("cnf", "{\"x5t#S256\":\"bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2\"}")],
            ..GOOD
        },
    ),
    bad("proof/token-bound-to-cut-thumbprint", "RFC 9449 §6.1", TokenBound, &[])
        .request_is(Recipe { token: &[Claim("cnf", "{\"jkt\":\"0ZcOCORZNYy\"}")], ..GOOD }),
    bad("proof/token-expired", "RFC 7519 §4.1.4: the token comes first", TokenExpired, &[])
        .request_is(Recipe { token: &[Time("exp", -10)], ..GOOD }),
    bad("proof/twice", ONE, ProofAmbiguous, &[])
        .request_is(Recipe { proofs: |proof| vec![proof.clone(), proof], ..GOOD }),
    bad("proof/twice-and-one-is-rubbish", ONE, ProofAmbiguous, &[])
        .request_is(Recipe { proofs: |proof| vec![proof, "rubbish".to_owned()], ..GOOD }),
    bad("proof/in-a-list", ONE, ProofMalformed, &[Key(TestKey::Ed25519)])
        .request_is(Recipe { proofs: |proof| vec![format!("{proof}, {proof}")], ..GOOD })
        .with_ed25519(),
    bad("proof/replayed", "RFC 9449 §11.1", ProofReplayed, &[])
        .request_is(Recipe { sent_before: true, ..GOOD }),
];

static FORMS: &[BadProof] = &[
    bad("proof/empty", FORM, ProofMalformed, &[Token(|_| String::new())]),
    bad("proof/word", FORM, ProofMalformed, &[Token(|_| "proof".to_owned())]),
    bad(
        "proof/two-segments",
        FORM,
        ProofMalformed,
        &[Token(|proof| proof.rsplit_once('.').map_or_else(String::new, |(signed, _)| signed.to_owned()))],
    ),
    bad(
        "proof/four-segments",
        FORM,
        ProofMalformed,
        &[Key(TestKey::Ed25519), Token(|proof| proof + ".AAAA")],
    )
    .with_ed25519(),
    bad("proof/padded", "RFC 7515 §2", ProofMalformed, &[Token(|proof| proof + "==")]),
    bad(
        "proof/json-serialization",
        "RFC 7515 §7.2",
        ProofMalformed,
        &[
            Key(TestKey::Ed25519),
            Token(|proof| {
                let mut parts = proof.split('.');
                let mut part = || parts.next().unwrap_or_default().to_owned();
                format!(
                    "{{\"protected\":\"{}\",\"payload\":\"{}\",\"signature\":\"{}\"}}",
                    part(),
                    part(),
                    part()
                )
            }),
        ],
    )
    .with_ed25519(),
    bad(
        "proof/too-long",
        "bounded",
        ProofTooLarge,
        &[Payload(|text| {
            text.replacen('}', &format!(",\"note\":\"{}\"}}", "n".repeat(6_500)), 1).into_bytes()
        })],
    )
    .twin_is(&[Claim("note", "\"n\"")]),
    bad(
        "proof/header-is-array",
        FORM,
        ProofMalformed,
        &[HeaderText(|text| format!("[{text}]").into_bytes())],
    ),
    bad("proof/payload-is-array", FORM, ProofMalformed, &[Payload(|text| format!("[{text}]").into_bytes())]),
    bad("proof/payload-empty", FORM, ProofMalformed, &[Payload(|_| Vec::new())]),
    bad("proof/header-member-doubled", "RFC 7515 §4", ProofMalformed, &[HeaderAgain("typ", "\"dpop+jwt\"")]),
    bad("proof/method-doubled", "RFC 7519 §4", ProofMalformed, &[ClaimAgain("htm", "\"GET\"")]),
    bad(
        "proof/key-member-doubled",
        "RFC 7517 §4",
        ProofMalformed,
        &[HeaderText(|text| text.replacen("\"kty\"", "\"kty\":\"EC\",\"kty\"", 1).into_bytes())],
    ),
    bad("proof/critical", "RFC 7515 §4.1.11", ProofMalformed, &[Header("crit", "[\"x\"]"), Header("x", "1")])
        .twin_is(&[Header("x", "1")]),
    bad("proof/unencoded", "RFC 7797 §7", ProofMalformed, &[Header("b64", "false")])
        .twin_is(&[Header("b64", "true")]),
    bad("proof/type-missing", TYPE, ProofOfOtherType, &[NoHeader("typ")]),
    bad("proof/type-jwt", TYPE, ProofOfOtherType, &[Header("typ", "\"JWT\"")]),
    bad("proof/type-access-token", TYPE, ProofOfOtherType, &[Header("typ", "\"at+jwt\"")]),
    bad("proof/type-with-space", TYPE, ProofOfOtherType, &[Header("typ", "\"dpop+jwt \"")]),
    bad("proof/type-null", TYPE, ProofMalformed, &[Header("typ", "null")]),
];

static KEYS: &[BadProof] = &[
    bad("proof/algorithm-none", ALGORITHM, ProofAlgorithmUnsupported, &[
        Header("alg", "\"none\""),
        Sign(Signing::Nothing),
    ]),
    bad("proof/algorithm-hmac", ALGORITHM, ProofAlgorithmUnsupported, &[
        Header("alg", "\"HS256\""),
        Header("jwk", "{\"kty\":\"oct\",\"k\":\"AAAA\"}"),
        Sign(Signing::Hmac(|| vec![0, 0, 0])),
    ]),
    bad("proof/algorithm-hmac-under-public-key", "RFC 8725 §2.1", ProofAlgorithmUnsupported, &[
        Header("alg", "\"HS256\""),
        Sign(Signing::HmacOf(TestKey::CLIENT, |key| {
            key.public_jwk().map(|jwk| jwk.required_members().into_bytes()).unwrap_or_default()
        })),
    ]),
    bad("proof/algorithm-unknown", ALGORITHM, ProofAlgorithmUnsupported, &[Header("alg", "\"ES256K\"")]),
    bad("proof/algorithm-in-small-letters", ALGORITHM, ProofAlgorithmUnsupported, &[Header("alg", "\"es256\"")]),
    bad("proof/algorithm-missing", ALGORITHM, ProofMalformed, &[NoHeader("alg")]),
    bad("proof/algorithm-not-accepted", ALGORITHM, ProofAlgorithmUnsupported, &[Key(TestKey::Es384)])
        .request_is(Recipe { token: &[Claim("cnf", "{\"jkt\":\"{jkt:ES384}\"}")], ..GOOD })
        .asked(ProofSetup::Es256),
    bad("proof/algorithm-of-another-curve", KEY, ProofKeyInvalid, &[Header("alg", "\"ES384\"")]),
    bad("proof/algorithm-is-not-the-keys", KEY, ProofKeyInvalid, &[
        Key(TestKey::Ed25519),
        Header("alg", "\"EdDSA\""),
        Header("jwk", "{jwk}"),
    ])
    .request_is(Recipe { token: &[Claim("cnf", "{\"jkt\":\"{jkt:Ed25519}\"}")], ..GOOD }),
    bad("proof/key-missing", KEY, ProofKeyInvalid, &[NoHeader("jwk")]),
    bad("proof/key-null", KEY, ProofKeyInvalid, &[Header("jwk", "null")]),
    bad("proof/key-as-string", KEY, ProofKeyInvalid, &[Header("jwk", "\"{kid}\"")]),
    bad("proof/key-by-name-only", KEY, ProofKeyInvalid, &[NoHeader("jwk"), Header("kid", "\"{kid}\"")]),
    bad("proof/key-by-address", "RFC 7515 §4.1.2", ProofKeyInvalid, &[
        NoHeader("jwk"),
        Header("jku", "\"{attacker}\""),
    ]),
    bad("proof/key-private", KEY, ProofKeyInvalid, &[HeaderText(|text| {
        let private = "\"d\":\"gPh-CE6C3xqjU0a7oQVvKwAg1DLYf3RZMB8nXS8ZAQE\",\"kty\"";
        text.replacen("\"kty\"", private, 1).into_bytes()
    })]),
    bad("proof/key-symmetric", KEY, ProofKeyInvalid, &[Header("jwk", "{\"kty\":\"oct\",\"k\":\"AAAA\"}")]),
    bad("proof/key-for-encryption", "RFC 7517 §4.2", ProofKeyInvalid, &[HeaderText(|text| {
        text.replacen("\"kty\"", "\"use\":\"enc\",\"kty\"", 1).into_bytes()
    })]),
    bad("proof/key-off-the-curve", "RFC 7518 §6.2.1", ProofKeyInvalid, &[Header(
        "jwk",
        "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\"}",
    )])
    .request_is(Recipe {
        token: &[Claim("cnf", "{\"jkt\":\"PQu7oLDpen5-YzIEv-ZklWwmrUCs8u1Ykp__3zXmaE4\"}")],
        ..GOOD
    }),
    bad("proof/of-another-key", BINDING, ProofOfOtherKey, &[Key(TestKey::Es256)]),
    bad("proof/of-the-issuers-key", BINDING, ProofOfOtherKey, &[Key(TestKey::Ed25519)]),
    bad("proof/of-a-weak-key", "RFC 8037: a point of small order", ProofKeyInvalid, &[
        Header("alg", "\"EdDSA\""),
        Header("jwk", "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}"),
    ])
    .request_is(Recipe {
        token: &[Claim("cnf", "{\"jkt\":\"eV9frzBXPTP92MWWMpoFOh0WI_kJLvGlhcNs15APU_s\"}")],
        ..GOOD
    }),
    bad("proof/signed-by-another-key", SIGNATURE, ProofSignatureInvalid, &[Sign(Signing::As(
        TestKey::Es256,
        crate::jws::Algorithm::Es256,
    ))]),
    bad("proof/unsigned", SIGNATURE, ProofSignatureInvalid, &[Sign(Signing::Nothing)]),
    bad("proof/signature-changed", SIGNATURE, ProofSignatureInvalid, &[Signature(|signature| {
        signature.iter_mut().take(1).for_each(|byte| *byte ^= 1);
    })]),
    bad("proof/signature-cut", SIGNATURE, ProofSignatureInvalid, &[Signature(|signature| {
        signature.pop();
    })]),
    bad("proof/method-changed-after-signing", SIGNATURE, ProofSignatureInvalid, &[PayloadAfterSigning(|text| {
        text.replace("\"GET\"", "\"PUT\"").into_bytes()
    })]),
    bad("proof/header-changed-after-signing", SIGNATURE, ProofSignatureInvalid, &[Token(|proof| {
        let signed = proof.split_once('.').map_or("", |(_, rest)| rest);
        let header = proof.split('.').next().and_then(|header| crate::jws::decode(header.as_bytes()));
        let mut header = header.unwrap_or_default();
        header.push(b' ');
        format!("{}.{signed}", crate::jws::encode(&header))
    })]),
];

static MEMBERS: &[BadProof] = &[
    bad("proof/id-missing", CLAIMS, ProofClaimMalformed(ClaimName::TokenId), &[NoClaim("jti")]),
    bad("proof/id-empty", CLAIMS, ProofClaimMalformed(ClaimName::TokenId), &[Claim("jti", "\"\"")]),
    bad("proof/id-number", CLAIMS, ProofClaimMalformed(ClaimName::TokenId), &[Claim("jti", "1")]),
    bad(
        "proof/id-too-long",
        "RFC 9449 §11.1: bounded",
        ProofClaimMalformed(ClaimName::TokenId),
        &[Payload(|text| text.replacen("proof-1", &"p".repeat(257), 1).into_bytes())],
    ),
    bad("proof/method-missing", CLAIMS, ProofClaimMalformed(ClaimName::Method), &[NoClaim("htm")]),
    bad("proof/method-array", CLAIMS, ProofClaimMalformed(ClaimName::Method), &[Claim("htm", "[\"GET\"]")]),
    bad("proof/method-other", METHOD, ProofForOtherMethod, &[Claim("htm", "\"POST\"")]),
    bad("proof/method-of-the-body", METHOD, ProofForOtherMethod, &[])
        .request_is(Recipe { method: "DELETE", ..GOOD }),
    bad("proof/method-in-small-letters", "RFC 9110 §9.1", ProofForOtherMethod, &[Claim("htm", "\"get\"")]),
    bad("proof/address-missing", CLAIMS, ProofClaimMalformed(ClaimName::Uri), &[NoClaim("htu")]),
    bad("proof/address-number", CLAIMS, ProofClaimMalformed(ClaimName::Uri), &[Claim("htu", "7")]),
    bad(
        "proof/address-of-another-path",
        ADDRESS,
        ProofForOtherUri,
        &[Claim("htu", "\"https://orders.test/orders/8\"")],
    ),
    bad(
        "proof/address-without-a-path",
        ADDRESS,
        ProofForOtherUri,
        &[Claim("htu", "\"https://orders.test\"")],
    ),
    bad(
        "proof/address-with-a-slash-more",
        ADDRESS,
        ProofForOtherUri,
        &[Claim("htu", "\"https://orders.test/orders/7/\"")],
    ),
    bad(
        "proof/address-of-another-host",
        ADDRESS,
        ProofForOtherUri,
        &[Claim("htu", "\"https://notes.test/orders/7\"")],
    ),
    bad(
        "proof/address-of-a-longer-host",
        ADDRESS,
        ProofForOtherUri,
        &[Claim("htu", "\"https://orders.test.evil.test/orders/7\"")],
    ),
    bad(
        "proof/address-of-another-scheme",
        ADDRESS,
        ProofForOtherUri,
        &[Claim("htu", "\"http://orders.test/orders/7\"")],
    ),
    bad(
        "proof/address-of-another-port",
        ADDRESS,
        ProofForOtherUri,
        &[Claim("htu", "\"https://orders.test:8443/orders/7\"")],
    ),
    bad(
        "proof/address-with-user",
        "RFC 9110 §4.2.4",
        ProofForOtherUri,
        &[Claim("htu", "\"https://orders.test@evil.test/orders/7\"")],
    ),
    bad(
        "proof/address-in-other-letters",
        ADDRESS,
        ProofForOtherUri,
        &[Claim("htu", "\"https://orders.test/Orders/7\"")],
    ),
    bad(
        "proof/address-with-encoded-slash",
        "RFC 3986 §6.2.2.2",
        ProofForOtherUri,
        &[Claim("htu", "\"https://orders.test/orders%2F7\"")],
    ),
    bad("proof/address-relative", ADDRESS, ProofForOtherUri, &[Claim("htu", "\"/orders/7\"")]),
    bad(
        "proof/address-broken",
        ADDRESS,
        ProofForOtherUri,
        &[Claim("htu", "\"https://orders.test/orders/%7\"")],
    ),
    bad(
        "proof/address-with-space",
        ADDRESS,
        ProofForOtherUri,
        &[Claim("htu", "\"https://orders.test/orders/7 \"")],
    ),
    bad("proof/issued-missing", CLAIMS, ProofClaimMalformed(ClaimName::IssuedAt), &[NoClaim("iat")]),
    bad(
        "proof/issued-string",
        "CVE-2026-25537",
        ProofClaimMalformed(ClaimName::IssuedAt),
        &[Claim("iat", "\"1800000000\"")],
    ),
    bad("proof/issued-negative", CLAIMS, ProofClaimMalformed(ClaimName::IssuedAt), &[Claim("iat", "-1")]),
    bad("proof/issued-long-ago", TIME, ProofExpired, &[Time("iat", -3600)]),
    bad("proof/issued-a-second-too-early", TIME, ProofExpired, &[Time("iat", -61)])
        .twin_is(&[Time("iat", -60)]),
    bad("proof/issued-a-second-too-late", TIME, ProofIssuedInFuture, &[Time("iat", 6)])
        .twin_is(&[Time("iat", 5)]),
    bad(
        "proof/issued-in-milliseconds",
        TIME,
        ProofClaimMalformed(ClaimName::IssuedAt),
        &[Claim("iat", "1800000000000")],
    )
    .twin_is(&[Claim("iat", "1800000000")]),
    bad("proof/ended", "RFC 7519 §4.1.4", ProofExpired, &[Time("exp", -5)]).twin_is(&[Time("exp", 5)]),
    bad(
        "proof/end-string",
        "RFC 7519 §4.1.4",
        ProofClaimMalformed(ClaimName::Expires),
        &[Claim("exp", "\"x\"")],
    )
    .twin_is(&[Time("exp", 5)]),
    bad("proof/not-begun", "RFC 7519 §4.1.5", ProofIssuedInFuture, &[Time("nbf", 6)])
        .twin_is(&[Time("nbf", 5)]),
    bad("proof/token-hash-missing", BINDING, ProofClaimMalformed(ClaimName::TokenHash), &[NoClaim("ath")]),
    bad("proof/token-hash-null", BINDING, ProofClaimMalformed(ClaimName::TokenHash), &[Claim("ath", "null")]),
    bad(
        "proof/for-another-token",
        BINDING,
        ProofForOtherToken,
        &[Claim("ath", "\"fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo\"")],
    ),
    bad("proof/token-hash-empty", BINDING, ProofForOtherToken, &[Claim("ath", "\"\"")]),
    bad("proof/token-hash-padded", BINDING, ProofForOtherToken, &[Claim("ath", "\"{ath}=\"")]),
    bad("proof/nonce-missing", NONCE, ProofNonceRequired, &[]).asked(ProofSetup::Nonce),
    bad("proof/nonce-unknown", NONCE, ProofNonceRequired, &[Claim("nonce", "\"n-0S6_WzA2Mj\"")])
        .asked(ProofSetup::Nonce),
    bad("proof/nonce-old", NONCE, ProofNonceRequired, &[Claim("nonce", "\"{old_nonce}\"")])
        .asked(ProofSetup::Nonce),
    bad("proof/nonce-number", NONCE, ProofClaimMalformed(ClaimName::Nonce), &[Claim("nonce", "1")])
        .asked(ProofSetup::Nonce),
    bad("proof/replayed-with-nonce", "RFC 9449 §11.1", ProofReplayed, &[Claim("nonce", "\"{nonce}\"")])
        .request_is(Recipe { sent_before: true, ..GOOD })
        .asked(ProofSetup::Nonce),
];

/// Every bad proof, group by group.
pub(in crate::testkit) static BAD: &[&[BadProof]] = &[REQUEST, FORMS, KEYS, MEMBERS];

/// Every good one that looks odd.
pub(in crate::testkit) static ODD: &[OddProof] = &[
    odd("proof/plain", "RFC 9449 §4.2", &[]),
    odd("proof/plain-where-all-are-bound", "RFC 9449 §4.2", &[]).asked(ProofSetup::BoundOnly),
    odd("proof/plain-with-nonce", NONCE, &[Claim("nonce", "\"{nonce}\"")]).asked(ProofSetup::Nonce),
    odd("proof/nonce-that-nobody-asked-for", NONCE, &[Claim("nonce", "\"x\"")]),
    odd("proof/es384", ALGORITHM, &[Key(TestKey::Es384)])
        .bound_by(&[Claim("cnf", "{\"jkt\":\"{jkt:ES384}\"}")]),
    odd("proof/es512", ALGORITHM, &[Key(TestKey::Es512)])
        .bound_by(&[Claim("cnf", "{\"jkt\":\"{jkt:ES512}\"}")]),
    odd("proof/ed25519", ALGORITHM, &[Key(TestKey::Ed25519)])
        .bound_by(&[Claim("cnf", "{\"jkt\":\"{jkt:Ed25519}\"}")]),
    odd("proof/eddsa", "RFC 9864 §2.2: the older name", &[Key(TestKey::Ed25519), Header("alg", "\"EdDSA\"")])
        .bound_by(&[Claim("cnf", "{\"jkt\":\"{jkt:Ed25519}\"}")]),
    odd("proof/rs256", ALGORITHM, &[Key(TestKey::Rs256)])
        .bound_by(&[Claim("cnf", "{\"jkt\":\"{jkt:RS256}\"}")]),
    odd("proof/ps256", ALGORITHM, &[Key(TestKey::Ps256)])
        .bound_by(&[Claim("cnf", "{\"jkt\":\"{jkt:PS256}\"}")]),
    odd("proof/type-in-capitals", "RFC 7515 §4.1.9", &[Header("typ", "\"DPOP+JWT\"")]),
    odd("proof/type-in-full", "RFC 7515 §4.1.9", &[Header("typ", "\"application/dpop+jwt\"")]),
    odd("proof/key-with-name-and-use", "RFC 7517 §4", &[Header("jwk", "{jwk}")]),
    odd("proof/unknown-members", "RFC 9449 §4.2", &[Header("new", "{\"a\":1}"), Claim("new", "[1]")]),
    odd("proof/white-space", "RFC 8259 §2", &[Payload(|text| text.replace(',', " ,\n ").into_bytes())]),
    odd(
        "proof/id-as-long-as-it-may-be",
        "256 bytes",
        &[Payload(|text| text.replacen("proof-1", &"p".repeat(256), 1).into_bytes())],
    ),
    odd("proof/another-method", METHOD, &[Claim("htm", "\"PATCH\"")]).sent_to("PATCH", "/orders/7"),
    odd("proof/request-with-query", ADDRESS, &[]).sent_to("GET", "/orders/7?page=2"),
    odd("proof/address-with-query", ADDRESS, &[Claim("htu", "\"https://orders.test/orders/7?page=2#top\"")]),
    odd(
        "proof/address-in-capitals",
        "RFC 3986 §6.2.2.1",
        &[Claim("htu", "\"HTTPS://Orders.TEST/orders/7\"")],
    ),
    odd(
        "proof/address-with-port",
        "RFC 3986 §6.2.3",
        &[Claim("htu", "\"https://orders.test:443/orders/7\"")],
    ),
    odd(
        "proof/address-with-empty-port",
        "RFC 3986 §6.2.3",
        &[Claim("htu", "\"https://orders.test:/orders/7\"")],
    ),
    odd(
        "proof/address-encoded",
        "RFC 3986 §6.2.2.2",
        &[Claim("htu", "\"https://orders.test/%6frders/%37\"")],
    ),
    odd(
        "proof/address-with-dots",
        "RFC 3986 §6.2.2.3",
        &[Claim("htu", "\"https://orders.test/x/../orders/./7\"")],
    ),
    odd(
        "proof/address-encoded-in-small-letters",
        "RFC 3986 §6.2.2.1",
        &[Claim("htu", "\"https://orders.test/orders/%c3%a9\"")],
    )
    .sent_to("GET", "/orders/%C3%A9"),
    odd("proof/address-of-the-root", "RFC 3986 §6.2.3", &[Claim("htu", "\"https://orders.test\"")])
        .sent_to("GET", "/"),
    odd("proof/issued-a-minute-ago", TIME, &[Time("iat", -60)]),
    odd("proof/issued-fraction", "RFC 7519 §2", &[Claim("iat", "1800000000.999")]),
];
