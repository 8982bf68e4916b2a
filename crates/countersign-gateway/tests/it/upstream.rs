//! The way to the services, seen from recording services.

pub(crate) mod early;
mod forwarded;
mod health;
mod http2;
mod once;
mod refused;
mod retry;
mod slow_bodies;
mod time_outs;
mod tls;
mod tunnels;
