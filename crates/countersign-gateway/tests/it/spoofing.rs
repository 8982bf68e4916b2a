//! Nobody but the gateway says who the caller is.

mod names;
