//! Walks a claim path into an answer.

use serde_json::Value;

use super::Answer;
use crate::config::resolved::{ClaimPath, ClaimRoot};

/// A path meets something that has no parts: the answer has another shape than the configuration says, which is wrong,
/// not absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoParts;

impl Answer {
    /// What stands at the end of the path; `null` and a missing member are nothing. A step into an object is a member
    /// name, into an array an index from 0.
    pub(crate) fn at(&self, path: &ClaimPath) -> Result<Option<&Value>, NoParts> {
        let Some((first, rest)) = path.steps.split_first() else { return Ok(None) };
        let Some(mut value) = self.member(path.root, first) else { return Ok(None) };
        for step in rest {
            let next = match value {
                Value::Null => None,
                Value::Object(members) => members.get(step),
                Value::Array(values) => values.get(step.parse::<usize>().map_err(|_| NoParts)?),
                Value::Bool(_) | Value::Number(_) | Value::String(_) => return Err(NoParts),
            };
            let Some(next) = next else { return Ok(None) };
            value = next;
        }
        Ok(Some(value).filter(|value| !value.is_null()))
    }

    /// A member of one of the two answers; `null` is nothing.
    #[must_use]
    pub(crate) fn member(&self, root: ClaimRoot, name: &str) -> Option<&Value> {
        let members = match root {
            ClaimRoot::Session => Some(&self.session),
            ClaimRoot::Userinfo => self.userinfo.as_ref(),
        };
        members.and_then(|members| members.get(name)).filter(|value| !value.is_null())
    }
}
