//! Identity × a route's demands → permit or refusal. Pure.

use crate::{error::Refusal, identity::Identity, route::Demands};

/// Proof that a caller may use a route. Only this stage makes one, and only a permit can be issued for.
#[derive(Debug, Clone, Copy)]
pub struct Permit<'a> {
    identity: &'a Identity,
}

impl<'a> Permit<'a> {
    /// Whose permit it is.
    #[must_use]
    pub const fn identity(&self) -> &'a Identity {
        self.identity
    }
}

/// Decides whether a caller may use a route.
///
/// # Errors
/// [`Refusal::RoleMissing`] when the route demands roles and the caller has none of them.
pub fn permit<'a>(identity: &'a Identity, demands: &Demands) -> Result<Permit<'a>, Refusal> {
    let allowed = demands.roles.is_empty() || demands.roles.iter().any(|role| identity.roles.contains(role));
    if allowed { Ok(Permit { identity }) } else { Err(Refusal::RoleMissing) }
}

#[cfg(test)]
mod tests {
    use super::permit;
    use crate::{error::Refusal, testing};

    #[test]
    fn one_of_the_demanded_roles_is_needed_exactly() {
        let identity = testing::identity("alice", &["editor", "viewer"]);
        for (demanded, allowed) in [
            (&[][..], true),
            (&["editor"], true),
            (&["admin", "viewer"], true),
            (&["admin"], false),
            (&["Editor"], false),
            (&["edit"], false),
            (&["*"], false),
        ] {
            let result = permit(&identity, &testing::demands(demanded)).map(|_| ());
            assert_eq!(result, if allowed { Ok(()) } else { Err(Refusal::RoleMissing) }, "{demanded:?}");
        }
    }

    #[test]
    fn who_has_no_roles_may_use_only_what_demands_none() {
        let identity = testing::identity("bob", &[]);
        assert!(permit(&identity, &testing::demands(&[])).is_ok());
        assert!(permit(&identity, &testing::demands(&["viewer"])).is_err());
    }
}
