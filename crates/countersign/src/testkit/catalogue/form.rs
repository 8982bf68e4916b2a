//! Tokens that are not three segments of canonical base64url.

use super::{BadToken, bad};
use crate::{
    TokenRefusal::{
        HeaderMalformed, PayloadMalformed, SignatureInvalid, TokenMalformed, TokenMissing, TokenTooLarge,
    },
    jws,
    testkit::recipe::Change::{Claim, Encoded, Header, Payload, Token},
};

/// The good token inside a JWE with that header. It is never looked at: no segment is decrypted or inflated.
macro_rules! encrypted {
    ($name:literal, $source:literal, $header:literal) => {
        bad(
            concat!("form/", $name),
            $source,
            TokenMalformed,
            &[Token(|token| {
                let [header, content] = [$header.as_bytes(), token.as_bytes()].map(jws::encode);
                format!("{header}.AAAA.AAAAAAAAAAAAAAAA.{content}.AAAAAAAAAAAAAAAAAAAAAA")
            })],
        )
    };
}

static ALL: &[BadToken] = &[
    bad("form/empty", "RFC 6750 §3.1: no token, so no error", TokenMissing, &[Token(|_| String::new())]),
    bad("form/one-segment", "RFC 7515 §7.1", TokenMalformed, &[Token(|token| segment(&token, 1))]),
    bad("form/two-segments", "RFC 7515 §7.1", TokenMalformed, &[Token(|token| without_last(&token))]),
    bad("form/four-segments", "RFC 7515 §7.1", TokenMalformed, &[Token(|token| token + ".AA")]),
    bad("form/four-segments-last-empty", "RFC 7515 §7.1", TokenMalformed, &[Token(|token| token + ".")]),
    bad(
        "form/five-segments",
        "RFC 7516 §3.1, RFC 8725 §3.3",
        TokenMalformed,
        &[Token(|token| token + ".AA.AA")],
    ),
    encrypted!(
        "encrypted",
        "RFC 7516 §3.1, RFC 8725 §2.3",
        r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","cty":"JWT"}"#
    ),
    encrypted!("encrypted-unsigned", "CVE-2026-29000", r#"{"alg":"dir","enc":"A256GCM"}"#),
    encrypted!(
        "encrypted-compressed",
        "CVE-2024-28176, CVE-2024-28180",
        r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","zip":"DEF"}"#
    ),
    encrypted!(
        "encrypted-with-costly-password",
        "CVE-2023-52428",
        r#"{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483647,"p2s":"AAAAAAAAAAA"}"#
    ),
    encrypted!(
        "encrypted-to-invalid-point",
        "RFC 7518 §4.6",
        r#"{"alg":"ECDH-ES","enc":"A128GCM","epk":{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}}"#
    ),
    encrypted!("encrypted-with-padding-oracle", "RFC 7518 §4.2", r#"{"alg":"RSA1_5","enc":"A128CBC-HS256"}"#),
    bad("form/six-segments", "RFC 7515 §7.1", TokenMalformed, &[Token(|token| token + ".AA.AA.AA")]),
    bad("form/leading-dot", "RFC 7515 §7.1", TokenMalformed, &[Token(|token| format!(".{token}"))]),
    bad("form/one-dot", "RFC 7515 §7.1", TokenMalformed, &[Token(|_| ".".to_owned())]),
    bad("form/two-dots", "RFC 7515 §7.1", HeaderMalformed, &[Token(|_| "..".to_owned())]),
    bad("form/three-dots", "RFC 7515 §7.1", TokenMalformed, &[Token(|_| "...".to_owned())]),
    bad("form/doubled-dot", "RFC 7515 §7.1", TokenMalformed, &[Token(|token| token.replacen('.', "..", 1))]),
    bad("form/header-empty", "RFC 7515 §7.1", HeaderMalformed, &[Encoded(|header, _| header.clear())]),
    bad("form/payload-empty", "RFC 7519 §7.2", PayloadMalformed, &[Encoded(|_, payload| payload.clear())]),
    bad(
        "form/signature-empty",
        "CVE-2020-28042",
        SignatureInvalid,
        &[Token(|token| without_last(&token) + ".")],
    ),
    bad("form/header-padded", "RFC 7515 §2", TokenMalformed, &[Encoded(|header, _| header.push('='))]),
    bad("form/payload-padded", "RFC 7515 §2", TokenMalformed, &[Encoded(|_, payload| payload.push('='))]),
    bad(
        "form/payload-padded-twice",
        "RFC 7515 §2",
        TokenMalformed,
        &[Encoded(|_, payload| payload.push_str("=="))],
    ),
    bad(
        "form/signature-padded",
        "RFC 7515 §2; other spellings of a token",
        TokenMalformed,
        &[Token(|token| token + "==")],
    ),
    bad("form/signature-padded-once", "RFC 7515 §2", TokenMalformed, &[Token(|token| token + "=")]),
    bad(
        "form/payload-of-other-alphabet",
        "RFC 7515 §2, RFC 4648 §4",
        TokenMalformed,
        &[
            Claim("note", PLUS_AND_SLASH),
            Encoded(|_, payload| *payload = payload.replace('-', "+").replace('_', "/")),
        ],
    )
    .twin_is(&[Claim("note", PLUS_AND_SLASH)]),
    bad(
        "form/payload-with-space",
        "RFC 7515 §2",
        TokenMalformed,
        &[Encoded(|_, payload| payload.insert(4, ' '))],
    ),
    bad(
        "form/payload-with-newline",
        "RFC 7515 §2",
        TokenMalformed,
        &[Encoded(|_, payload| payload.insert(64, '\n'))],
    ),
    bad(
        "form/payload-with-crlf",
        "RFC 7515 §2",
        TokenMalformed,
        &[Encoded(|_, payload| payload.insert_str(64, "\r\n"))],
    ),
    bad(
        "form/payload-with-tab",
        "RFC 7515 §2",
        TokenMalformed,
        &[Encoded(|_, payload| payload.insert(8, '\t'))],
    ),
    bad(
        "form/payload-with-nul",
        "RFC 7515 §2",
        TokenMalformed,
        &[Encoded(|_, payload| payload.insert(8, '\0'))],
    ),
    bad(
        "form/payload-with-umlaut",
        "RFC 7515 §2",
        TokenMalformed,
        &[Encoded(|_, payload| payload.insert(8, 'ü'))],
    ),
    bad(
        "form/header-with-space",
        "RFC 7515 §2",
        TokenMalformed,
        &[Encoded(|header, _| header.insert(4, ' '))],
    ),
    bad("form/header-with-newline", "RFC 7515 §2", TokenMalformed, &[Encoded(|header, _| header.push('\n'))]),
    bad("form/signature-with-newline", "RFC 7515 §2", TokenMalformed, &[Token(|token| token + "\n")]),
    bad("form/signature-with-space", "RFC 7515 §2", TokenMalformed, &[Token(|token| token + " ")]),
    bad("form/leading-space", "RFC 7515 §2", TokenMalformed, &[Token(|token| format!(" {token}"))]),
    bad("form/percent-encoded", "RFC 7515 §2", TokenMalformed, &[Token(|token| token.replace('.', "%2e"))]),
    bad(
        "form/dot-look-alike",
        "RFC 7515 §7.1",
        TokenMalformed,
        &[Token(|token| token.replace('.', "\u{2024}"))],
    ),
    bad(
        "form/header-trailing-bits",
        "RFC 4648 §3.5",
        TokenMalformed,
        &[Header("x", "\"\""), Encoded(|header, _| set_trailing_bits(header))],
    )
    .twin_is(&[Header("x", "\"\"")]),
    bad(
        "form/payload-trailing-bits",
        "RFC 4648 §3.5",
        TokenMalformed,
        &[Payload(|text| one_byte_over(&text)), Encoded(|_, payload| set_trailing_bits(payload))],
    )
    .twin_is(&[Payload(|text| one_byte_over(&text))]),
    bad(
        "form/signature-trailing-bits",
        "RFC 4648 §3.5",
        TokenMalformed,
        &[Token(|mut token| {
            set_trailing_bits(&mut token);
            token
        })],
    ),
    bad(
        "form/payload-of-impossible-length",
        "RFC 4648 §4",
        TokenMalformed,
        &[Encoded(|_, payload| {
            while payload.len() % 4 != 1 {
                payload.push('A');
            }
        })],
    ),
    bad(
        "form/json-flattened",
        "RFC 7515 §7.2.2, draft-ietf-oauth-rfc8725bis §3.14",
        TokenMalformed,
        &[Token(|token| flattened(&token, ""))],
    ),
    bad(
        "form/json-general",
        "RFC 7515 §7.2.1",
        TokenMalformed,
        &[Token(|token| {
            format!(
                r#"{{"payload":"{}","signatures":[{{"protected":"{}","signature":"{}"}}]}}"#,
                segment(&token, 1),
                segment(&token, 0),
                segment(&token, 2)
            )
        })],
    ),
    bad(
        "form/json-and-compact-at-once",
        "CVE-2022-39227",
        TokenMalformed,
        &[Token(|token| flattened(&token, r#""  eyJhbGciOiJub25lIn0.e30.":"","#))],
    ),
    bad("form/sd-jwt", "RFC 9901 §4", TokenMalformed, &[Token(|token| token + "~")]),
    bad(
        "form/paseto",
        "a token of another kind",
        TokenMalformed,
        &[Token(|token| format!("v4.public.{}", segment(&token, 1)))],
    ),
    bad(
        "form/saml",
        "a token of another kind",
        TokenMalformed,
        &[Token(|_| "<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"/>".to_owned())],
    ),
    bad(
        "form/session-identifier",
        "an opaque session token",
        TokenMalformed,
        &[Token(|_| "3f2c9a7be1d04c55a2b7d1e94f60c8aa".to_owned())],
    ),
    bad("form/scheme-inside", "RFC 6750 §2.1", TokenMalformed, &[Token(|token| format!("Bearer {token}"))]),
    bad("form/two-tokens", "RFC 6750 §2", TokenMalformed, &[Token(|token| format!("{token},{token}"))]),
    bad("form/quoted", "RFC 6750 §2.1", TokenMalformed, &[Token(|token| format!("\"{token}\""))]),
    bad(
        "form/too-large",
        "one byte over 8 KiB",
        TokenTooLarge,
        &[Payload(|text| grown(&text)), Token(|token| sized(&token, 8193))],
    )
    .twin_is(&[Payload(|text| grown(&text))]),
    bad(
        "form/huge-key-id",
        "CPU and memory before a refusal",
        TokenTooLarge,
        &[Encoded(|header, _| {
            *header = jws::encode(
                format!(r#"{{"alg":"Ed25519","typ":"at+jwt","kid":"{}"}}"#, "k".repeat(16_384)).as_bytes(),
            )
        })],
    ),
    bad(
        "form/two-thousand-claims",
        "CPU and memory before a refusal",
        TokenTooLarge,
        &[Payload(|text| {
            let more: String = (0..2_000).map(|number| format!(",\"c{number}\":0")).collect();
            text.replacen('}', &format!("{more}}}"), 1).into_bytes()
        })],
    ),
];

pub(super) static ROWS: &[&[BadToken]] = &[ALL];

/// JSON whose encoding has both characters in which the alphabets differ, wherever it stands in the text.
const PLUS_AND_SLASH: &str = "\"~~~~\u{7f}?>?>???>>>~~~\"";

fn segment(token: &str, index: usize) -> String {
    token.split('.').nth(index).unwrap_or_default().to_owned()
}

fn without_last(token: &str) -> String {
    token.rsplit_once('.').map_or_else(String::new, |(rest, _)| rest.to_owned())
}

fn flattened(token: &str, before: &str) -> String {
    let [header, payload, signature] = [0, 1, 2].map(|index| segment(token, index));
    format!(r#"{{{before}"protected":"{header}","payload":"{payload}","signature":"{signature}"}}"#)
}

/// Another last character for the same bytes, where the last character has bits to spare.
fn set_trailing_bits(text: &mut String) {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    if let Some(at) = text.pop().and_then(|last| ALPHABET.find(last)) {
        text.extend(ALPHABET.chars().nth(at + 1));
    }
}

/// White space after the object until its encoding has bits to spare.
fn one_byte_over(text: &str) -> Vec<u8> {
    let mut text = text.to_owned();
    while text.len() % 3 != 1 {
        text.push(' ');
    }
    text.into_bytes()
}

/// A claim that makes the token almost 8 KiB long.
fn grown(text: &str) -> Vec<u8> {
    text.replacen('}', &format!(",\"note\":\"{}\"}}", "n".repeat(5_550)), 1).into_bytes()
}

fn sized(token: &str, len: usize) -> String {
    format!("{token}{}", "A".repeat(len.saturating_sub(token.len())))
}
