//! Which header fields cross the gateway.
//!
//! One table, [`REMOVED`], lists what a client may not tell a service. Names are compared as the laxest service would
//! read them: lower-cased, every character that is neither letter nor digit taken as `-`, because CGI, WSGI and their
//! like cannot tell `X_User` from `X-User`. The same rules hold for trailers.
//!
//! **What can an attacker do if this is wrong?** Be anyone: a service that believes one of these fields believes the
//! client.

mod cache;
mod identity;
mod list;
mod request;
mod response;

pub use cache::{CacheRule, VaryBy};
pub use identity::{Disposition, Pattern, REMOVED, disposition};
pub use request::{
    CredentialRule, RequestRules, UpgradeRule, asks_for_upgrade, strip_request, strip_request_trailers,
};
pub use response::{ResponseRules, holds_token, strip_response, strip_response_trailers};

#[cfg(test)]
mod tests;
