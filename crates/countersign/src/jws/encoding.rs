//! Base64url as RFC 7515 §2 means it: no padding, no white space, and one spelling per value.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// Decodes; `None` for any byte outside `[A-Za-z0-9_-]`, padding, an impossible length, or trailing bits that are
/// not zero.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
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
    use super::{decode, encode};

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
