//! Where the messages of a client end: no request whose end can be read in two ways gets past this reader.
//!
//! It follows RFC 9112 without its tolerances (both `Content-Length` and `Transfer-Encoding`, bare line feeds, no `Host`
//! are refused, never repaired), and is the only one that decides it: a head is what [`Follow`] says it is, with the
//! fields that it says it has, and what it calls a body is passed on.
//!
//! 1. A head is no part of anything until it is complete and valid, nor are a chunk-size line or a trailer section.
//!    Bodies are counted, chunk by chunk, so that the next head is always found.
//! 2. A bad head, or a bad body, is the last thing that is looked at on its connection.
//! 3. What follows a head with `Upgrade` may be another protocol. Nobody asks for the part after it before it is known
//!    whether the upgrade was refused.
//!
//! Nothing is copied, and nothing allocated after the first head of more than 8 fields.
//!
//! **What can an attacker do if this is wrong?** Send one request that a service sees as two, the second with whatever
//! identity headers he likes.

mod chunked;
mod decoded;
mod field;
mod follow;
mod request_line;

pub use decoded::fault_in;
pub use follow::{Follow, HeadParts, Outcome, Piece, Step};

#[cfg(test)]
mod tests;
