//! Where a request ends: everybody behind the gateway must see it at the same byte.

mod bodies;
mod differential;
mod heads;
