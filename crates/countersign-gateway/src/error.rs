//! What can go wrong, split by blame.

mod refusal;
mod source;

pub use refusal::{Challenge, Refusal, Row};
pub use source::SourceError;
