//! The seam for what makes a good token bad before its end.

use std::{fmt, sync::Arc};

use crate::{Issuer, OrganisationId, SessionId, Subject, TokenId, UnixTime};

/// Knows which tokens are revoked.
///
/// Asked last, for a token that is good in every other respect, and again on every use of it. Must not block.
pub trait Revocations: Send + Sync + fmt::Debug {
    /// How the token stands now.
    fn standing(&self, token: &Revocable<'_>) -> Standing;
}

/// What a revocation can name, of one token.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Revocable<'a> {
    /// Who signed the token; every other name here means something for this issuer only.
    pub issuer: &'a Issuer,
    /// `jti`.
    pub token: &'a TokenId,
    /// `derived_from`: the tokens it was exchanged for. It stands no better than any of them.
    pub derived_from: &'a [TokenId],
    /// `sid`.
    pub session: Option<&'a SessionId>,
    /// `sub`.
    pub subject: &'a Subject,
    /// `organisation`.
    pub organisation: Option<&'a OrganisationId>,
    /// `iat`: a revocation concerns tokens issued before it.
    pub issued_at: UnixTime,
}

impl<'a> Revocable<'a> {
    /// What every token has; `derived_from`, `session` and `organisation` are set where there are any.
    #[must_use]
    pub const fn new(
        issuer: &'a Issuer,
        token: &'a TokenId,
        subject: &'a Subject,
        issued_at: UnixTime,
    ) -> Self {
        Self { issuer, token, derived_from: &[], session: None, subject, organisation: None, issued_at }
    }
}

/// What is known about a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Not revoked, as far as this service must know.
    Good,
    /// Revoked.
    Revoked,
    /// It cannot be known, and must not be guessed: answered with 503.
    Unknown,
}

/// No revocation is ever known: a token is good until its end.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoRevocations;

impl Revocations for NoRevocations {
    fn standing(&self, _: &Revocable<'_>) -> Standing {
        Standing::Good
    }
}

impl<R: Revocations + ?Sized> Revocations for Arc<R> {
    fn standing(&self, token: &Revocable<'_>) -> Standing {
        (**self).standing(token)
    }
}

/// Several at once, as for several issuers: revoked if one of them says so, and unknown if one of them cannot say.
impl<R: Revocations> Revocations for Vec<R> {
    fn standing(&self, token: &Revocable<'_>) -> Standing {
        let mut worst = Standing::Good;
        for revocations in self {
            match revocations.standing(token) {
                Standing::Good => {}
                Standing::Revoked => return Standing::Revoked,
                Standing::Unknown => worst = Standing::Unknown,
            }
        }
        worst
    }
}

#[cfg(test)]
mod tests {
    use super::{Revocable, Revocations, Standing};
    use crate::{Issuer, Subject, TokenId, UnixTime};

    #[derive(Debug)]
    struct Says(Standing);

    impl Revocations for Says {
        fn standing(&self, _: &Revocable<'_>) -> Standing {
            self.0
        }
    }

    /// What one of several revokes is revoked, and what one of them cannot tell is not good.
    #[test]
    fn the_worst_of_several_counts() {
        use Standing::{Good, Revoked, Unknown};
        let (issuer, token, subject) =
            (Issuer::from("https://issuer.test"), TokenId::from("t"), Subject::from("ada"));
        let asked = Revocable::new(&issuer, &token, &subject, UnixTime::from_secs(1));
        for (all, expected) in [
            (vec![], Good),
            (vec![Good, Good], Good),
            (vec![Good, Unknown], Unknown),
            (vec![Unknown, Good], Unknown),
            (vec![Unknown, Revoked], Revoked),
            (vec![Good, Revoked, Unknown], Revoked),
        ] {
            let all: Vec<Says> = all.into_iter().map(Says).collect();
            assert_eq!(all.standing(&asked), expected, "{all:?}");
        }
    }
}
