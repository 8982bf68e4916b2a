//! Where a message ends: everybody behind the gateway must see it at the same byte.

mod answers;
mod bodies;
mod differential;
mod heads;
