//! What can go wrong, split by blame.

pub mod reference;
mod refusal;
mod source;

pub use refusal::{Challenge, Refusal, Row};
pub use source::SourceError;
