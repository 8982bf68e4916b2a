//! Parameters of a session endpoint (`application/x-www-form-urlencoded`), read strictly. Pure.

use crate::{error::Refusal, http::form::decoded};

/// The value of a parameter that may stand once. Others may stand beside it: log-in servers add their own.
///
/// # Errors
/// [`Refusal::ParameterInvalid`]: it stands twice, or is not percent-encoded UTF-8.
pub(super) fn parameter(query: Option<&str>, name: &str) -> Result<Option<String>, Refusal> {
    let mut found = None;
    for pair in query.unwrap_or_default().split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if decoded(key).as_deref() != Some(name) {
            continue;
        }
        if found.is_some() {
            return Err(Refusal::ParameterInvalid);
        }
        found = Some(decoded(value).ok_or(Refusal::ParameterInvalid)?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::parameter;
    use crate::{error::Refusal, http::form::percent_encoded};

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
            let query = format!("x=1&return={}&y", percent_encoded(&text));
            prop_assert_eq!(parameter(Some(&query), "return"), Ok(Some(text)));
        }
    }
}
