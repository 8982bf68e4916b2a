//! A credential is found whole or not at all, and what is removed cannot be found again.
//!
//! The input is the lines of a request's `Cookie` fields and, after a line `--`, of its `Authorization` fields. A
//! plain second reading of RFC 6265 §5.4 says what there is to find.

use countersign_gateway::{
    config::resolved::Limits,
    credential::{CredentialRules, MAX_CREDENTIAL_BYTES},
    error::Refusal,
    http::{Fields, Parts},
    server::RequestReader,
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
        let rules = CredentialRules::new(Some(NAME), bearer);
        for mut fields in [Some(headers.clone().into()), read(&headers)].into_iter().flatten() {
            judge(&rules, &fields, bearer);
            let before = others(&fields);
            let known = rules.find_cookie(&fields).ok().flatten().and_then(|found| found.place());
            let mut searched = fields.clone();
            rules.remove_cookie(&mut searched, None);
            rules.remove_cookie(&mut fields, known);
            assert_eq!(HeaderMap::from(fields.clone()), HeaderMap::from(searched), "the place was wrong");
            fields.remove(b"authorization");
            assert_eq!(rules.find(&fields), Ok(None), "something was left");
            assert_eq!(others(&fields), before, "another cookie was touched");
        }
    }
}

/// The same fields as HTTP/1.1 brings them, if it does.
fn read(headers: &HeaderMap) -> Option<Fields> {
    let mut reader = RequestReader::new(&Limits::DEFAULT);
    let text = reader.buffer();
    text.extend_from_slice(b"GET / HTTP/1.1\r\nhost: shop.example\r\n");
    for (name, value) in headers {
        for part in [name.as_str().as_bytes(), b":", value.as_bytes(), b"\r\n"] {
            text.extend_from_slice(part);
        }
    }
    text.extend_from_slice(b"\r\n");
    let mut parts = Parts::default();
    matches!(reader.next_head(&mut parts), Ok(true)).then_some(parts.fields)
}

fn judge(rules: &CredentialRules, fields: &Fields, bearer: bool) {
    let values: Vec<_> = cookies(fields)
        .into_iter()
        .filter(|(name, _)| name == NAME.as_bytes())
        .map(|(_, value)| value)
        .collect();
    match rules.find(fields) {
        Ok(Some(found)) => {
            let value = found.expose();
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

fn cookies(fields: &Fields) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut cookies = Vec::new();
    for field in fields.all(b"cookie") {
        for piece in field.split(|byte| *byte == b';') {
            let (name, value) = match piece.iter().position(|byte| *byte == b'=') {
                Some(at) => (&piece[..at], &piece[at + 1..]),
                None => (&b""[..], piece),
            };
            cookies.push((name.trim_ascii().to_vec(), value.trim_ascii().to_vec()));
        }
    }
    cookies
}

fn others(fields: &Fields) -> Vec<(Vec<u8>, Vec<u8>)> {
    let keep = |(name, value): &(Vec<u8>, Vec<u8>)| {
        name != NAME.as_bytes() && !(name.is_empty() && value.is_empty())
    };
    cookies(fields).into_iter().filter(keep).collect()
}
