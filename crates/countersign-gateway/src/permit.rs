//! Identity × a route's demands → permit or refusal. Pure.

use countersign::{OrganisationId, Role, TokenRefusal};

use crate::{config::resolved::Requirements, error::Refusal, identity::Identity, route::Demands};

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

/// What a caller lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmet {
    /// An organisation.
    Organisation,
    /// Every one of the demanded roles.
    Role,
    /// One of the demanded scopes.
    Scope,
}

impl From<Unmet> for Refusal {
    fn from(unmet: Unmet) -> Self {
        match unmet {
            Unmet::Organisation => Self::OrganisationMissing,
            Unmet::Role => Self::RoleMissing,
            Unmet::Scope => Self::ScopeMissing,
        }
    }
}

impl From<Unmet> for TokenRefusal {
    fn from(unmet: Unmet) -> Self {
        match unmet {
            Unmet::Organisation => Self::OrganisationMissing,
            Unmet::Role => Self::RoleMissing,
            Unmet::Scope => Self::ScopeMissing,
        }
    }
}

/// Looks for everything that is demanded: role, scope, organisation, in this order. All of them are compared byte for
/// byte.
///
/// # Errors
/// [`Unmet`]: the first that is not there.
pub fn meet(
    require: &Requirements,
    roles: &[Role],
    scope: Option<&str>,
    organisation: Option<&OrganisationId>,
) -> Result<(), Unmet> {
    let has_role = require.roles.is_empty() || require.roles.iter().any(|role| roles.contains(role));
    let has = |wanted: &str| scope.unwrap_or_default().split(' ').any(|scope| scope == wanted);
    if !has_role {
        Err(Unmet::Role)
    } else if !require.scope.iter().all(|wanted| has(wanted)) {
        Err(Unmet::Scope)
    } else if require.organisation && organisation.is_none() {
        Err(Unmet::Organisation)
    } else {
        Ok(())
    }
}

/// Decides whether a caller may use a route.
///
/// # Errors
/// [`Refusal::RoleMissing`], [`Refusal::ScopeMissing`] or [`Refusal::OrganisationMissing`] when the caller has not what
/// the route demands.
pub fn permit<'a>(identity: &'a Identity, demands: &Demands) -> Result<Permit<'a>, Refusal> {
    if demands.require == Requirements::NOTHING {
        return Ok(Permit { identity });
    }
    let Identity { roles, scope, organisation, .. } = identity;
    meet(&demands.require, roles, scope.as_deref(), organisation.as_ref())?;
    Ok(Permit { identity })
}

#[cfg(test)]
mod tests {
    use super::{Unmet, meet, permit};
    use crate::{config::resolved::Requirements, error::Refusal, testing};

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

    #[test]
    fn every_demanded_scope_is_needed_whole() {
        let require = |scope: &[&str]| Requirements {
            scope: scope.iter().map(|scope| Box::from(*scope)).collect(),
            ..Requirements::default()
        };
        for (demanded, has, met) in [
            (&[][..], None, true),
            (&["orders:read"], Some("orders:read"), true),
            (&["orders:read", "openid"], Some("openid orders:read email"), true),
            (&["orders:read"], None, false),
            (&["orders:read"], Some(""), false),
            (&["orders:read"], Some("orders:reader"), false),
            (&["orders:read"], Some("Orders:read"), false),
            (&["orders:read"], Some("orders:read,openid"), false),
            (&["orders:read", "orders:write"], Some("orders:read"), false),
        ] {
            let expected = if met { Ok(()) } else { Err(Unmet::Scope) };
            assert_eq!(meet(&require(demanded), &[], has, None), expected, "{demanded:?} {has:?}");
        }
    }

    #[test]
    fn a_caller_of_no_organisation_is_refused_where_one_is_demanded() {
        let mut identity = testing::identity("alice", &[]);
        let mut demands = testing::demands(&[]);
        demands.require.organisation = true;
        assert!(permit(&identity, &demands).is_ok());
        identity.organisation = None;
        assert_eq!(permit(&identity, &demands).map(|_| ()), Err(Refusal::OrganisationMissing));
        demands.require.organisation = false;
        assert!(permit(&identity, &demands).is_ok());
    }
}
