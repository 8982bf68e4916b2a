//! Tokens as an attacker would make them, from one that was seen on the way to a service.

use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::hmac;
use axum::{Router, extract::Request, http::header, middleware::Next};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use countersign::Secret;
use serde_json::{Value, json};

/// Listens on the way to a service, and remembers the last token.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wiretap(Arc<Mutex<Option<Secret<String>>>>);

impl Wiretap {
    /// The service, with somebody listening.
    pub(crate) fn on(&self, service: Router) -> Router {
        let tap = self.clone();
        service.layer(axum::middleware::from_fn(move |request: Request, next: Next| {
            let value = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
            if let Some(token) = value.and_then(|value| value.strip_prefix("Bearer ")) {
                // Every change is a single assignment.
                *tap.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Secret::new(token.to_owned()));
            }
            next.run(request)
        }))
    }

    /// The token seen last; empty if there was none.
    pub(crate) fn last(&self) -> String {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().map(|token| token.expose().clone()).unwrap_or_default()
    }
}

/// A token of that name: made from one for `orders`, or the one for `notes` as it is. `None` if there is no such
/// forgery, or no token to make it from.
pub(crate) fn forged(name: &str, orders: &str, notes: &str, public_keys: &str) -> Option<String> {
    let mut parts = orders.split('.');
    let (head, payload, signature) = (parts.next()?, parts.next()?, parts.next()?);
    let (header, claims) = (decoded(head)?, decoded(payload)?);
    let with_claim = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims.as_object_mut()?.insert(name.to_owned(), value);
        Some(format!("{head}.{}.{signature}", encoded(&claims)))
    };
    let with_header = |name: &str, value: Value| {
        let mut header = header.clone();
        header.as_object_mut()?.insert(name.to_owned(), value);
        Some(format!("{}.{payload}.{signature}", encoded(&header)))
    };
    match name {
        "untouched" => Some(orders.to_owned()),
        "bit" => {
            let (first, rest) = (signature.chars().next()?, signature.get(1..)?);
            Some(format!("{head}.{payload}.{}{rest}", if first == 'A' { 'B' } else { 'A' }))
        }
        "organisation" => with_claim("organisation", json!("globex")),
        "role" => with_claim("roles", json!(["support"])),
        "early" => with_claim("nbf", json!(4_102_444_800_u64)),
        "expired" => with_claim("exp", json!(1)),
        "issuer" => with_claim("iss", json!("https://sso.example")),
        "key" => with_header("kid", json!("mine")),
        "address" => with_header("jku", json!("https://attacker.example/keys")),
        "none" => {
            let header = json!({ "alg": "none", "typ": "at+jwt" });
            Some(format!("{}.{payload}.", encoded(&header)))
        }
        "public-key" => {
            let mut header = header.clone();
            header.as_object_mut()?.insert("alg".to_owned(), json!("HS256"));
            let signed = format!("{}.{payload}", encoded(&header));
            let key = hmac::Key::new(hmac::HMAC_SHA256, public_keys.as_bytes());
            let tag = hmac::sign(&key, signed.as_bytes());
            Some(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag.as_ref())))
        }
        "audience" => (!notes.is_empty()).then(|| notes.to_owned()),
        _ => None,
    }
}

fn decoded(part: &str) -> Option<Value> {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn encoded(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}
