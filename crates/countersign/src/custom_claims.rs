//! Claims of an issuer's own, with a type.

use std::fmt;

use serde::de::DeserializeOwned;

use crate::{Caller, ClaimName, TokenRefusal, VerifiedClaims};

/// One claim beyond those of every access token, as a type.
///
/// ```
/// use countersign::{CustomClaim, HasClaim};
///
/// #[derive(serde::Deserialize)]
/// #[serde(rename_all = "snake_case")]
/// enum Plan {
///     Free,
///     Paid,
/// }
///
/// impl CustomClaim for Plan {
///     const NAME: &'static str = "https://shop.example/plan";
/// }
///
/// async fn report(plan: HasClaim<Plan>) -> &'static str {
///     match *plan {
///         Plan::Free => "a short one",
///         Plan::Paid => "a long one",
///     }
/// }
/// ```
///
/// A claim that has a meaning for every token (`sub`, `roles`, `organisation` and so on) is not found by this: it has
/// a method of its own.
pub trait CustomClaim: DeserializeOwned + Send + Sync + 'static {
    /// The claim's name in the token.
    const NAME: &'static str;
}

impl VerifiedClaims {
    /// A claim of the issuer's own.
    ///
    /// # Errors
    /// [`TokenRefusal::ClaimMalformed`] if it is there and is no `C`: that is a failure and never "absent".
    pub fn custom<C: CustomClaim>(&self) -> Result<Option<C>, TokenRefusal> {
        let malformed = |_| TokenRefusal::ClaimMalformed(ClaimName::Custom(C::NAME));
        self.claim(C::NAME).map(|value| C::deserialize(value).map_err(malformed)).transpose()
    }
}

/// Proof that the token has the claim `C`, and the claim.
pub struct HasClaim<C> {
    caller: Caller,
    claim: C,
}

impl<C: CustomClaim> HasClaim<C> {
    /// Looks for the claim.
    ///
    /// # Errors
    /// [`TokenRefusal::ClaimRequired`] (403) if the token does not have it: the token is good, it is not enough here.
    /// [`TokenRefusal::ClaimMalformed`] (401) if it has it and it is no `C`.
    pub fn check(caller: Caller) -> Result<Self, TokenRefusal> {
        let claim = caller.claims().custom()?;
        let claim = claim.ok_or(TokenRefusal::ClaimRequired(ClaimName::Custom(C::NAME)))?;
        Ok(Self { caller, claim })
    }
}

impl<C> HasClaim<C> {
    /// Who that is.
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// What it says.
    #[must_use]
    pub fn into_claim(self) -> C {
        self.claim
    }
}

impl<C> std::ops::Deref for HasClaim<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.claim
    }
}

impl<C> fmt::Debug for HasClaim<C> {
    /// Who, but not what the claim says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HasClaim").field("caller", &self.caller).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(feature = "testkit")]
mod tests {
    use serde_json::{Value, json};

    use super::{CustomClaim, HasClaim};
    use crate::{Caller, ClaimName, TokenRefusal, testkit::TestIssuer};

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Limits {
        orders: u32,
    }
    impl CustomClaim for Limits {
        const NAME: &'static str = "limits";
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Plain(String);
    impl CustomClaim for Plain {
        const NAME: &'static str = "sub";
    }

    fn caller(limits: Option<Value>) -> Caller {
        let issuer = TestIssuer::new("orders");
        let token = issuer.token();
        let token = match limits {
            Some(limits) => token.claim("limits", limits),
            None => token,
        };
        Caller::new(issuer.verifier().verify(token.sign()).unwrap())
    }

    #[test]
    fn a_claim_of_the_wrong_type_is_never_absent() {
        let name = ClaimName::Custom("limits");
        let good = HasClaim::<Limits>::check(caller(Some(json!({ "orders": 7 })))).unwrap();
        assert_eq!((good.orders, good.into_claim()), (7, Limits { orders: 7 }));
        let refused = |limits| HasClaim::<Limits>::check(caller(limits)).map(|_| ()).unwrap_err();
        assert_eq!(refused(None), TokenRefusal::ClaimRequired(name));
        assert_eq!(caller(None).claims().custom::<Limits>(), Ok(None));
        for bad in
            [json!(null), json!(7), json!({}), json!({ "orders": "7" }), json!({ "orders": -1 }), json!([])]
        {
            assert_eq!(refused(Some(bad.clone())), TokenRefusal::ClaimMalformed(name), "{bad}");
            let read = caller(Some(bad)).claims().custom::<Limits>();
            assert_eq!(read, Err(TokenRefusal::ClaimMalformed(name)));
        }
        assert_eq!(caller(None).claims().custom::<Plain>(), Ok(None), "registered claims have methods");
    }
}
