//! The service's own OpenAPI document.

/// OpenAPI 3.1, with the roles where 3.1 has them.
pub(super) const TEXT: &str = include_str!("openapi.json");
