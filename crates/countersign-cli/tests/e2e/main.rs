//! The built binary in front of programs that others wrote: a certified OpenID provider, Django, nginx, and
//! verifiers in two other languages. `./test` installs them.

#[cfg(test)]
mod client;
#[cfg(test)]
mod counterpart;
#[cfg(test)]
mod gateway;
#[cfg(test)]
mod local_server;
#[cfg(test)]
#[path = "../../../countersign-gateway/tests/it/port.rs"]
mod port;
#[cfg(test)]
mod process;
#[cfg(test)]
mod relay;

#[cfg(test)]
mod audit;
#[cfg(test)]
mod audited;
#[cfg(test)]
mod audited_database;
#[cfg(test)]
mod audited_log_out;
#[cfg(test)]
mod back_channel;
#[cfg(test)]
mod chaos;
#[cfg(test)]
mod check_command;
#[cfg(test)]
mod client_authentication;
#[cfg(test)]
mod counterparts_themselves;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod demo_services;
#[cfg(test)]
mod drain;
#[cfg(test)]
mod grpc;
#[cfg(test)]
mod guarded;
#[cfg(test)]
mod job;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod private_authority;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod replicas;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod revocation;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod session_end;
#[cfg(test)]
mod shared_cache;
#[cfg(test)]
mod soak;
#[cfg(test)]
mod spoofing;
#[cfg(test)]
mod stampede;
#[cfg(test)]
mod vectors;
#[cfg(test)]
mod verification;
