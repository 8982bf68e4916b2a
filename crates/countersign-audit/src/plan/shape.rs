//! In which form an operation is asked so that it harms nothing.

use serde_json::Value;

use super::{Content, Ground, Whose};
use crate::{Destructive, Operation, config::PathValue};

/// How an operation is asked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shape {
    pub(crate) whose: Whose,
    pub(crate) content: Content,
    /// The good request can be sent: it changes nothing, or only what the audit made.
    pub(crate) control: bool,
    /// Its success ends the object: one request after the other, and the object is made anew.
    pub(crate) removes: bool,
    /// Its success makes an object of this kind.
    pub(crate) makes: Option<String>,
}

impl Shape {
    pub(crate) fn of(ground: &Ground<'_>, operation: &Operation) -> Self {
        let name = operation.name();
        let kinds = ground.kinds(operation);
        let sample = || match ground.settings.bodies.get(&name) {
            Some(body) => Content::Json(body.clone()),
            None => operation.body.as_ref().map_or(Content::None, |body| Content::Json(body.sample.clone())),
        };
        let known = !kinds.is_empty()
            && operation.path_parameters().all(|parameter| {
                matches!(
                    ground.settings.paths.get(&operation.path).and_then(|path| path.get(&parameter.name)),
                    Some(PathValue::Kind(_) | PathValue::Value { .. })
                )
            });
        let removes = operation.method == "DELETE";
        let makes = ground.settings.objects.iter().find(|(_, object)| object.create == name);
        if operation.is_safe() {
            let whose = if known { Whose::Own } else { Whose::Sample };
            return Self { whose, content: Content::None, control: true, removes: false, makes: None };
        }
        if let Some((kind, object)) = makes {
            let content = object.body.clone().map_or_else(sample, Content::Json);
            let makes = Some(kind.clone());
            return Self { whose: Whose::Own, content, control: true, removes: false, makes };
        }
        let ours = known && kinds.iter().all(|kind| is_ours(ground, kind));
        if ours || ground.destructive == Destructive::Full {
            let whose = if known { Whose::Own } else { Whose::Sample };
            let content = match (sample(), kinds.last().and_then(|kind| ground.settings.objects.get(*kind))) {
                (Content::Json(_), Some(object)) if !ground.settings.bodies.contains_key(&name) => {
                    object.body.clone().map_or_else(sample, Content::Json)
                }
                (content, _) => content,
            };
            return Self { whose, content, control: true, removes, makes: None };
        }
        let content = operation.body.as_ref().map_or(Content::None, |body| harmless(&body.sample));
        let control = operation.path_parameters().next().is_some() || content != Content::None;
        Self { whose: Whose::Absent, content, control, removes: false, makes: None }
    }
}

/// The audit makes objects of that kind, or it is the organisation itself.
fn is_ours(ground: &Ground<'_>, kind: &str) -> bool {
    kind == "organisation" || ground.settings.objects.contains_key(kind)
}

/// A body that no handler can work with: without what is required, or, where nothing is, cut off.
fn harmless(sample: &Value) -> Content {
    match sample {
        Value::Object(members) if !members.is_empty() => Content::Empty,
        _ => Content::Broken,
    }
}
