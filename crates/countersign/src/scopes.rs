//! Scopes as proofs: what the client was allowed to do for the caller.
//!
//! A role says what a *caller* may do, a scope what the *client* they use may do for them (RFC 6749 §3.3). Who needs
//! both asks for both.

use std::{fmt, marker::PhantomData};

use crate::{Caller, TokenRefusal};

/// A scope as a type.
///
/// ```
/// countersign::scopes! {
///     /// Reads orders.
///     pub OrdersRead = "orders:read";
/// }
/// # use countersign::ScopeName;
/// assert_eq!(OrdersRead::NAME, "orders:read");
/// ```
pub trait ScopeName: 'static {
    /// One scope token as it stands in the `scope` claim, compared byte for byte.
    const NAME: &'static str;
}

/// The token's scope does not have what is needed. Answered with 403, which names the scope (RFC 6750 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token's scope does not have `{needed}`")]
pub struct ScopeMissing {
    /// What would do.
    pub needed: &'static str,
}

impl From<ScopeMissing> for TokenRefusal {
    fn from(_: ScopeMissing) -> Self {
        Self::ScopeMissing
    }
}

/// Proof that the client was allowed the scope `S`.
///
/// ```compile_fail,E0451
/// struct Read;
/// fn forge(caller: countersign::Caller) -> countersign::HasScope<Read> {
///     countersign::HasScope { caller, scope: std::marker::PhantomData }
/// }
/// ```
pub struct HasScope<S> {
    caller: Caller,
    scope: PhantomData<fn() -> S>,
}

impl<S: ScopeName> HasScope<S> {
    /// Looks for the scope.
    ///
    /// # Errors
    /// [`ScopeMissing`] if the token's `scope` does not have exactly that token.
    pub fn check(caller: Caller) -> Result<Self, ScopeMissing> {
        if caller.claims().has_scope(S::NAME) {
            Ok(Self { caller, scope: PhantomData })
        } else {
            Err(ScopeMissing { needed: S::NAME })
        }
    }
}

impl<S> HasScope<S> {
    /// Who that is.
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }
}

impl<S> Clone for HasScope<S> {
    fn clone(&self) -> Self {
        Self { caller: self.caller.clone(), scope: PhantomData }
    }
}

impl<S> fmt::Debug for HasScope<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HasScope").field(&self.caller).finish()
    }
}

/// Declares roles as types: each `Name = "role";` is a unit type with [`RoleName`](crate::RoleName).
///
/// ```
/// use countersign::{HasRole, RoleName};
///
/// countersign::roles! {
///     /// Changes orders.
///     pub Editor = "editor";
///     Viewer = "viewer";
/// }
///
/// async fn remove(editor: HasRole<Editor>) {}
/// assert_eq!((Editor::NAME, Viewer::NAME), ("editor", "viewer"));
/// ```
#[macro_export]
macro_rules! roles {
    ($($(#[$meta:meta])* $visibility:vis $name:ident = $role:literal;)+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $visibility struct $name;

        impl $crate::RoleName for $name {
            const NAME: &'static str = $role;
        }
    )+};
}

/// Declares scopes as types: each `Name = "scope";` is a unit type with [`ScopeName`].
#[macro_export]
macro_rules! scopes {
    ($($(#[$meta:meta])* $visibility:vis $name:ident = $scope:literal;)+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $visibility struct $name;

        impl $crate::ScopeName for $name {
            const NAME: &'static str = $scope;
        }
    )+};
}

#[cfg(test)]
#[cfg(feature = "testkit")]
mod tests {
    use super::{HasScope, ScopeMissing};
    use crate::{Caller, testkit::TestIssuer};

    scopes! {
        Read = "orders:read";
    }

    #[test]
    fn a_scope_is_proved_only_where_the_token_has_it_whole() {
        let issuer = TestIssuer::new("orders");
        let check = |scope: &str| {
            let token = issuer.token().scope(scope).sign();
            let caller = Caller::new(issuer.verifier().verify(&token).unwrap());
            HasScope::<Read>::check(caller).map(|_| ())
        };
        for good in ["orders:read", "openid orders:read", "orders:read orders:write"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["", "orders:reader", "orders:", "Orders:read", "orders:read,openid", "xorders:read"] {
            assert_eq!(check(bad), Err(ScopeMissing { needed: "orders:read" }), "{bad}");
        }
    }
}
