//! What real servers say about a person, and the identity it becomes.

mod answers;
mod claims;
mod properties;

use countersign_gateway::{
    config::resolved::{ClaimPath, ClaimRoot, ClaimsConfig},
    identity::Identity,
    session::source::Answer,
};
use serde_json::{Map, Value};

/// A path as the configuration writes it: `session.org.id`.
fn path(text: &str) -> Option<ClaimPath> {
    let mut steps = text.split('.').map(str::to_owned);
    let root = match steps.next().unwrap().as_str() {
        "session" => ClaimRoot::Session,
        "userinfo" => ClaimRoot::Userinfo,
        other => panic!("{other}"),
    };
    Some(ClaimPath { root, steps: steps.collect() })
}

fn members(value: Value) -> Map<String, Value> {
    let Value::Object(members) = value else { panic!("an object") };
    members
}

fn session(session: Value) -> Answer {
    Answer { session: members(session), userinfo: None, ends: None, new_cookie: None }
}

fn with_userinfo(session: Value, userinfo: Value) -> Answer {
    Answer { session: members(session), userinfo: Some(members(userinfo)), ends: None, new_cookie: None }
}

fn roles(identity: &Identity) -> Vec<&str> {
    identity.roles.iter().map(countersign::Role::as_str).collect()
}

/// All paths unset.
fn defaults() -> ClaimsConfig {
    ClaimsConfig::default()
}
