//! What a service says of itself: an OpenAPI document or a plain list of routes.

mod access;
mod json;
mod node;
mod openapi;
mod routes;
mod sample;
mod yaml;

use serde_json::Value;

pub use self::{openapi::parse_document, routes::parse_routes};

/// Longest accepted document: 16 MiB.
pub const MAX_DOCUMENT_BYTES: usize = 16 << 20;
/// Most values in a document, those of YAML aliases counted as often as they are used.
pub(crate) const MAX_NODES: usize = 1_000_000;
/// Deepest nesting.
pub(crate) const MAX_DEPTH: usize = 100;
/// Most operations.
pub(crate) const MAX_OPERATIONS: usize = 5_000;
/// Most parameters of an operation.
pub(crate) const MAX_PARAMETERS: usize = 500;
/// Longest path template.
pub(crate) const MAX_PATH_BYTES: usize = 4096;
/// Most `$ref`s that lead to another `$ref`.
pub(crate) const MAX_HOPS: usize = 32;

/// Why a document cannot be read: `file:line: problem`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {problem}")]
pub struct DocumentError {
    /// Where it was read from.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
}

/// All that the audit takes from a document.
#[derive(Debug, Clone, Default)]
pub struct Document {
    /// The file or URL; findings point into it.
    pub file: String,
    /// Every operation, in the document's order.
    pub operations: Vec<Operation>,
    /// What the document's first server has before every path: `/api`, or nothing.
    pub(crate) prefix: String,
}

/// One method of one path.
#[derive(Debug, Clone)]
pub struct Operation {
    /// In capitals.
    pub method: String,
    /// The path template, `/orders/{id}`.
    pub path: String,
    /// The line it begins at.
    pub line: usize,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) body: Option<Body>,
    pub(crate) access: Access,
}

/// A parameter in path or query that a request needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) required: bool,
    /// An example, as it stands in a URL.
    pub(crate) sample: String,
    /// Its values are whole numbers.
    pub(crate) number: bool,
}

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Header,
    Path,
    Query,
}

/// A request body.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Body {
    pub(crate) content_type: String,
    /// An example, made from the schema where the document has none.
    pub(crate) sample: Value,
}

/// Who may call an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Access {
    /// One of these is enough.
    Demands(Vec<Demand>),
    /// Everybody.
    Public,
    /// The document does not say.
    Undeclared,
}

/// What a caller must have: all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Demand {
    pub(crate) roles: Vec<String>,
    pub(crate) scopes: Vec<String>,
}

impl Operation {
    /// `GET /orders/{id}`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// It changes nothing (RFC 9110 §9.2.1).
    pub(crate) fn is_safe(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS")
    }

    pub(crate) fn path_parameters(&self) -> impl Iterator<Item = &Parameter> {
        self.parameters.iter().filter(|parameter| parameter.place == Place::Path)
    }
}

/// The names between braces, in order.
pub(crate) fn placeholders(path: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = path;
    while let Some((_, after)) = rest.split_once('{') {
        let Some((name, more)) = after.split_once('}') else { break };
        names.push(name.to_owned());
        rest = more;
    }
    names
}

#[cfg(test)]
mod tests;
