//! The token of a request (RFC 6750 §2.1, RFC 9110 §11.6.2).

use http::{HeaderMap, header::AUTHORIZATION};

use crate::TokenRefusal;

/// The bytes after `Bearer `. Whether they are a token is for the verifier to say.
pub(super) fn token(headers: &HeaderMap) -> Result<&[u8], TokenRefusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(TokenRefusal::TokenMissing)?;
    if values.next().is_some() {
        return Err(TokenRefusal::TokenAmbiguous);
    }
    let value = value.as_bytes();
    let end = value.iter().position(|&byte| byte == b' ').unwrap_or(value.len());
    let (scheme, rest) = value.split_at_checked(end).ok_or(TokenRefusal::TokenMissing)?;
    // Schemes are compared without regard to case (RFC 9110 §11.1).
    if !scheme.eq_ignore_ascii_case(b"Bearer") {
        return Err(TokenRefusal::TokenMissing);
    }
    match rest.trim_ascii() {
        [] => Err(TokenRefusal::TokenMalformed),
        token => Ok(token),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

    use super::token;
    use crate::TokenRefusal;

    fn found(values: &[&'static str]) -> Result<String, TokenRefusal> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        token(&headers).map(|token| String::from_utf8_lossy(token).into_owned())
    }

    #[test]
    fn one_bearer_token_is_found() {
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c "] {
            assert_eq!(found(&[value]), Ok("a.b.c".to_owned()), "{value}");
        }
        assert_eq!(found(&["Bearer a b"]), Ok("a b".to_owned()), "the verifier refuses it");
    }

    #[test]
    fn none_and_two_and_other_schemes_are_told_apart() {
        for values in [&[][..], &["Basic YTpi"], &["Bearera.b.c"], &[""], &["DPoP a.b.c"]] {
            assert_eq!(found(values), Err(TokenRefusal::TokenMissing), "{values:?}");
        }
        for value in ["Bearer", "Bearer ", "bearer    "] {
            assert_eq!(found(&[value]), Err(TokenRefusal::TokenMalformed), "{value:?}");
        }
        for values in [["Bearer a.b.c", "Bearer a.b.c"], ["Bearer a.b.c", "Basic YTpi"]] {
            assert_eq!(found(&values), Err(TokenRefusal::TokenAmbiguous), "{values:?}");
        }
    }
}
