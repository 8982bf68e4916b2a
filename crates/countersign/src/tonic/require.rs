//! Requirements of a call.

use tonic::{Request, Status};

use crate::{
    AnyRole, Caller, CustomClaim, HasAnyRole, HasClaim, HasRole, HasScope, InOrganisation, RoleName,
    ScopeName, TokenRefusal, tower,
};

/// What a handler can ask of a caller. Two or three at once are a tuple: the first that is not met is the answer.
pub trait Requirement: Sized {
    /// The proof, for that caller.
    ///
    /// # Errors
    /// [`TokenRefusal`], as the type's own `check` says.
    fn of(caller: Caller) -> Result<Self, TokenRefusal>;
}

impl Requirement for Caller {
    fn of(caller: Caller) -> Result<Self, TokenRefusal> {
        Ok(caller)
    }
}

impl<R: RoleName> Requirement for HasRole<R> {
    fn of(caller: Caller) -> Result<Self, TokenRefusal> {
        Ok(Self::check(caller)?)
    }
}

impl<R: AnyRole> Requirement for HasAnyRole<R> {
    fn of(caller: Caller) -> Result<Self, TokenRefusal> {
        Ok(Self::check(caller)?)
    }
}

impl<S: ScopeName> Requirement for HasScope<S> {
    fn of(caller: Caller) -> Result<Self, TokenRefusal> {
        Ok(Self::check(caller)?)
    }
}

impl<C: CustomClaim> Requirement for HasClaim<C> {
    fn of(caller: Caller) -> Result<Self, TokenRefusal> {
        Self::check(caller)
    }
}

impl Requirement for InOrganisation {
    fn of(caller: Caller) -> Result<Self, TokenRefusal> {
        Ok(Self::check(caller)?)
    }
}

impl<A: Requirement, B: Requirement> Requirement for (A, B) {
    fn of(caller: Caller) -> Result<Self, TokenRefusal> {
        Ok((A::of(caller.clone())?, B::of(caller)?))
    }
}

impl<A: Requirement, B: Requirement, C: Requirement> Requirement for (A, B, C) {
    fn of(caller: Caller) -> Result<Self, TokenRefusal> {
        Ok((A::of(caller.clone())?, B::of(caller.clone())?, C::of(caller)?))
    }
}

/// Asks a request for what its handler needs.
pub trait Require {
    /// The proof that the caller meets `R`.
    ///
    /// # Errors
    /// The status of the refusal; `UNAUTHENTICATED` where no layer verifies.
    fn require<R: Requirement>(&self) -> Result<R, Status>;
}

impl<T> Require for Request<T> {
    fn require<R: Requirement>(&self) -> Result<R, Status> {
        let Some(caller) = self.extensions().get::<Caller>() else {
            tracing::error!(
                target: "countersign::refused",
                "a gRPC handler needs a caller, but nothing verifies the tokens of its server"
            );
            return Err(TokenRefusal::TokenMissing.into());
        };
        R::of(caller.clone()).map_err(|refusal| {
            tower::record(refusal);
            refusal.into()
        })
    }
}
