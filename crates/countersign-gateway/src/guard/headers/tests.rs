use countersign::{
    VerifiedClaims,
    testkit::{TestIssuer, TestToken},
};
use http::{HeaderMap, HeaderName};
use proptest::prelude::{Strategy, any, proptest};
use serde_json::json;

use super::{IdentityHeaders, IdentityTooLarge, MAX_IDENTITY_BYTES, joined};
use crate::{
    config::resolved::{IdentityFact, IdentityHeader},
    http::Fields,
};

const ALL: &[(IdentityFact, &str)] = &[
    (IdentityFact::Actor, "x-actor"),
    (IdentityFact::Client, "x-client"),
    (IdentityFact::Email, "x-email"),
    (IdentityFact::Organisation, "x-organisation"),
    (IdentityFact::Roles, "x-roles"),
    (IdentityFact::Scope, "x-scope"),
    (IdentityFact::Session, "x-session"),
    (IdentityFact::Subject, "x-user-id"),
    (IdentityFact::TokenId, "x-token-id"),
    (IdentityFact::Username, "x-user-name"),
];

fn all() -> Vec<IdentityHeader> {
    let header = |(says, name): &(IdentityFact, &'static str)| IdentityHeader {
        says: *says,
        name: HeaderName::from_static(name),
    };
    ALL.iter().map(header).collect()
}

fn verified(change: impl FnOnce(TestToken<'_>) -> TestToken<'_>) -> VerifiedClaims {
    let issuer = TestIssuer::new("orders");
    let token = change(issuer.token()).sign();
    issuer.verifier().verify(&token).unwrap()
}

fn shown(claims: &VerifiedClaims) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.append("x-user-id", "mallory".parse().unwrap());
    headers.append("x-user-id", "mallory".parse().unwrap());
    let mut fields = Fields::from(headers);
    IdentityHeaders::of(&all(), claims).unwrap().set(&mut fields);
    fields.into()
}

#[test]
fn each_claim_has_its_header_and_what_the_token_lacks_has_none() {
    let claims = verified(|token| {
        token
            .subject("u-1001")
            .organisation("acme")
            .role("editor")
            .role("a,b")
            .scope("orders:read  50%")
            .claim("act", json!({ "sub": "billing" }))
            .claim("email", json!("ada+1@shop.example"))
            .claim("preferred_username", json!("Ada Åkesson"))
    });
    let headers = shown(&claims);
    for (name, value) in [
        ("x-actor", "billing"),
        ("x-email", "ada%2B1@shop.example"),
        ("x-organisation", "acme"),
        ("x-roles", "editor,a%2Cb"),
        ("x-scope", "orders:read 50%25"),
        ("x-user-id", "u-1001"),
        ("x-user-name", "Ada%20%C3%85kesson"),
        ("x-token-id", claims.token_id().as_str()),
        ("x-client", claims.client().as_str()),
    ] {
        let values: Vec<_> = headers.get_all(name).iter().collect();
        assert_eq!(values, [value], "{name}");
    }
    let bare = shown(&verified(|token| token.without("sid")));
    for name in ["x-actor", "x-email", "x-roles", "x-session", "x-user-name"] {
        assert!(!bare.contains_key(name), "{name}");
    }
}

#[test]
fn what_does_not_fit_is_refused_and_never_cut() {
    let roles = |count: usize| {
        verified(|token| {
            (0..count).fold(token, |token, number| token.role(format!("role-number-{number:04}")))
        })
    };
    let only_roles = [IdentityHeader { says: IdentityFact::Roles, name: HeaderName::from_static("x-roles") }];
    // Sixteen bytes each and a comma.
    let fits = (MAX_IDENTITY_BYTES - "x-roles".len()) / 17;
    assert!(IdentityHeaders::of(&only_roles, &roles(fits)).is_ok());
    assert_eq!(IdentityHeaders::of(&only_roles, &roles(fits + 2)), Err(IdentityTooLarge));
}

/// As every language's library decodes it.
fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.bytes());
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next().unwrap(), rest.next().unwrap()];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn text() -> impl Strategy<Value = String> {
    any::<Vec<char>>().prop_map(|text| text.into_iter().take(40).collect())
}

proptest! {
    /// Divided and decoded, every list comes back; so two lists never look the same.
    #[test]
    fn what_is_said_can_be_read(texts in proptest::collection::vec(text(), 0..6)) {
        let kept: Vec<&str> = texts.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
        for between in [",", " "] {
            let value = joined(kept.iter().copied(), between);
            let read: Vec<String> = value.iter().flat_map(|value| value.split(between)).map(decoded).collect();
            assert_eq!(read, kept);
            let value = value.unwrap_or_default();
            assert!(value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{value}");
            assert!(!value.contains('+') && value.trim() == value, "{value}");
        }
    }
}
