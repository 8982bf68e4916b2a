//! The ways in. Each parses one protocol, calls [`translate`](crate::translate), and answers in that protocol.

pub mod client;
pub mod decision_id;
pub mod legacy;
pub mod outgoing;
pub mod own;
mod passage;
pub mod proxy;
pub mod refuse;
mod under_way;
