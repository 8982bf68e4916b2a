//! Parameters of a session endpoint (`application/x-www-form-urlencoded`), read strictly. Pure.

use std::fmt::Write as _;

use crate::error::Refusal;

/// The value of a parameter that may stand once. Others may stand beside it: log-in servers add their own.
///
/// # Errors
/// [`Refusal::ParameterInvalid`]: it stands twice, or is not percent-encoded UTF-8.
pub(super) fn parameter(query: Option<&str>, name: &str) -> Result<Option<String>, Refusal> {
    let mut found = None;
    for pair in query.unwrap_or_default().split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if decode(key).as_deref() != Some(name) {
            continue;
        }
        if found.is_some() {
            return Err(Refusal::ParameterInvalid);
        }
        found = Some(decode(value).ok_or(Refusal::ParameterInvalid)?);
    }
    Ok(found)
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => return String::from_utf8(bytes).ok(),
            [b'%', high, low, rest @ ..] => {
                bytes.push(digit(*high)? << 4 | digit(*low)?);
                rest
            }
            [b'%', ..] => return None,
            [b'+', rest @ ..] => {
                bytes.push(b' ');
                rest
            }
            [byte, rest @ ..] => {
                bytes.push(*byte);
                rest
            }
        };
    }
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Everything but unreserved characters (RFC 3986 §2.3) percent-encoded.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // A `String` takes everything that is written to it.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{encode, parameter};
    use crate::error::Refusal;

    #[test]
    fn a_parameter_stands_once() {
        let of = |query| parameter(Some(query), "return");
        assert_eq!(parameter(None, "return"), Ok(None));
        assert_eq!(of("display=popup"), Ok(None));
        assert_eq!(of("return=%2Fa+b&ticket=%zz"), Ok(Some("/a b".to_owned())));
        assert_eq!(of("retur%6e=/a"), Ok(Some("/a".to_owned())));
        for bad in [
            "return=/a&return=/b",
            "return=/a&retur%6E=/b",
            "return=%",
            "return=%2",
            "return=%zz",
            "return=%ff",
        ] {
            assert_eq!(of(bad), Err(Refusal::ParameterInvalid), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_comes_back(text in "\\PC{0,40}", control in "[\\x00-\\x20&=%+#]{0,8}") {
            let text = text + &control;
            let query = format!("x=1&return={}&y", encode(&text));
            prop_assert_eq!(parameter(Some(&query), "return"), Ok(Some(text)));
        }
    }
}
