//! Honest HTTP: what a request may look like, and what of it reaches a service.
//!
//! Pure functions over heads and bodies that are already parsed. None of them does I/O, and on the way of an
//! ordinary request none of them allocates. Where a message ends is not their question but that of
//! [`crate::server::head_guard`].

mod answer;
pub(crate) mod cookie_end;
pub mod cors;
pub mod csrf;
mod fields;
pub(crate) mod form;
pub mod headers;
pub mod host;
mod parts;
pub mod path;
pub mod problem;

pub(crate) use self::fields::{Block, LineNumber, Lines, Marks, Several, put_line};
pub use self::{
    answer::{Answer, Head},
    fields::Fields,
    parts::Parts,
};
