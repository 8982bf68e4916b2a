//! Base64url as RFC 7515 §2 means it: no padding, no white space, and one spelling per value.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::rule::Rule;

mod canonical;

/// Decodes; `None` for any byte outside `[A-Za-z0-9_-]`, padding, an impossible length, or trailing bits that are
/// not zero.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    decode_onto(text, &mut bytes)?;
    Some(bytes)
}

/// The same, to the end of `bytes`, which are of no use if it was `None`.
pub(crate) fn decode_onto(text: &[u8], bytes: &mut Vec<u8>) -> Option<()> {
    #[cfg(test)]
    let start = bytes.len();
    let is_canonical = canonical::decode_onto(text, bytes).is_some();
    if Rule::CanonicalEncoding.is_broken_by(!is_canonical) {
        return None;
    }
    #[cfg(test)]
    if !is_canonical {
        bytes.truncate(start);
        bytes.extend(lenient(text)?);
    }
    Some(())
}

/// What the rule protects from: several spellings of one value.
#[cfg(test)]
fn lenient(text: &[u8]) -> Option<Vec<u8>> {
    use base64::{
        alphabet,
        engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
    };
    let config = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let text: Vec<u8> = text
        .iter()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|&byte| match byte {
            b'+' => b'-',
            b'/' => b'_',
            other => other,
        })
        .collect();
    GeneralPurpose::new(&alphabet::URL_SAFE, config).decode(text).ok()
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(feature = "sign")]
pub(crate) fn encode_onto(bytes: &[u8], text: &mut String) {
    URL_SAFE_NO_PAD.encode_string(bytes, text);
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::{decode, encode};

    proptest! {
        #[test]
        fn what_is_encoded_comes_back(bytes: Vec<u8>) {
            prop_assert_eq!(decode(encode(&bytes).as_bytes()), Some(bytes));
        }

        #[test]
        fn any_text_is_read_as_another_strict_reader_does(text in "[A-Za-z0-9_-]{0,9}[A-Za-z0-9_=+/ é-]{0,3}[A-Za-z0-9_-]{0,5}") {
            prop_assert_eq!(decode(text.as_bytes()), URL_SAFE_NO_PAD.decode(&text).ok());
        }

        #[test]
        fn any_byte_is_read_as_another_strict_reader_does(text in prop::collection::vec(any::<u8>(), 0..20)) {
            prop_assert_eq!(decode(&text), URL_SAFE_NO_PAD.decode(&text).ok());
        }
    }

    #[test]
    fn one_spelling_per_value() {
        assert_eq!(decode(b"_-8"), Some(vec![0xff, 0xef]));
        assert_eq!(encode(&[0xff, 0xef]), "_-8");
        for bad in
            ["_-9", "/+8", "_-8=", "_-8 ", "_-8\n", " _-8", "_\n-8", "A", "AAAAA", "_-8\0", "AA==", "é"]
        {
            assert_eq!(decode(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(decode(b""), Some(vec![]));
    }
}
