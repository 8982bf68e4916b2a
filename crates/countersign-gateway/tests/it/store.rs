//! The store: what it keeps, what it refuses, and what others on the machine can see of it.

mod directory;
mod sealed_ring;
