//! Audits of services that run in the test.

#[cfg(test)]
mod bounds;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod gateway;
#[cfg(test)]
mod log_out;
#[cfg(test)]
mod reports;
#[cfg(test)]
mod service;
