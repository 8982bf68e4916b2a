//! What can go wrong, split by blame.

pub mod reference;
mod refusal;
mod source;
mod table;

pub use countersign::{Challenge, RefusalRow};
pub use refusal::Refusal;
pub use source::{Half, SourceError};
