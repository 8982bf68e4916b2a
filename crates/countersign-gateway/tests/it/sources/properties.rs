//! Whatever a server answers: no judge panics, and a "no" is only what the tables list.

use countersign_gateway::{
    error::SourceError,
    session::source::{
        Expected, Reply, Verdict, process_introspection, process_metadata, process_userinfo, process_whoami,
    },
};
use http::Uri;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{NOW, reply, says_no};

/// Values that servers, and those who attack them, put where something else belongs.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::Bool),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|float| json!(float)),
        (1_799_999_990_u64..1_800_000_090).prop_map(Value::from),
        (1_799_999_990_u64..1_800_000_090).prop_map(|secs| json!(secs.to_string())),
        (1_799_999_990_000_u64..1_800_000_090_000).prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "true",
            "false",
            "Bearer",
            "refresh_token",
            "ID",
            "DPoP",
            "alice",
            "2027-01-15T08:00:30Z",
            "2027-01-15T07:59:30Z",
            "\u{0}",
            "https://sso.example",
        ])
        .prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{0,3}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn object() -> impl Strategy<Value = Map<String, Value>> {
    let name = prop::sample::select(vec![
        "active",
        "active",
        "exp",
        "expires_at",
        "expires_in",
        "nbf",
        "iss",
        "sub",
        "typ",
        "token_type",
        "token_use",
        "cnf",
        "error",
        "x",
    ])
    .prop_map(str::to_owned);
    let sensible = prop::sample::select(vec![json!(true), json!(false)]);
    let member = (name, value(), sensible).prop_map(|(name, value, sensible)| {
        // Half of the answers get as far as the other members.
        let value = if name == "active" && !value.is_null() { sensible } else { value };
        (name, value)
    });
    prop::collection::vec(member, 0..6).prop_map(|members| members.into_iter().collect())
}

fn status() -> impl Strategy<Value = u16> {
    prop_oneof![4 => Just(200_u16), 1 => 200_u16..600, 1 => prop::sample::select(vec![400, 401, 403, 204, 302])]
}

fn answered() -> impl Strategy<Value = Reply> {
    let body = prop_oneof![
        6 => object().prop_map(|members| Value::Object(members).to_string().into_bytes()),
        1 => object().prop_map(|members| json!([members]).to_string().into_bytes()),
        1 => value().prop_map(|value| value.to_string().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..64),
        1 => Just(Vec::new()),
    ];
    (status(), body, any::<bool>(), prop::option::of("[ -~]{0,40}"), prop::option::of("[ -~]{0,40}"))
        .prop_map(|(status, body, body_is_framed, location, challenge)| Reply {
            body_is_framed,
            location,
            challenge,
            ..reply(status, body)
        })
}

fn members(reply: &Reply) -> Map<String, Value> {
    match serde_json::from_slice(&reply.body) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

/// Of `whoami`, which may answer an array of one object.
fn members_alone(reply: &Reply) -> Map<String, Value> {
    match serde_json::from_slice::<Vec<Map<String, Value>>>(&reply.body) {
        Ok(mut all) if all.len() == 1 => all.remove(0),
        _ => members(reply),
    }
}

/// True if a whole number or digits at `name` lie at or before now: a second reader of the table in `moment`.
fn is_over(members: &Map<String, Value>) -> bool {
    let count = |name: &str| {
        members.get(name).and_then(|value| match value {
            Value::Number(number) => number.as_f64(),
            Value::String(digits) => digits.parse::<u64>().ok().map(|count| count as f64),
            _ => None,
        })
    };
    let now = NOW.as_secs() as f64;
    let past_text = members.get("expires_at").and_then(Value::as_str).is_some_and(|text| text.contains('T'));
    count("exp").is_some_and(|exp| exp.floor() <= now)
        || count("expires_in").is_some_and(|span| span < 1.0)
        || count("expires_at")
            .is_some_and(|at| at.floor() <= now || (at > 253_402_300_799.0 && (at / 1000.0).floor() <= now))
        || past_text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn introspection_says_no_only_where_the_server_does(reply in answered()) {
        let members = members(&reply);
        match process_introspection(&reply, Expected::default(), NOW) {
            Ok(Verdict::No(_)) if reply.status == 400 => {
                let body_says = members.get("error") == Some(&json!("invalid_token"));
                let challenge_says = reply.challenge.as_deref().is_some_and(|text| text.contains("invalid_token"));
                prop_assert!(body_says || challenge_says);
            }
            Ok(Verdict::No(_)) => {
                prop_assert_eq!(reply.status.as_u16(), 200);
                let dead = members.get("active") == Some(&json!(false));
                let over = members.get("active") == Some(&json!(true)) && is_over(&members);
                prop_assert!(dead || over, "{:?}", members);
            }
            Ok(Verdict::Live(answer)) => {
                prop_assert_eq!(reply.status.as_u16(), 200);
                prop_assert_eq!(answer.session.get("active"), Some(&json!(true)));
                prop_assert!(answer.ends.is_none_or(|end| end > NOW));
                prop_assert!(answer.session == members, "nothing is added or lost");
            }
            Ok(Verdict::Refused(_)) => prop_assert_eq!(members.get("active"), Some(&json!(true))),
            Err(error) => prop_assert!(!matches!(error, SourceError::Timeout | SourceError::TooMany)),
        }
    }

    #[test]
    fn userinfo_says_no_only_where_the_server_does(reply in answered()) {
        match process_userinfo(&reply, NOW) {
            Ok(Verdict::No(_)) if reply.status == 200 => prop_assert!(is_over(&members(&reply))),
            Ok(Verdict::No(_)) => prop_assert!([400, 401].contains(&reply.status.as_u16())),
            Ok(Verdict::Live(answer)) => {
                prop_assert_eq!(reply.status.as_u16(), 200);
                prop_assert!(answer.ends.is_none_or(|end| end > NOW));
            }
            other => prop_assert!(other.is_err()),
        }
    }

    #[test]
    fn whoami_says_no_only_where_the_server_does(reply in answered()) {
        match process_whoami(&reply, &Uri::from_static("http://old.example/a"), &says_no(), NOW) {
            Ok(Verdict::No(_)) if reply.status == 200 => {
                let text = std::str::from_utf8(&reply.body).unwrap().trim();
                let nobody = text.is_empty() && reply.body_is_framed;
                let says_nobody = ["null", "{}", "[]"].contains(&text);
                prop_assert!(nobody || says_nobody || is_over(&members_alone(&reply)), "{}", text);
            }
            Ok(Verdict::No(_)) => prop_assert!([204, 401].contains(&reply.status.as_u16())),
            Ok(Verdict::Live(answer)) => {
                prop_assert_eq!(reply.status.as_u16(), 200);
                prop_assert!(!answer.session.is_empty());
            }
            other => prop_assert!(other.is_err()),
        }
    }

    #[test]
    fn an_outage_is_never_a_verdict(reply in answered(), status in 500_u16..600) {
        let reply = Reply { status: http::StatusCode::from_u16(status).unwrap(), ..reply };
        prop_assert!(matches!(process_introspection(&reply, Expected::default(), NOW), Err(SourceError::Unavailable(_))));
        prop_assert!(matches!(process_userinfo(&reply, NOW), Err(SourceError::Unavailable(_))));
        let whoami = process_whoami(&reply, &Uri::from_static("http://old.example/a"), &says_no(), NOW);
        prop_assert!(matches!(whoami, Err(SourceError::Unavailable(_))));
    }

    #[test]
    fn metadata_never_panic(reply in answered(), issuer in ".{0,20}") {
        let _ = process_metadata(&reply, &issuer.into());
    }
}
