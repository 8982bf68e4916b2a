//! RSA signatures of the right key over this very token, whose padding is not what RFC 8017 says: each accepted by
//! somebody who read a padding where he should have compared one.

use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512, digest};

use super::{BadToken, bad, signature::put};
use crate::{
    TokenRefusal::SignatureInvalid,
    testkit::{
        TestKey,
        recipe::{
            Change::{Key, Sign},
            Signing::Padded,
        },
    },
};

const ENCODING: &str = "RFC 8017 §9.2";
const AFTER_HASH: &str = "CVE-2006-4339, CVE-2022-24772, RFC 8017 §9.2";
const INFO: &str = "CVE-2022-24771, CVE-2022-24773, RFC 8017 §9.2";
const LENGTHS: &str = "CVE-2014-1568, CVE-2014-1569, RFC 8017 §9.2";
const ONES: &str = "CVE-2016-1494, RFC 8017 §9.2";
const SALT: &str = "RFC 7518 §3.5: a salt as long as the hash";
const PSS: &str = "RFC 8017 §9.1.2";

/// A row about the padding of RS256, PKCS #1 v1.5.
macro_rules! pkcs1 {
    ($name:literal, $source:expr, $encode:expr) => {
        bad(
            concat!("signature/rs256-", $name),
            $source,
            SignatureInvalid,
            &[Key(TestKey::Rs256), Sign(Padded(TestKey::Rs256, $encode))],
        )
        .twin_is(&[Key(TestKey::Rs256)])
    };
}

/// A row about the padding of PS256.
macro_rules! pss {
    ($name:literal, $source:expr, $($field:ident: $value:expr),+) => {
        bad(
            concat!("signature/ps256-", $name),
            $source,
            SignatureInvalid,
            &[
                Key(TestKey::Ps256),
                Sign(Padded(TestKey::Ps256, |message| Pss { $($field: $value,)+ ..Pss::GOOD }.encode(message))),
            ],
        )
        .twin_is(&[Key(TestKey::Ps256)])
    };
}

static ALL: &[BadToken] = &[
    pkcs1!("bytes-after-hash", AFTER_HASH, |message| {
        let mut block = [&[0, 1][..], &[0xff; 8], &[0], &info(message)].concat();
        block.resize(LENGTH, 0x5a);
        block
    }),
    pkcs1!("bytes-after-parameters", INFO, |message| {
        let algorithm = value(SEQUENCE, &[SHA256_NAME, NULL, &value(OCTETS, &[&[0x5a; 16]])]);
        block(&value(SEQUENCE, &[&algorithm, &value(OCTETS, &[&sha256(message)])]))
    }),
    pkcs1!("bytes-in-parameters", INFO, |message| {
        let algorithm = value(SEQUENCE, &[SHA256_NAME, &value(0x05, &[&[0x5a; 16]])]);
        block(&value(SEQUENCE, &[&algorithm, &value(OCTETS, &[&sha256(message)])]))
    }),
    pkcs1!("parameters-missing", INFO, |message| {
        let algorithm = value(SEQUENCE, &[SHA256_NAME]);
        block(&value(SEQUENCE, &[&algorithm, &value(OCTETS, &[&sha256(message)])]))
    }),
    pkcs1!("name-of-sha-512", INFO, |message| {
        let algorithm = value(SEQUENCE, &[SHA512_NAME, NULL]);
        block(&value(SEQUENCE, &[&algorithm, &value(OCTETS, &[&sha256(message)])]))
    }),
    pkcs1!("name-missing", INFO, |message| block(&sha256(message))),
    pkcs1!("hash-cut", INFO, |message| {
        let algorithm = value(SEQUENCE, &[SHA256_NAME, NULL]);
        let hash: Vec<u8> = sha256(message).into_iter().take(20).collect();
        block(&value(SEQUENCE, &[&algorithm, &value(OCTETS, &[&hash])]))
    }),
    pkcs1!("hash-with-zero", INFO, |message| {
        let algorithm = value(SEQUENCE, &[SHA256_NAME, NULL]);
        block(&value(SEQUENCE, &[&algorithm, &value(OCTETS, &[&sha256(message), &[0]])]))
    }),
    pkcs1!("length-in-long-form", LENGTHS, |message| {
        let mut info = info(message);
        info.insert(1, 0x81);
        block(&info)
    }),
    pkcs1!("length-without-end", LENGTHS, |message| {
        let mut info = info(message);
        info.splice(1..2, [0x80]);
        info.extend([0, 0]);
        block(&info)
    }),
    pkcs1!("one-of-the-ones-changed", ONES, |message| changed(message, 100, 0xfe)),
    pkcs1!("ones-are-zeros", ONES, |message| {
        let mut block = block(&info(message));
        block.iter_mut().filter(|byte| **byte == 0xff).take(194).for_each(|byte| *byte = 0);
        block
    }),
    pkcs1!("first-byte-not-zero", ENCODING, |message| changed(message, 0, 1)),
    pkcs1!("block-type-0", ENCODING, |message| changed(message, 1, 0)),
    pkcs1!("block-type-2", ENCODING, |message| changed(message, 1, 2)),
    pkcs1!("separator-missing", ENCODING, |message| changed(message, LENGTH - INFO_LENGTH - 1, 0xff)),
    pss!("salt-missing", SALT, salt: 0),
    pss!("salt-of-20-bytes", SALT, salt: 20),
    pss!("salt-of-33-bytes", SALT, salt: 33),
    pss!("salt-as-long-as-it-fits", SALT, salt: DATA_LENGTH - 1),
    pss!("trailer-of-x931", PSS, trailer: 0xcc),
    pss!("trailer-missing", PSS, trailer: 0),
    pss!("mask-of-sha-1", "RFC 7518 §3.5: the mask is made with the same hash", mask: &SHA1_FOR_LEGACY_USE_ONLY),
    pss!("mask-of-sha-512", "RFC 7518 §3.5: the mask is made with the same hash", mask: &SHA512),
    pss!("padding-not-zero", PSS, padding: 1),
    pss!("separator-missing", PSS, separator: 0),
    pss!("first-bit-set", PSS, first_bit: true),
    pss!("hash-without-zeros", PSS, zeros: 0),
];

pub(super) static ROWS: &[&[BadToken]] = &[ALL];

/// The bytes of a 2048-bit modulus.
const LENGTH: usize = 256;

const SEQUENCE: u8 = 0x30;
const OCTETS: u8 = 0x04;
const NULL: &[u8] = &[0x05, 0];
const SHA256_NAME: &[u8] = &[0x06, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
const SHA512_NAME: &[u8] = &[0x06, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3];

/// The bytes of a DigestInfo of SHA-256.
const INFO_LENGTH: usize = 51;

fn sha256(message: &[u8]) -> Vec<u8> {
    digest(&SHA256, message).as_ref().to_vec()
}

/// A short DER value.
fn value(tag: u8, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    [&[tag, u8::try_from(content.len()).unwrap_or_default()], &content[..]].concat()
}

/// The DigestInfo (RFC 8017 §9.2).
fn info(message: &[u8]) -> Vec<u8> {
    let algorithm = value(SEQUENCE, &[SHA256_NAME, NULL]);
    value(SEQUENCE, &[&algorithm, &value(OCTETS, &[&sha256(message)])])
}

/// That in a block of type 1, with as many ones as fit.
fn block(info: &[u8]) -> Vec<u8> {
    let ones = vec![0xff; LENGTH - 3 - info.len()];
    [&[0, 1], &ones[..], &[0], info].concat()
}

/// The good block with one other byte.
fn changed(message: &[u8], at: usize, byte: u8) -> Vec<u8> {
    let mut block = block(&info(message));
    put(&mut block, at, &[byte]);
    block
}

/// How an encoded message of EMSA-PSS is made (RFC 8017 §9.1.1).
struct Pss {
    salt: usize,
    zeros: usize,
    mask: &'static Algorithm,
    /// One byte amid the zeros before the separator.
    padding: u8,
    separator: u8,
    first_bit: bool,
    trailer: u8,
}

/// The bytes before the hash and the trailer.
const DATA_LENGTH: usize = LENGTH - 32 - 1;

impl Pss {
    const GOOD: Self =
        Self { salt: 32, zeros: 8, mask: &SHA256, padding: 0, separator: 1, first_bit: false, trailer: 0xbc };

    fn encode(&self, message: &[u8]) -> Vec<u8> {
        let mut encoded = Vec::new();
        for attempt in 0..u16::MAX {
            encoded = self.encode_with(&attempt.to_be_bytes().repeat(LENGTH / 2), message);
            // Smaller than any modulus also with the first bit.
            if !self.first_bit || encoded.first() == Some(&0x80) {
                break;
            }
        }
        encoded
    }

    fn encode_with(&self, salt: &[u8], message: &[u8]) -> Vec<u8> {
        let salt: Vec<u8> = salt.iter().copied().take(self.salt).collect();
        let hash = sha256(&[&vec![0; self.zeros], &sha256(message)[..], &salt].concat());
        let mut data = vec![0; DATA_LENGTH - 1 - salt.len()];
        put(&mut data, 100, &[self.padding]);
        data.push(self.separator);
        data.extend(salt);
        let mask = (0_u32..).flat_map(|counter| {
            digest(self.mask, &[&hash[..], &counter.to_be_bytes()].concat()).as_ref().to_vec()
        });
        let mut masked: Vec<u8> = data.into_iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
        if let Some(first) = masked.first_mut() {
            *first = *first & 0x7f | if self.first_bit { 0x80 } else { 0 };
        }
        [&masked[..], &hash, &[self.trailer]].concat()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{ALL, Key, Padded, Pss, Sign, TestKey, block, info};
    use crate::{
        jws,
        testkit::{TestIssuer, raw_rsa::public, recipe::make},
    };

    /// Without their one defect the same steps make a signature that is good: nothing else is wrong with the rows.
    #[test]
    fn without_a_defect_a_signature_is_good() {
        let issuer = TestIssuer::new("orders");
        let token =
            make(&issuer, &[Key(TestKey::Rs256), Sign(Padded(TestKey::Rs256, |it| block(&info(it))))]);
        assert_eq!(token, make(&issuer, &[Key(TestKey::Rs256)]), "PKCS #1 v1.5 signs the same each time");
        let token =
            make(&issuer, &[Key(TestKey::Ps256), Sign(Padded(TestKey::Ps256, |it| Pss::GOOD.encode(it)))]);
        issuer.verifier().verify(token).unwrap();
    }

    /// Opened with the public key, each signature shows its row's encoded message.
    #[test]
    fn each_signature_is_the_key_s_over_its_padding() {
        let issuer = TestIssuer::new("orders");
        let mut seen = HashSet::new();
        for row in ALL {
            let Some(Sign(Padded(key, encode))) = row.recipe.last() else { panic!("{}", row.name) };
            let token = row.token(&issuer);
            let (signed, signature) = token.rsplit_once('.').unwrap();
            let encoded = encode(signed.as_bytes());
            assert_eq!(encoded.len(), super::LENGTH, "{}", row.name);
            let opened = public(key.signing_key(), &jws::decode(signature.as_bytes()).unwrap());
            assert_eq!(opened, encoded, "{}", row.name);
            assert!(seen.insert(encoded), "{} is there twice", row.name);
        }
    }
}
