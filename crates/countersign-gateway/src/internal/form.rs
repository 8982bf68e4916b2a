//! The parameters of a form, none of them twice.

use std::collections::BTreeMap;

use super::clients::FormProof;
use crate::http::form;

/// What a client sent. It may hold tokens and proofs: nothing prints it.
pub(super) struct Form(BTreeMap<String, String>);

impl Form {
    /// `None` for what is not encoded as a form is, or has a parameter twice (RFC 6749 §3.2).
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut fields = BTreeMap::new();
        for (name, value) in form::pairs(bytes)? {
            if fields.insert(name, value).is_some() {
                return None;
            }
        }
        Some(Self(fields))
    }

    /// A parameter; one without a value is not there (RFC 6749 §3.2).
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// What it proves of its client.
    pub(super) fn proof(&self) -> FormProof<'_> {
        FormProof {
            client: self.field("client_id"),
            kind: self.field("client_assertion_type"),
            assertion: self.field("client_assertion"),
        }
    }
}
