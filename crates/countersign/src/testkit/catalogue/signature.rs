//! Signatures that are not the key's over this header and payload.

use super::{BadToken, Setup, bad};
use crate::jws::{self, Algorithm};
use crate::{
    TokenRefusal::SignatureInvalid,
    testkit::{
        TestKey,
        recipe::{
            Change::{Claim, Encoded, Key, KeyIdOf, PayloadAfterSigning, Sign, Signature, TokenWithKeyId},
            Signing::{As, Nothing},
        },
    },
};

const STRIPPED: &str = "CVE-2020-28042";
const EXACT_LENGTH: &str = "RFC 7518 §3.4";
const PSYCHIC: &str = "CVE-2022-21449";
const EDWARDS: &str = "RFC 8032 §5.1.7";
const RSA: &str = "RFC 8017 §8.2.2";

/// A row about ES256.
macro_rules! ecdsa {
    ($name:literal, $source:expr, $work:expr) => {
        bad(
            concat!("signature/es256-", $name),
            $source,
            SignatureInvalid,
            &[Key(TestKey::Es256), Signature($work)],
        )
        .twin_is(&[Key(TestKey::Es256)])
    };
}

/// A row about ES384 or ES512.
macro_rules! wider {
    ($name:literal, $source:expr, $key:ident, $work:expr) => {
        bad(concat!("signature/", $name), $source, SignatureInvalid, &[Key(TestKey::$key), Signature($work)])
            .twin_is(&[Key(TestKey::$key)])
    };
}

/// A row about RS256.
macro_rules! rsa {
    ($name:literal, $work:expr) => {
        bad(
            concat!("signature/rs256-", $name),
            RSA,
            SignatureInvalid,
            &[Key(TestKey::Rs256), Signature($work)],
        )
        .twin_is(&[Key(TestKey::Rs256)])
    };
}

static ALL: &[BadToken] = &[
    bad("signature/stripped", STRIPPED, SignatureInvalid, &[Sign(Nothing)]),
    bad("signature/stripped-es256", STRIPPED, SignatureInvalid, &[Key(TestKey::Es256), Sign(Nothing)])
        .twin_is(&[Key(TestKey::Es256)]),
    bad("signature/stripped-rs256", STRIPPED, SignatureInvalid, &[Key(TestKey::Rs256), Sign(Nothing)])
        .twin_is(&[Key(TestKey::Rs256)]),
    bad("signature/stripped-ps256", STRIPPED, SignatureInvalid, &[Key(TestKey::Ps256), Sign(Nothing)])
        .twin_is(&[Key(TestKey::Ps256)]),
    bad(
        "signature/subject-swapped",
        "RFC 7515 §5.2",
        SignatureInvalid,
        &[PayloadAfterSigning(|text| text.replace("ada", "root").into_bytes())],
    ),
    bad(
        "signature/role-swapped",
        "RFC 7515 §5.2",
        SignatureInvalid,
        &[PayloadAfterSigning(|text| text.replace("editor", "admin").into_bytes())],
    ),
    bad(
        "signature/organisation-swapped",
        "RFC 7515 §5.2",
        SignatureInvalid,
        &[PayloadAfterSigning(|text| text.replace("acme", "globex").into_bytes())],
    ),
    bad(
        "signature/payload-with-space",
        "RFC 7515 §5.2",
        SignatureInvalid,
        &[PayloadAfterSigning(|text| (text + " ").into_bytes())],
    ),
    bad(
        "signature/header-swapped",
        "RFC 7515 §5.2",
        SignatureInvalid,
        &[TokenWithKeyId(TestKey::Ed25519, |id, token| {
            let header =
                jws::encode(format!(r#"{{"kid":"{id}","typ":"at+jwt","alg":"Ed25519"}}"#).as_bytes());
            token.split_once('.').map_or_else(String::new, |(_, rest)| format!("{header}.{rest}"))
        })],
    ),
    bad(
        "signature/of-another-key",
        "RFC 7515 §5.2",
        SignatureInvalid,
        &[Key(TestKey::Ed25519OfOther), KeyIdOf(TestKey::Ed25519)],
    ),
    bad(
        "signature/of-another-es256-key",
        "RFC 7515 §5.2",
        SignatureInvalid,
        &[Key(TestKey::Es256OfOther), KeyIdOf(TestKey::Es256)],
    )
    .twin_is(&[Key(TestKey::Es256)]),
    bad(
        "signature/of-another-rsa-key",
        "RFC 7515 §5.2",
        SignatureInvalid,
        &[Key(TestKey::Rs256), Sign(As(TestKey::Ps256, Algorithm::Rs256))],
    )
    .twin_is(&[Key(TestKey::Rs256)]),
    bad(
        "signature/of-another-curve",
        "RFC 7518 §3.4",
        SignatureInvalid,
        &[Key(TestKey::Es256), Sign(As(TestKey::Es384, Algorithm::Es384))],
    )
    .twin_is(&[Key(TestKey::Es256)]),
    bad(
        "signature/truncated",
        "RFC 7515 §5.2",
        SignatureInvalid,
        &[Signature(|signature| {
            signature.pop();
        })],
    ),
    bad(
        "signature/one-byte-more",
        "RFC 7515 §5.2",
        SignatureInvalid,
        &[Signature(|signature| signature.push(0))],
    ),
    bad(
        "signature/first-bit-flipped",
        "RFC 7515 §5.2",
        SignatureInvalid,
        &[Signature(|signature| flip(signature, 0))],
    ),
    bad(
        "signature/last-bit-flipped",
        "RFC 7515 §5.2",
        SignatureInvalid,
        &[Signature(|signature| flip(signature, 63))],
    ),
    bad(
        "signature/one-byte",
        "RFC 7515 §5.2",
        SignatureInvalid,
        &[Signature(|signature| *signature = vec![0])],
    ),
    bad(
        "signature/of-payload-alone",
        "RFC 7515 §5.1",
        SignatureInvalid,
        &[
            Encoded(|header, _| header.clear()),
            TokenWithKeyId(TestKey::Ed25519, |id, token| {
                let header =
                    jws::encode(format!(r#"{{"alg":"Ed25519","typ":"at+jwt","kid":"{id}"}}"#).as_bytes());
                header + &token
            }),
        ],
    ),
    ecdsa!("zero", PSYCHIC, |signature| *signature = vec![0; 64]),
    ecdsa!("r-zero", PSYCHIC, |signature| put(signature, 0, &[0; 32])),
    ecdsa!("s-zero", PSYCHIC, |signature| put(signature, 32, &[0; 32])),
    ecdsa!("r-is-order", PSYCHIC, |signature| put(signature, 0, &P256_ORDER)),
    ecdsa!("s-is-order", PSYCHIC, |signature| put(signature, 32, &P256_ORDER)),
    ecdsa!("both-are-order", PSYCHIC, |signature| {
        put(signature, 0, &P256_ORDER);
        put(signature, 32, &P256_ORDER);
    }),
    ecdsa!("all-ones", PSYCHIC, |signature| *signature = vec![0xff; 64]),
    ecdsa!("one-and-one", PSYCHIC, |signature| {
        *signature = vec![0; 64];
        flip(signature, 31);
        flip(signature, 63);
    }),
    ecdsa!("halves-swapped", EXACT_LENGTH, |signature| signature.rotate_left(32)),
    ecdsa!("der", "RFC 7518 §3.4; DER is not r || s", |signature| *signature = der(signature)),
    ecdsa!("63-bytes", EXACT_LENGTH, |signature| {
        signature.remove(0);
    }),
    ecdsa!("65-bytes", EXACT_LENGTH, |signature| signature.insert(0, 0)),
    ecdsa!("each-half-with-zero", EXACT_LENGTH, |signature| {
        signature.insert(32, 0);
        signature.insert(0, 0);
    }),
    ecdsa!("96-bytes", EXACT_LENGTH, |signature| signature.extend([0; 32])),
    ecdsa!("128-bytes", EXACT_LENGTH, |signature| signature.extend(signature.clone())),
    ecdsa!("half", EXACT_LENGTH, |signature| signature.truncate(32)),
    ecdsa!("first-bit-flipped", EXACT_LENGTH, |signature| flip(signature, 0)),
    bad(
        "signature/es512-with-64-byte-halves",
        EXACT_LENGTH,
        SignatureInvalid,
        &[
            Key(TestKey::Es512),
            Signature(|signature| {
                signature.truncate(128);
            }),
        ],
    )
    .twin_is(&[Key(TestKey::Es512)]),
    wider!("es384-zero", PSYCHIC, Es384, |signature| *signature = vec![0; 96]),
    wider!("es384-r-is-order", PSYCHIC, Es384, |signature| put(signature, 0, &P384_ORDER)),
    wider!("es384-s-is-order", PSYCHIC, Es384, |signature| put(signature, 48, &P384_ORDER)),
    wider!("es384-95-bytes", EXACT_LENGTH, Es384, |signature| {
        signature.remove(0);
    }),
    wider!("es384-97-bytes", EXACT_LENGTH, Es384, |signature| signature.insert(0, 0)),
    wider!("es384-128-bytes", EXACT_LENGTH, Es384, |signature| {
        let (mut r, mut s) = (vec![0; 16], vec![0; 16]);
        r.extend(signature.drain(..48));
        s.append(signature);
        *signature = [r, s].concat();
    }),
    wider!("es384-one-byte", EXACT_LENGTH, Es384, |signature| *signature = vec![1]),
    wider!("es512-zero", PSYCHIC, Es512, |signature| *signature = vec![0; 132]),
    wider!("es512-r-is-order", PSYCHIC, Es512, |signature| put(signature, 0, &P521_ORDER)),
    wider!("es512-s-is-order", PSYCHIC, Es512, |signature| put(signature, 66, &P521_ORDER)),
    wider!("es512-131-bytes", EXACT_LENGTH, Es512, |signature| {
        signature.remove(0);
    }),
    wider!("es512-133-bytes", EXACT_LENGTH, Es512, |signature| signature.insert(0, 0)),
    wider!("es512-halves-swapped", EXACT_LENGTH, Es512, |signature| signature.rotate_left(66)),
    bad(
        "signature/ed25519-s-plus-order",
        EDWARDS,
        SignatureInvalid,
        &[Signature(|signature| add_order(signature))],
    ),
    bad(
        "signature/ed25519-zero",
        EDWARDS,
        SignatureInvalid,
        &[Signature(|signature| *signature = vec![0; 64])],
    ),
    bad(
        "signature/ed25519-small-order-r",
        EDWARDS,
        SignatureInvalid,
        &[Signature(|signature| {
            *signature = vec![0; 64];
            put(signature, 0, &[1]);
        })],
    ),
    bad(
        "signature/ed25519-s-zero",
        EDWARDS,
        SignatureInvalid,
        &[Signature(|signature| put(signature, 32, &[0; 32]))],
    ),
    bad(
        "signature/ed25519-all-ones",
        EDWARDS,
        SignatureInvalid,
        &[Signature(|signature| *signature = vec![0xff; 64])],
    ),
    bad(
        "signature/ed25519-high-bit-of-s",
        EDWARDS,
        SignatureInvalid,
        &[Signature(|signature| {
            if let Some(byte) = signature.last_mut() {
                *byte |= 0x80;
            }
        })],
    ),
    rsa!("255-bytes", |signature| {
        signature.pop();
    }),
    rsa!("leading-zero", |signature| signature.insert(0, 0)),
    rsa!("zero", |signature| *signature = vec![0; 256]),
    rsa!("all-ones", |signature| *signature = vec![0xff; 256]),
    rsa!("one", |signature| {
        *signature = vec![0; 256];
        flip(signature, 255);
    }),
    rsa!("flipped", |signature| flip(signature, 128)),
    rsa!("one-byte", |signature| *signature = vec![1]),
    rsa!("doubled", |signature| signature.extend(signature.clone())),
    bad(
        "signature/none-of-two-issuers",
        "RFC 7515 §5.2",
        SignatureInvalid,
        &[Signature(|signature| flip(signature, 5))],
    )
    .asked(Setup::TwoIssuers),
    bad(
        "signature/of-the-only-key-missing",
        "RFC 7515 §5.2",
        SignatureInvalid,
        &[Claim("sub", "\"root\""), Sign(Nothing)],
    )
    .asked(Setup::OneKey),
];

pub(super) static ROWS: &[&[BadToken]] = &[ALL];

/// The order of P-256 (SEC 2 §2.4.2).
pub(super) const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The order of P-384 (SEC 2 §2.5.1).
const P384_ORDER: [u8; 48] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf, 0x58, 0x1a,
    0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
];

/// The order of P-521 (SEC 2 §2.6.1).
const P521_ORDER: [u8; 66] = [
    0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfa,
    0x51, 0x86, 0x87, 0x83, 0xbf, 0x2f, 0x96, 0x6b, 0x7f, 0xcc, 0x01, 0x48, 0xf7, 0x09, 0xa5, 0xd0, 0x3b,
    0xb5, 0xc9, 0xb8, 0x89, 0x9c, 0x47, 0xae, 0xbb, 0x6f, 0xb7, 0x1e, 0x91, 0x38, 0x64, 0x09,
];

/// The order of the base point of Ed25519, little-endian (RFC 8032 §5.1).
const ED25519_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

fn flip(bytes: &mut [u8], at: usize) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1;
    }
}

pub(super) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

/// The same S, a whole turn later: equal for a verifier that does not check its range.
fn add_order(signature: &mut [u8]) {
    let mut carry = 0;
    for (byte, order) in signature.iter_mut().skip(32).zip(ED25519_ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        carry = sum >> 8;
        *byte = sum.to_le_bytes().first().copied().unwrap_or_default();
    }
}

fn der(signature: &[u8]) -> Vec<u8> {
    let integer = |half: &[u8]| {
        let mut value: Vec<u8> = half.iter().copied().skip_while(|&byte| byte == 0).collect();
        if value.first().is_none_or(|&byte| byte >= 0x80) {
            value.insert(0, 0);
        }
        [vec![0x02, u8::try_from(value.len()).unwrap_or_default()], value].concat()
    };
    let (r, s) = signature.split_at_checked(32).unwrap_or_default();
    let body = [integer(r), integer(s)].concat();
    [vec![0x30, u8::try_from(body.len()).unwrap_or_default()], body].concat()
}
