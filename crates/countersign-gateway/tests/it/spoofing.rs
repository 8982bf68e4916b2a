//! Nobody but the gateway says who the caller is.

mod answers;
mod cookies;
mod names;
mod requests;
