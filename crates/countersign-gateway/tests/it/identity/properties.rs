//! Whatever the answer holds: the mapping never panics, and what it lets through can stand in a header.

use countersign_gateway::{
    config::resolved::{ClaimPath, ClaimRoot, ClaimsConfig},
    identity::{MAX_ROLES, MAX_VALUE_BYTES, Mapping},
    session::source::Answer,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(|float| json!(float)),
        "[a-z ]{0,8}".prop_map(Value::from),
        "\\PC{0,300}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(
                prop::sample::select(vec!["a", "b", "authority", "name", "0"]),
                inner,
                0..4
            )
            .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

fn members() -> impl Strategy<Value = Map<String, Value>> {
    let name = prop::sample::select(vec![
        "sub",
        "sub",
        "roles",
        "username",
        "email",
        "scope",
        "client_id",
        "azp",
        "aud",
        "sid",
        "a",
        "b",
    ])
    .prop_map(str::to_owned);
    prop::collection::vec((name, value()), 0..8).prop_map(|members| members.into_iter().collect())
}

fn path() -> impl Strategy<Value = Option<ClaimPath>> {
    let step =
        prop::sample::select(vec!["a", "b", "0", "1", "sub", "roles", "name", ""]).prop_map(str::to_owned);
    let root = prop::sample::select(vec![ClaimRoot::Session, ClaimRoot::Userinfo]);
    prop::option::weighted(
        0.3,
        (root, prop::collection::vec(step, 0..4)).prop_map(|(root, steps)| ClaimPath { root, steps }),
    )
}

fn clean(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_VALUE_BYTES && !text.chars().any(char::is_control)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn only_clean_values_come_through(
        session in members(),
        userinfo in prop::option::of(members()),
        paths in [path(), path(), path(), path(), path()],
    ) {
        let [subject, username, email, roles, organisation] = paths;
        let wants_organisation = organisation.is_some();
        let bounded_roles = Vec::new();
        let claims = ClaimsConfig { subject, username, email, roles, organisation, bounded_roles };
        let mapping = Mapping::new(&claims);
        let answer = Answer { session, userinfo, ends: None, new_cookie: None };
        let Ok(identity) = mapping.identity(&answer) else { return Ok(()) };
        prop_assert!(clean(identity.subject.as_str()));
        prop_assert!(identity.roles.len() <= MAX_ROLES);
        prop_assert!(identity.roles.iter().all(|role| clean(role.as_str())));
        prop_assert_eq!(identity.organisation.is_some(), wants_organisation);
        for text in [&identity.username, &identity.email, &identity.server_sid].into_iter().flatten() {
            prop_assert!(clean(text));
        }
        if let Some(scope) = identity.scope {
            prop_assert!(scope.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        }
        if let Some(client) = identity.client {
            prop_assert!(clean(client.as_str()));
        }
    }
}
