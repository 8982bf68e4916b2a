//! The catalogue of bad tokens: one table, each row with the reason it must be refused for and a good twin that
//! differs only in what is wrong.

mod algorithm;
mod claims;
mod form;
mod good;
mod header;
mod json;
mod key;
mod padding;
#[cfg(feature = "dpop")]
mod proof;
mod signature;
mod time;

use super::{
    TestIssuer, TestKey,
    recipe::{Change, make},
};
use crate::{KeySet, Organisations, Revocable, Revocations, Standing, TokenRefusal, Verifier};

/// One way in which a token can be bad.
#[derive(Debug)]
pub struct BadToken {
    name: &'static str,
    source: &'static str,
    refusal: TokenRefusal,
    setup: Setup,
    recipe: &'static [Change],
    twin: &'static [Change],
}

/// A token that looks odd and is good: a verifier that refuses it is too strict.
#[derive(Debug)]
pub struct OddToken {
    name: &'static str,
    source: &'static str,
    setup: Setup,
    recipe: &'static [Change],
}

/// What the verifier trusts. Everything else is its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Setup {
    /// The test issuer, with all of [`TestKey::PUBLISHED`].
    Keys,
    /// The test issuer, with [`TestKey::Ed25519`] alone.
    OneKey,
    /// As `Keys`; and what is named `revoked` is revoked.
    Revoked,
    /// The test issuer, which shares [`TestKey::Hs256`].
    SharedSecret,
    /// As `Keys`; and `https://other.test`, with [`TestKey::OF_OTHER`] and the same audience, which may name the
    /// organisation `acme` alone.
    TwoIssuers,
}

#[cfg(feature = "dpop")]
pub(super) use self::proof::{BAD as BAD_PROOFS, ODD as ODD_PROOFS};

/// The issuer that [`Setup::TwoIssuers`] trusts as well.
pub(super) const OTHER_ISSUER: &str = "https://other.test";

/// The one organisation that it may name.
const OF_OTHER_ISSUER: &str = "acme";

/// Every bad token, group by group.
pub fn bad_tokens() -> impl Iterator<Item = &'static BadToken> {
    [
        form::ROWS,
        json::ROWS,
        header::ROWS,
        algorithm::ROWS,
        signature::ROWS,
        padding::ROWS,
        key::ROWS,
        time::ROWS,
        claims::ROWS,
    ]
    .into_iter()
    .flatten()
    .copied()
    .flatten()
}

/// Every good token that looks odd.
pub fn odd_tokens() -> impl Iterator<Item = &'static OddToken> {
    good::ROWS.iter()
}

impl BadToken {
    /// Its name, `group/what-is-wrong`. It never changes its meaning.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The rule it breaks or the weakness it tries: RFC sections, CVE numbers.
    #[must_use]
    pub const fn source(&self) -> &'static str {
        self.source
    }

    /// What it must be refused for.
    #[must_use]
    pub const fn refusal(&self) -> TokenRefusal {
        self.refusal
    }

    /// What the verifier must trust for this row to say anything.
    #[must_use]
    pub const fn setup(&self) -> Setup {
        self.setup
    }

    /// The token, made for this issuer's service at this issuer's moment.
    #[must_use]
    pub fn token(&self, issuer: &TestIssuer) -> String {
        make(issuer, self.recipe)
    }

    /// The good token that differs only in what is wrong.
    #[must_use]
    pub fn twin(&self, issuer: &TestIssuer) -> String {
        make(issuer, self.twin)
    }

    const fn twin_is(mut self, twin: &'static [Change]) -> Self {
        self.twin = twin;
        self
    }

    /// Where another verifier is asked, the twin is the good token of that verifier.
    const fn asked(mut self, setup: Setup) -> Self {
        self.setup = setup;
        if matches!(setup, Setup::SharedSecret) {
            self.twin = &[Change::Key(TestKey::Hs256)];
        }
        self
    }
}

impl OddToken {
    /// Its name, `good/what-is-odd`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Why it must be accepted.
    #[must_use]
    pub const fn source(&self) -> &'static str {
        self.source
    }

    /// What the verifier must trust for this row to say anything.
    #[must_use]
    pub const fn setup(&self) -> Setup {
        self.setup
    }

    /// The token, made for this issuer's service at this issuer's moment.
    #[must_use]
    pub fn token(&self, issuer: &TestIssuer) -> String {
        make(issuer, self.recipe)
    }

    const fn asked(mut self, setup: Setup) -> Self {
        self.setup = setup;
        self
    }
}

/// A row asked of [`Setup::Keys`], whose twin is the good token that every recipe begins with.
const fn bad(
    name: &'static str,
    source: &'static str,
    refusal: TokenRefusal,
    recipe: &'static [Change],
) -> BadToken {
    BadToken { name, source, refusal, setup: Setup::Keys, recipe, twin: &[] }
}

const fn odd(name: &'static str, source: &'static str, recipe: &'static [Change]) -> OddToken {
    OddToken { name, source, setup: Setup::Keys, recipe }
}

impl Setup {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Keys, Self::OneKey, Self::Revoked, Self::SharedSecret, Self::TwoIssuers];

    /// Its name in the vectors.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::OneKey => "one-key",
            Self::Revoked => "revoked",
            Self::SharedSecret => "shared-secret",
            Self::TwoIssuers => "two-issuers",
        }
    }

    /// The key set of the test issuer; empty where it shares a secret.
    #[must_use]
    pub fn key_set(self) -> KeySet {
        match self {
            Self::Keys | Self::Revoked | Self::TwoIssuers => TestKey::set(&TestKey::PUBLISHED),
            Self::OneKey => TestKey::set(&[TestKey::Ed25519]),
            Self::SharedSecret => KeySet::default(),
        }
    }

    /// The verifier, on the issuer's clock.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a verifier that cannot be built must stop the test")]
    pub fn verifier(self, issuer: &TestIssuer) -> Verifier {
        let start = Verifier::builder().issuer(issuer.issuer().clone()).audience(issuer.audience().clone());
        let complete = match self {
            Self::Keys | Self::OneKey => start.key_set(self.key_set()),
            Self::Revoked => start.key_set(self.key_set()).revocations(RevokedByName),
            Self::SharedSecret => start.shared_secret(TestKey::shared_secret()),
            Self::TwoIssuers => start
                .key_set(self.key_set())
                .organisations(Organisations::Any)
                .issuer(OTHER_ISSUER)
                .audience(issuer.audience().clone())
                .key_set(TestKey::set(&TestKey::OF_OTHER))
                .organisations(Organisations::only([OF_OTHER_ISSUER]).expect("it is a name")),
        };
        complete.clock(issuer.clock().clone()).build().expect("issuer, audience and keys are given")
    }
}

/// Whatever is named `revoked` is.
#[derive(Debug)]
struct RevokedByName;

impl Revocations for RevokedByName {
    fn standing(&self, token: &Revocable<'_>) -> Standing {
        let revoked = *token.token == "revoked"
            || *token.subject == "revoked"
            || token.session.is_some_and(|session| *session == "revoked")
            || token.organisation.is_some_and(|organisation| organisation.as_str() == "revoked");
        if revoked { Standing::Revoked } else { Standing::Good }
    }
}

impl TestIssuer {
    /// Every bad token that a verifier of this issuer alone must refuse, with its row. This is what each endpoint of
    /// a service is tried with.
    pub fn bad_tokens(&self) -> impl Iterator<Item = (&'static BadToken, String)> {
        bad_tokens().filter(|row| row.setup == Setup::Keys).map(|row| (row, row.token(self)))
    }
}

#[cfg(test)]
mod tests;
