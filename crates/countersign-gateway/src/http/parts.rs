//! The head of a request.

use std::fmt;

use http::{Extensions, Method, Uri, Version, request};

use super::Fields;

/// What comes before the body of a request.
#[derive(Default)]
pub struct Parts {
    /// The method.
    pub method: Method,
    /// The target.
    pub uri: Uri,
    /// The version it was sent with.
    pub version: Version,
    /// The fields.
    pub fields: Fields,
    /// What goes with the request besides, within the gateway.
    pub extensions: Extensions,
}

impl fmt::Debug for Parts {
    /// Without the target, whose query may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, fields, .. } = self;
        f.debug_struct("Parts").field("method", method).field("fields", fields).finish_non_exhaustive()
    }
}

impl From<request::Parts> for Parts {
    fn from(parts: request::Parts) -> Self {
        let request::Parts { method, uri, version, headers, extensions, .. } = parts;
        Self { method, uri, version, fields: headers.into(), extensions }
    }
}
