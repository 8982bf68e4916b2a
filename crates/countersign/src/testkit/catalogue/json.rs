//! Headers and payloads that are not one JSON object which every reader understands alike.

use super::{BadToken, bad};
use crate::{
    TokenRefusal::{HeaderMalformed, PayloadMalformed},
    testkit::recipe::Change::{Claim, ClaimAgain, HeaderAgain, HeaderText, Payload},
};

macro_rules! both {
    ($($name:literal, $source:literal, $work:expr;)+) => {
        &[$(
            bad(concat!("json/header-", $name), $source, HeaderMalformed, &[HeaderText($work)]),
            bad(concat!("json/payload-", $name), $source, PayloadMalformed, &[Payload($work)]),
        )+
            bad("json/header-algorithm-twice", "RFC 7515 §4", HeaderMalformed, &[HeaderAgain("alg", "\"none\"")]),
            bad("json/header-same-algorithm-twice", "RFC 7515 §4", HeaderMalformed, &[HeaderAgain("alg", "\"Ed25519\"")]),
            bad("json/header-algorithm-twice-escaped", "RFC 7515 §4", HeaderMalformed, &[HeaderAgain("\\u0061lg", "\"none\"")]),
            bad("json/header-key-id-twice", "RFC 7515 §4", HeaderMalformed, &[HeaderAgain("kid", "\"{kid}\"")]),
            bad("json/header-type-twice", "RFC 7515 §4", HeaderMalformed, &[HeaderAgain("typ", "\"at+jwt\"")]),
            bad("json/header-unknown-twice", "RFC 7515 §4", HeaderMalformed, &[HeaderAgain("x", "1"), HeaderAgain("x", "1")]),
            bad("json/issuer-twice", "RFC 7519 §4", PayloadMalformed, &[ClaimAgain("iss", "\"https://evil.test\"")]),
            bad("json/subject-twice", "RFC 7519 §4", PayloadMalformed, &[ClaimAgain("sub", "\"root\"")]),
            bad("json/same-subject-twice", "RFC 7519 §4", PayloadMalformed, &[ClaimAgain("sub", "\"ada\"")]),
            bad("json/subject-twice-escaped", "RFC 7519 §4", PayloadMalformed, &[ClaimAgain("s\\u0075b", "\"root\"")]),
            bad("json/audience-twice", "RFC 7519 §4", PayloadMalformed, &[ClaimAgain("aud", "\"{aud}\"")]),
            bad("json/expiry-twice", "RFC 7519 §4", PayloadMalformed, &[ClaimAgain("exp", "9999999999")]),
            bad("json/organisation-twice", "RFC 7519 §4", PayloadMalformed, &[ClaimAgain("organisation", "\"globex\"")]),
            bad("json/roles-twice", "RFC 7519 §4", PayloadMalformed, &[ClaimAgain("roles", "[\"admin\"]")]),
            bad("json/unknown-claim-twice", "RFC 7519 §4", PayloadMalformed, &[ClaimAgain("x", "1"), ClaimAgain("x", "2")]),
            bad("json/nested-twice", "RFC 7519 §4", PayloadMalformed, &[Claim("x", "{\"a\":{\"b\":1,\"b\":2}}")])
                .twin_is(&[Claim("x", "{\"a\":{\"b\":1,\"c\":2}}")]),
            bad("json/nested-in-array-twice", "RFC 7519 §4", PayloadMalformed, &[Claim("x", "[{\"b\":1,\"b\":1}]")])
                .twin_is(&[Claim("x", "[{\"b\":1},{\"b\":1}]")]),
            bad("json/actor-twice", "RFC 7519 §4, RFC 8693 §4.1", PayloadMalformed, &[Claim("act", "{\"sub\":\"a\",\"sub\":\"b\"}")])
                .twin_is(&[Claim("act", "{\"sub\":\"a\"}")]),
            bad("json/lone-surrogate-in-name", "RFC 8725 §3.7", PayloadMalformed, &[ClaimAgain("\\udc00", "1")])
                .twin_is(&[ClaimAgain("\\ud83d\\ude00", "1")]),
            bad("json/lone-surrogate-in-value", "RFC 8725 §3.7", PayloadMalformed, &[Claim("sub", "\"ada\\ud800\"")])
                .twin_is(&[Claim("sub", "\"ada\\ud83d\\ude00\"")]),
            bad("json/surrogates-swapped", "RFC 8725 §3.7", PayloadMalformed, &[Claim("sub", "\"\\ude00\\ud83d\"")])
                .twin_is(&[Claim("sub", "\"\\ud83d\\ude00\"")]),
            bad("json/raw-newline-in-value", "RFC 8259 §7", PayloadMalformed, &[Claim("sub", "\"ada\n\"")])
                .twin_is(&[Claim("sub", "\"ada\\n\"")]),
            bad("json/number-too-large", "RFC 8259 §6", PayloadMalformed, &[Claim("exp", "1e9999")]),
            bad("json/number-nan", "RFC 8259 §6", PayloadMalformed, &[Claim("exp", "NaN")]),
            bad("json/number-infinity", "RFC 8259 §6", PayloadMalformed, &[Claim("exp", "Infinity")]),
            bad("json/number-minus-infinity", "RFC 8259 §6", PayloadMalformed, &[Claim("exp", "-Infinity")]),
            bad("json/number-with-leading-zero", "RFC 8259 §6", PayloadMalformed, &[Claim("x", "01")])
                .twin_is(&[Claim("x", "1")]),
            bad("json/number-hexadecimal", "RFC 8259 §6", PayloadMalformed, &[Claim("x", "0x1")])
                .twin_is(&[Claim("x", "1")]),
            bad("json/nested-too-deep", "stack exhaustion", PayloadMalformed, &[Payload(|text| deep(&text, 2_500))])
                .twin_is(&[Payload(|text| deep(&text, 100))]),
        ]
    };
}

static ALL: &[BadToken] = both! {
    "array", "RFC 7515 §4, RFC 7519 §7.2", |text| format!("[{text}]").into_bytes();
    "string", "RFC 7515 §4, RFC 7519 §7.2", |_| b"\"{}\"".to_vec();
    "number", "RFC 7515 §4, RFC 7519 §7.2", |_| b"1".to_vec();
    "true", "RFC 7515 §4, RFC 7519 §7.2", |_| b"true".to_vec();
    "null", "RFC 7515 §4, RFC 7519 §7.2", |_| b"null".to_vec();
    "truncated", "RFC 8259 §4", |text| text.trim_end_matches('}').as_bytes().to_vec();
    "followed-by-text", "RFC 8259 §2", |text| (text + "x").into_bytes();
    "followed-by-object", "RFC 8259 §2", |text| (text + "{}").into_bytes();
    "followed-by-nul", "RFC 8259 §2", |text| (text + "\0").into_bytes();
    "with-trailing-comma", "RFC 8259 §4", |text| text.replacen('}', ",}", 1).into_bytes();
    "with-comment", "RFC 8259 §2", |text| text.replacen('{', "{/**/", 1).into_bytes();
    "with-single-quotes", "RFC 8259 §7", |text| text.replace('"', "'").into_bytes();
    "with-byte-order-mark", "RFC 8259 §8.1", |text| format!("\u{feff}{text}").into_bytes();
    "in-utf-16", "RFC 8725 §3.7", |text| text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    "in-utf-32", "RFC 8725 §3.7", |text| text.chars().flat_map(|letter| u32::from(letter).to_be_bytes()).collect();
    "not-utf-8", "RFC 8725 §3.7", |text| with_bytes(&text, b"\"\xff\"");
    "with-overlong-utf-8", "RFC 3629 §3", |text| with_bytes(&text, b"\"\xc0\xaf\"");
    "with-surrogate-bytes", "RFC 3629 §3", |text| with_bytes(&text, b"\"\xed\xa0\x80\"");
};

pub(super) static ROWS: &[&[BadToken]] = &[ALL];

/// The object with one more member of that raw value.
fn with_bytes(text: &str, value: &[u8]) -> Vec<u8> {
    [text.trim_end_matches('}').as_bytes(), b",\"x\":", value, b"}"].concat()
}

fn deep(text: &str, levels: usize) -> Vec<u8> {
    let value = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    with_bytes(text, value.as_bytes())
}
