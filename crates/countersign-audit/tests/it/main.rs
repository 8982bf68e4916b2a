//! Audits of services that run in the test.

#[cfg(test)]
mod faults;
#[cfg(test)]
mod reports;
#[cfg(test)]
mod service;
