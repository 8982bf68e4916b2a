//! A credential is found whole or not at all, and what is removed cannot be found again.
//!
//! The input is the lines of a request's `Cookie` fields and, after a line `--`, of its `Authorization` fields. A
//! plain second reading of RFC 6265 §5.4 says what there is to find.

use countersign_gateway::{
    credential::{CredentialRules, MAX_CREDENTIAL_BYTES},
    error::Refusal,
};
use http::{HeaderMap, HeaderName, HeaderValue, header};

const NAME: &str = "SESSION";

/// Reads the input with and without bearer tokens.
pub fn run(input: &[u8]) {
    let mut headers = HeaderMap::new();
    let mut field: HeaderName = header::COOKIE;
    for line in input.split(|byte| *byte == b'\n') {
        if line == b"--" {
            field = header::AUTHORIZATION;
        } else if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(field.clone(), value);
        }
    }
    for bearer in [false, true] {
        let rules = CredentialRules { cookie: Some(NAME.to_owned()), bearer };
        judge(&rules, &headers, bearer);
        let mut left = headers.clone();
        rules.remove_cookie(&mut left);
        left.remove(header::AUTHORIZATION);
        assert_eq!(rules.find(&left), Ok(None), "something was left");
        assert_eq!(others(&left), others(&headers), "another cookie was touched");
    }
}

fn judge(rules: &CredentialRules, headers: &HeaderMap, bearer: bool) {
    let values: Vec<_> = cookies(headers)
        .into_iter()
        .filter(|(name, _)| name == NAME.as_bytes())
        .map(|(_, value)| value)
        .collect();
    match rules.find(headers) {
        Ok(Some(found)) => {
            let value = found.expose().as_bytes();
            assert!(!value.is_empty() && value.len() <= MAX_CREDENTIAL_BYTES);
            assert!(value.iter().all(u8::is_ascii_graphic));
            assert!(values.iter().all(|other| other == value), "another value of the cookie was passed over");
            assert!(!values.is_empty() || bearer);
        }
        Ok(None) => assert!(values.is_empty(), "a cookie was passed over"),
        Err(Refusal::AmbiguousCredential) => assert!(values.len() > 1 || bearer),
        Err(Refusal::CredentialMalformed | Refusal::CredentialTooLarge) => {
            assert!(!values.is_empty() || bearer)
        }
        Err(other) => panic!("{other:?}"),
    }
}

fn cookies(headers: &HeaderMap) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut cookies = Vec::new();
    for field in headers.get_all(header::COOKIE) {
        for piece in field.as_bytes().split(|byte| *byte == b';') {
            let (name, value) = match piece.iter().position(|byte| *byte == b'=') {
                Some(at) => (&piece[..at], &piece[at + 1..]),
                None => (&b""[..], piece),
            };
            cookies.push((name.trim_ascii().to_vec(), value.trim_ascii().to_vec()));
        }
    }
    cookies
}

fn others(headers: &HeaderMap) -> Vec<(Vec<u8>, Vec<u8>)> {
    let keep = |(name, value): &(Vec<u8>, Vec<u8>)| {
        name != NAME.as_bytes() && !(name.is_empty() && value.is_empty())
    };
    cookies(headers).into_iter().filter(keep).collect()
}
