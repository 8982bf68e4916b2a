//! Who calls, and what that person may do.

use countersign::{TokenRefusal, VerifiedClaims};

use super::{Fault, Faults};

/// Who calls.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) subject: String,
    pub(super) reach: Reach,
    roles: Vec<String>,
}

/// Whose data a caller is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reach {
    /// Everybody's: only a fault gives that.
    All,
    /// Nobody's: the token names no organisation.
    None,
    /// That organisation's.
    Of(String),
}

impl Caller {
    /// Who a good token is about.
    pub(super) fn of(claims: &VerifiedClaims) -> Self {
        let organisation = claims.organisation().map(|name| name.as_str().to_owned());
        let roles = claims.roles().iter().map(|role| role.as_str().to_owned()).collect();
        Self::member(claims.subject().as_str(), organisation, roles)
    }

    pub(super) fn member(subject: &str, organisation: Option<String>, roles: Vec<String>) -> Self {
        let reach = organisation.map_or(Reach::None, Reach::Of);
        Self { subject: subject.to_owned(), reach, roles }
    }

    /// Whoever walks in where nobody looks.
    pub(super) fn anybody(name: &str) -> Self {
        let roles = ["admin", "editor"].map(str::to_owned).to_vec();
        Self { subject: name.to_owned(), reach: Reach::All, roles }
    }

    /// Refuses whoever has none of the roles.
    pub(super) fn demand(&self, needed: &[&str], faults: &Faults) -> Result<(), TokenRefusal> {
        let fits = |role: &String, needed: &str| {
            role == needed
                || (faults.has(Fault::RoleCaseIgnored) && role.eq_ignore_ascii_case(needed))
                || (faults.has(Fault::RoleByPart) && role.contains(needed))
        };
        let has_one = needed.iter().any(|needed| self.roles.iter().any(|role| fits(role, needed)));
        if has_one { Ok(()) } else { Err(TokenRefusal::RoleMissing) }
    }

    /// Refuses whoever is of no organisation.
    pub(super) fn demand_organisation(&self, faults: &Faults) -> Result<(), TokenRefusal> {
        let unless = faults.has(Fault::OrganisationMissingSeesAll);
        if self.reach == Reach::None && !unless { Err(TokenRefusal::OrganisationMissing) } else { Ok(()) }
    }
}

impl Reach {
    /// Whether it goes as far as that organisation's data.
    pub(super) fn covers(&self, organisation: &str) -> bool {
        match self {
            // Only a fault lets a caller without an organisation come this far.
            Self::All | Self::None => true,
            Self::Of(own) => own == organisation,
        }
    }
}
