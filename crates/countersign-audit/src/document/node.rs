//! A value with the line it stands in.

use std::collections::HashSet;

use serde_json::Value;

use super::{MAX_DEPTH, MAX_NODES};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// From 1.
    pub(crate) line: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Bool(bool),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
    Null,
    Number(String),
    Text(String),
}

/// A line, and what is wrong in it.
pub(crate) type Fault = (usize, String);

impl Node {
    pub(crate) fn member(&self, name: &str) -> Option<&Self> {
        self.members().iter().find(|(member, _)| member == name).map(|(_, node)| node)
    }

    pub(crate) fn members(&self) -> &[(String, Self)] {
        match &self.kind {
            Kind::Map(members) => members,
            _ => &[],
        }
    }

    pub(crate) fn items(&self) -> &[Self] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn is_true(&self) -> bool {
        self.kind == Kind::Bool(true)
    }

    /// How much it counts against the budget: 1, and 1 for every 64 bytes of text.
    pub(crate) fn own_weight(&self) -> usize {
        match &self.kind {
            Kind::Text(text) | Kind::Number(text) => weight(text),
            _ => 1,
        }
    }

    /// The same of the whole of it.
    pub(crate) fn weight(&self) -> usize {
        let names = self.members().iter().map(|(name, node)| weight(name).saturating_add(node.weight()));
        let items = self.items().iter().map(Self::weight);
        names.chain(items).fold(self.own_weight(), usize::saturating_add)
    }

    pub(crate) fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Bool(value) => Value::Bool(*value),
            Kind::List(items) => items.iter().map(Self::to_value).collect(),
            Kind::Map(members) => {
                members.iter().map(|(name, node)| (name.clone(), node.to_value())).collect()
            }
            Kind::Null => Value::Null,
            Kind::Number(text) => serde_json::from_str(text).unwrap_or(Value::Null),
            Kind::Text(text) => Value::String(text.clone()),
        }
    }
}

/// What a text counts: long ones count as several values.
pub(crate) const fn weight(text: &str) -> usize {
    1 + text.len() / 64
}

/// A name that stands twice in one map means one thing to us and another to the service.
pub(crate) fn distinct(names: &mut HashSet<String>, name: &str, line: usize) -> Result<(), Fault> {
    if names.insert(name.to_owned()) { Ok(()) } else { Err((line, format!("`{name}` stands twice"))) }
}

/// Counts what is read, so that a small document cannot become a big one.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    nodes: usize,
}

impl Budget {
    pub(crate) fn spend(&mut self, nodes: usize, line: usize) -> Result<(), Fault> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            return Err((
                line,
                format!("more than {MAX_NODES} values (aliases count as often as they are used)"),
            ));
        }
        Ok(())
    }
}

pub(crate) fn too_deep(depth: usize, line: usize) -> Result<(), Fault> {
    if depth > MAX_DEPTH { Err((line, format!("nested more than {MAX_DEPTH} deep"))) } else { Ok(()) }
}
