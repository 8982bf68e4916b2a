//! Walks a claim path into an answer.

use serde_json::Value;

use super::fault::Why;
use crate::{
    config::resolved::{ClaimPath, ClaimRoot},
    session::source::Answer,
};

/// What stands at the end of the path; `null` and a missing member are nothing.
///
/// A step into an object is a member name, into an array an index from 0. Where the path meets something that has
/// no parts, the answer has another shape than the configuration says: that is wrong, not absent.
pub(super) fn find<'a>(path: &ClaimPath, answer: &'a Answer) -> Result<Option<&'a Value>, Why> {
    let Some((first, rest)) = path.steps.split_first() else { return Ok(None) };
    let Some(mut value) = member(path.root, first, answer) else { return Ok(None) };
    for step in rest {
        let next = match value {
            Value::Null => None,
            Value::Object(members) => members.get(step),
            Value::Array(values) => values.get(step.parse::<usize>().map_err(|_| Why::WrongKind)?),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => return Err(Why::WrongKind),
        };
        let Some(next) = next else { return Ok(None) };
        value = next;
    }
    Ok(Some(value).filter(|value| !value.is_null()))
}

/// A member of one of the two answers; `null` is nothing.
pub(super) fn member<'a>(root: ClaimRoot, name: &str, answer: &'a Answer) -> Option<&'a Value> {
    let members = match root {
        ClaimRoot::Session => Some(&answer.session),
        ClaimRoot::Userinfo => answer.userinfo.as_ref(),
    };
    members.and_then(|members| members.get(name)).filter(|value| !value.is_null())
}
