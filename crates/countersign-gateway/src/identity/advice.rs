//! What a configuration would need so that an answer can be used. Names paths and kinds, never a value.

use serde_json::{Map, Value};

use super::{Claim, ClaimFault, Mapping, Why};
use crate::{
    config::resolved::{ClaimPath, ClaimRoot},
    session::source::Answer,
};

/// The most members that are proposed.
const MAX_PROPOSED: usize = 12;

impl Mapping {
    /// Why the answer cannot be used, with the path of the claim and what stands there.
    #[must_use]
    pub fn describe(&self, fault: ClaimFault, answer: &Answer) -> String {
        let (Some(path), Some(key)) = (self.path(fault.claim), key(fault.claim)) else {
            return without_path(fault, answer);
        };
        let place = format!("{} (`{key}`)", written(path));
        match (fault.why, answer.at(path)) {
            (Why::Missing, _) => format!("{place} is not in the answer: it has {}", members(answer)),
            (Why::NotOne | Why::WrongKind, Ok(Some(value))) if !is_plain(value) => {
                format!("{place} is {}; {} is needed", kind(value), needed(fault.claim))
            }
            (Why::WrongKind, Err(_)) => format!("{place} leads through something that has no members"),
            (Why::NotOne, _) => format!("{place} is no name of an organisation"),
            (why, _) => format!("{place} {why}"),
        }
    }
}

/// The subject has a name of its own where no path is set.
fn without_path(fault: ClaimFault, answer: &Answer) -> String {
    if (fault.claim, fault.why) != (Claim::Subject, Why::Missing) {
        return fault.to_string();
    }
    let names = proposed(answer);
    if names.is_empty() {
        return format!("no `sub` in the answer: it has {}", members(answer));
    }
    format!("no `sub` in the answer; set `claims.subject` to one of {}", names.join(", "))
}

/// Members that are about the token or the session, and so name no user: with `client_id` as the subject everybody would
/// be the same one.
const NAME_NOBODY: [&str; 18] = [
    "active",
    "aud",
    "auth_time",
    "azp",
    "client_id",
    "exp",
    "expires_at",
    "expires_in",
    "iat",
    "iss",
    "jti",
    "nbf",
    "scope",
    "sid",
    "token",
    "token_type",
    "token_use",
    "typ",
];

/// Members that could name a user.
fn proposed(answer: &Answer) -> Vec<String> {
    let named = |root: &'static str, members: &Map<String, Value>| {
        let plain =
            members.iter().filter(|(name, value)| is_plain(value) && !NAME_NOBODY.contains(&name.as_str()));
        plain.map(move |(name, _)| format!("`{root}.{name}`")).collect::<Vec<_>>()
    };
    let session = named("session", &answer.session);
    let userinfo = answer.userinfo.as_ref().map(|userinfo| named("userinfo", userinfo)).unwrap_or_default();
    session.into_iter().chain(userinfo).take(MAX_PROPOSED).collect()
}

/// The names in an answer.
fn members(answer: &Answer) -> String {
    let session = answer.session.keys().map(|name| format!("session.{name}"));
    let userinfo = answer.userinfo.iter().flat_map(|userinfo| userinfo.keys());
    let names: Vec<String> =
        session.chain(userinfo.map(|name| format!("userinfo.{name}"))).take(40).collect();
    names.join(", ")
}

fn written(path: &ClaimPath) -> String {
    let root = match path.root {
        ClaimRoot::Session => "session",
        ClaimRoot::Userinfo => "userinfo",
    };
    format!("{root}.{}", path.steps.join("."))
}

const fn key(claim: Claim) -> Option<&'static str> {
    Some(match claim {
        Claim::Email => "claims.email",
        Claim::Organisation => "claims.organisation",
        Claim::Roles => "claims.roles",
        Claim::Subject => "claims.subject",
        Claim::Username => "claims.username",
        Claim::Client | Claim::Scope | Claim::Sid => return None,
    })
}

const fn needed(claim: Claim) -> &'static str {
    match claim {
        Claim::Roles => "a text, or an array of texts,",
        Claim::Organisation | Claim::Subject => "one text or whole number",
        _ => "one text",
    }
}

const fn is_plain(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Number(_))
}

fn kind(value: &Value) -> String {
    match value {
        Value::Array(values) => format!("an array of {}", values.len()),
        Value::Bool(_) => "a boolean".to_owned(),
        Value::Null => "null".to_owned(),
        Value::Number(_) => "a number".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::String(_) => "a text".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{super::Mapping, ClaimPath, ClaimRoot};
    use crate::{config::resolved::ClaimsConfig, session::source::Answer};

    fn path(steps: &[&str]) -> Option<ClaimPath> {
        let steps = steps.iter().map(|step| (*step).to_owned()).collect();
        Some(ClaimPath { root: ClaimRoot::Session, steps })
    }

    #[test]
    fn a_claim_that_cannot_be_made_is_told_with_its_path_and_kind_and_no_value() {
        let claims = ClaimsConfig { organisation: path(&["org", "id"]), ..ClaimsConfig::default() };
        let by_user = ClaimsConfig { subject: path(&["user", "id"]), ..ClaimsConfig::default() };
        for (claims, session, told) in [
            (
                &claims,
                json!({"sub": "a", "org": {"id": ["planted", "planted"]}}),
                "session.org.id (`claims.organisation`) is an array of 2; one text or whole number is needed",
            ),
            (
                &claims,
                json!({"sub": "a", "org": {"id": "planted\nplanted"}}),
                "session.org.id (`claims.organisation`) is no name of an organisation",
            ),
            (
                &claims,
                json!({"sub": "a", "org": "planted"}),
                "session.org.id (`claims.organisation`) leads through something that has no members",
            ),
            (
                &claims,
                json!({"sub": "a"}),
                "session.org.id (`claims.organisation`) is not in the answer: it has session.sub",
            ),
            (
                &claims,
                json!({"active": true, "user_id": "planted", "number": 7}),
                "no `sub` in the answer; set `claims.subject` to one of `session.number`, `session.user_id`",
            ),
            (
                &claims,
                json!({
                    "active": true, "scope": "read", "exp": 1_800_000_000, "iat": 1, "client_id": "shop",
                    "token_type": "Bearer", "username": "planted"
                }),
                "no `sub` in the answer; set `claims.subject` to one of `session.username`",
            ),
            (&claims, json!({"active": true}), "no `sub` in the answer: it has session.active"),
            (
                &by_user,
                json!({"user": {"id": {"planted": 1}}}),
                "session.user.id (`claims.subject`) is an object; one text or whole number is needed",
            ),
            (&by_user, json!({"user": {"id": ""}}), "session.user.id (`claims.subject`) is empty"),
        ] {
            let Value::Object(session) = session else { panic!("an object") };
            let answer = Answer { session, userinfo: None, ends: None, new_cookie: None };
            let mapping = Mapping::new(claims);
            let fault = mapping.explain(&answer).unwrap_err();
            assert_eq!(mapping.describe(fault, &answer), told);
        }
    }
}
