//! Roles and organisation as proofs: a value of these types exists only for a caller who has them.

use std::{fmt, marker::PhantomData};

use crate::{Caller, OrganisationId, TokenRefusal};

/// A role as a type.
///
/// ```
/// struct Editor;
///
/// impl countersign::RoleName for Editor {
///     const NAME: &'static str = "editor";
/// }
/// ```
pub trait RoleName: 'static {
    /// The role as it stands in the `roles` claim, compared byte for byte.
    const NAME: &'static str;
}

/// Several roles of which one is enough: a tuple of up to six [`RoleName`]s.
pub trait AnyRole: 'static {
    /// Their names.
    const NAMES: &'static [&'static str];
}

macro_rules! any_role {
    ($($role:ident),+) => {
        impl<$($role: RoleName),+> AnyRole for ($($role,)+) {
            const NAMES: &'static [&'static str] = &[$($role::NAME),+];
        }
    };
}

any_role!(A);
any_role!(A, B);
any_role!(A, B, C);
any_role!(A, B, C, D);
any_role!(A, B, C, D, E);
any_role!(A, B, C, D, E, F);

/// The caller has none of the roles that are needed. Answered with 403, before any object is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the caller has none of the roles {needed:?}")]
pub struct RoleMissing {
    /// One of these would do. For the log: the client is not told.
    pub needed: &'static [&'static str],
}

/// The token names no organisation. Answered with 403.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the caller's token names no organisation")]
pub struct NoOrganisation;

impl From<RoleMissing> for TokenRefusal {
    fn from(_: RoleMissing) -> Self {
        Self::RoleMissing
    }
}

impl From<NoOrganisation> for TokenRefusal {
    fn from(_: NoOrganisation) -> Self {
        Self::OrganisationMissing
    }
}

macro_rules! proof_of_caller {
    ($($proof:ident<$role:ident>),+) => {$(
        impl<$role> $proof<$role> {
            /// Who that is.
            #[must_use]
            pub const fn caller(&self) -> &Caller {
                &self.caller
            }
        }

        impl<$role> Clone for $proof<$role> {
            fn clone(&self) -> Self {
                Self { caller: self.caller.clone(), role: PhantomData }
            }
        }

        impl<$role> fmt::Debug for $proof<$role> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($proof)).field(&self.caller).finish()
            }
        }
    )+};
}

/// Proof that the caller has the role `R`.
///
/// ```compile_fail,E0451
/// struct Admin;
/// fn forge(caller: countersign::Caller) -> countersign::HasRole<Admin> {
///     countersign::HasRole { caller, role: std::marker::PhantomData }
/// }
/// ```
pub struct HasRole<R> {
    caller: Caller,
    role: PhantomData<fn() -> R>,
}

impl<R: RoleName> HasRole<R> {
    /// Looks for the role.
    ///
    /// # Errors
    /// [`RoleMissing`] if the token's `roles` do not have it.
    pub fn check(caller: Caller) -> Result<Self, RoleMissing> {
        if caller.has_role::<R>() {
            Ok(Self { caller, role: PhantomData })
        } else {
            Err(RoleMissing { needed: <(R,) as AnyRole>::NAMES })
        }
    }
}

/// Proof that the caller has one of the roles of the tuple `R`.
pub struct HasAnyRole<R> {
    caller: Caller,
    role: PhantomData<fn() -> R>,
}

impl<R: AnyRole> HasAnyRole<R> {
    /// Looks for one of the roles.
    ///
    /// # Errors
    /// [`RoleMissing`] if the token's `roles` have none of them.
    pub fn check(caller: Caller) -> Result<Self, RoleMissing> {
        if caller.roles().iter().any(|role| R::NAMES.contains(&role.as_str())) {
            Ok(Self { caller, role: PhantomData })
        } else {
            Err(RoleMissing { needed: R::NAMES })
        }
    }
}

proof_of_caller!(HasRole<R>, HasAnyRole<R>);

/// Proof that the caller belongs to one organisation.
#[derive(Clone)]
pub struct InOrganisation {
    caller: Caller,
    organisation: OrganisationId,
}

impl InOrganisation {
    /// Looks for the organisation.
    ///
    /// # Errors
    /// [`NoOrganisation`] if the token names none.
    pub fn check(caller: Caller) -> Result<Self, NoOrganisation> {
        let organisation = caller.organisation().ok_or(NoOrganisation)?.clone();
        Ok(Self { caller, organisation })
    }

    /// Which.
    #[must_use]
    pub const fn organisation(&self) -> &OrganisationId {
        &self.organisation
    }

    /// Who.
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }
}

impl fmt::Debug for InOrganisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InOrganisation").field(&self.caller).finish()
    }
}

#[cfg(test)]
#[cfg(feature = "sign")]
mod tests {
    use crate::caller::testing::caller;

    use super::{HasAnyRole, HasRole, InOrganisation, NoOrganisation, RoleMissing, RoleName};

    struct Editor;
    impl RoleName for Editor {
        const NAME: &'static str = "editor";
    }
    struct Viewer;
    impl RoleName for Viewer {
        const NAME: &'static str = "viewer";
    }

    #[test]
    fn a_role_is_proved_only_for_who_has_it() {
        assert!(HasRole::<Editor>::check(caller("acme", &["viewer", "editor"])).is_ok());
        let refused = HasRole::<Editor>::check(caller("acme", &["Editor", "editors", "viewer"]));
        assert_eq!(refused.map(|_| ()), Err(RoleMissing { needed: &["editor"] }));
    }

    #[test]
    fn one_of_several_roles_is_enough_and_none_is_not() {
        assert!(HasAnyRole::<(Editor, Viewer)>::check(caller("acme", &["viewer"])).is_ok());
        let refused = HasAnyRole::<(Editor, Viewer)>::check(caller("acme", &[]));
        assert_eq!(refused.map(|_| ()), Err(RoleMissing { needed: &["editor", "viewer"] }));
    }

    #[test]
    fn an_organisation_is_proved_only_where_the_token_names_one() {
        let proof = InOrganisation::check(caller("acme", &[])).map(|proof| proof.organisation().to_string());
        assert_eq!(proof, Ok("acme".to_owned()));
        assert_eq!(InOrganisation::check(caller("", &[])).map(|_| ()), Err(NoOrganisation));
    }
}
