//! How a verifier is told what to trust. What cannot have a default cannot be left out.

use std::{fmt, sync::Arc, time::Duration};

#[cfg(feature = "dpop")]
use crate::dpop::{DpopPolicy, DpopPolicyError, Proofs};

use super::{ClaimPaths, IssuerKeys, NoRevocations, Organisations, Revocations, Trusted, Verifier};
use crate::{
    Audience, Clock, Issuer, KeySet, KeySource, StaticKeys, SystemClock,
    jws::{self, SharedSecret},
    seen::Seen,
};

/// Builds a [`Verifier`] step by step: issuer, audience, keys; then options, or another issuer.
///
/// There is no default for any of the three, so the steps are types:
///
/// ```
/// let keys = countersign::KeySet::default();
/// let verifier =
///     countersign::Verifier::builder().issuer("https://shop.example").audience("orders").key_set(keys).build();
/// assert!(verifier.is_ok());
/// ```
///
/// Without an issuer:
///
/// ```compile_fail,E0599
/// let keys = countersign::KeySet::default();
/// let verifier = countersign::Verifier::builder().audience("orders").key_set(keys).build();
/// ```
///
/// Without an audience:
///
/// ```compile_fail,E0599
/// let keys = countersign::KeySet::default();
/// let verifier = countersign::Verifier::builder().issuer("https://shop.example").key_set(keys).build();
/// ```
///
/// Without keys:
///
/// ```compile_fail,E0599
/// let verifier = countersign::Verifier::builder().issuer("https://shop.example").audience("orders").build();
/// ```
///
/// And a second issuer has to have all three as well:
///
/// ```compile_fail,E0599
/// let keys = countersign::KeySet::default();
/// let first = countersign::Verifier::builder().issuer("https://shop.example").audience("orders").key_set(keys);
/// let verifier = first.issuer("https://partner.example").audience("orders").build();
/// ```
#[derive(Debug)]
pub struct VerifierBuilder<Step> {
    step: Step,
    settings: Settings,
}

/// The next step is [`VerifierBuilder::issuer`].
#[derive(Debug)]
pub struct WantsIssuer(());

/// The next step is [`VerifierBuilder::audience`].
#[derive(Debug)]
pub struct WantsAudience {
    issuer: Issuer,
}

/// The next step is [`VerifierBuilder::keys`] or one of its siblings.
#[derive(Debug)]
pub struct WantsKeys {
    issuer: Issuer,
    audience: Audience,
}

/// Nothing is missing.
#[derive(Debug)]
pub struct Complete(());

#[derive(Debug)]
struct Settings {
    trusted: Vec<Trusted>,
    leeway: Duration,
    max_lifetime: Duration,
    max_token_bytes: usize,
    types: Vec<Box<str>>,
    ignores_status: bool,
    needs_session: bool,
    needs_organisation: bool,
    clock: Arc<dyn Clock>,
    revocations: Arc<dyn Revocations>,
    seen_before: usize,
    #[cfg(feature = "dpop")]
    dpop: Option<DpopPolicy>,
}

/// What a verifier cannot be built with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifierError {
    /// A path of [`ClaimPaths`] that is empty, too deep, or begins with a claim that has a meaning for every token.
    #[error("the issuer `{0}` cannot have its roles or organisation in that claim")]
    ClaimPath(Issuer),
    /// The same issuer twice.
    #[error("the issuer `{0}` is there twice")]
    DuplicateIssuer(Issuer),
    /// An issuer or audience that is empty.
    #[error("an issuer and an audience have at least one character")]
    Empty,
    /// More leeway than [`Verifier::MAX_LEEWAY`].
    #[error("the leeway is longer than a minute")]
    LeewayTooLong,
    /// There are several issuers, and of this one it is not said which organisations it may name
    /// ([`VerifierBuilder::organisations`]).
    #[error("with several issuers, say which organisations `{0}` may name")]
    OrganisationsUnsaid(Issuer),
    /// The policy for proofs makes no sense.
    #[cfg(feature = "dpop")]
    #[error(transparent)]
    Proofs(#[from] DpopPolicyError),
    /// Not one to [`Verifier::MAX_SECRETS`] shared secrets.
    #[error("an issuer has one to {} shared secrets", Verifier::MAX_SECRETS)]
    Secrets,
}

impl VerifierBuilder<WantsIssuer> {
    pub(super) fn new() -> Self {
        let settings = Settings {
            trusted: Vec::new(),
            leeway: Verifier::DEFAULT_LEEWAY,
            max_lifetime: Verifier::DEFAULT_MAX_LIFETIME,
            max_token_bytes: jws::MAX_BYTES,
            types: vec!["at+jwt".into()],
            ignores_status: false,
            needs_session: false,
            needs_organisation: false,
            clock: Arc::new(SystemClock),
            revocations: Arc::new(NoRevocations),
            seen_before: Verifier::DEFAULT_SEEN_BEFORE,
            #[cfg(feature = "dpop")]
            dpop: None,
        };
        Self { step: WantsIssuer(()), settings }
    }

    /// Whom to trust: the exact `iss` of the tokens.
    #[must_use]
    pub fn issuer(self, issuer: impl Into<Issuer>) -> VerifierBuilder<WantsAudience> {
        self.to(WantsAudience { issuer: issuer.into() })
    }
}

impl VerifierBuilder<WantsAudience> {
    /// Who we are: the exact `aud` of this issuer's tokens for this service.
    #[must_use]
    pub fn audience(self, audience: impl Into<Audience>) -> VerifierBuilder<WantsKeys> {
        let Self { step, settings } = self;
        VerifierBuilder { step: WantsKeys { issuer: step.issuer, audience: audience.into() }, settings }
    }
}

impl VerifierBuilder<WantsKeys> {
    /// This issuer's public keys, from wherever they come.
    #[must_use]
    pub fn keys(self, source: impl KeySource + 'static) -> VerifierBuilder<Complete> {
        self.trust(IssuerKeys::Published(Box::new(source)))
    }

    /// This issuer's public keys, which never change.
    #[must_use]
    pub fn key_set(self, keys: KeySet) -> VerifierBuilder<Complete> {
        self.keys(StaticKeys::new(keys))
    }

    /// The secret shared with this issuer. Whoever else has it can be the issuer.
    #[must_use]
    pub fn shared_secret(self, secret: SharedSecret) -> VerifierBuilder<Complete> {
        self.shared_secrets([secret])
    }

    /// Several secrets shared with this issuer, each as good as the others, for the time in which one takes the place
    /// of another. At most [`Verifier::MAX_SECRETS`].
    #[must_use]
    pub fn shared_secrets(
        self,
        secrets: impl IntoIterator<Item = SharedSecret>,
    ) -> VerifierBuilder<Complete> {
        self.trust(IssuerKeys::Shared(secrets.into_iter().collect()))
    }

    fn trust(self, keys: IssuerKeys) -> VerifierBuilder<Complete> {
        let Self { step: WantsKeys { issuer, audience }, mut settings } = self;
        settings.trusted.push(Trusted {
            issuer,
            audience,
            keys,
            organisations: None,
            paths: ClaimPaths::default(),
        });
        VerifierBuilder { step: Complete(()), settings }
    }
}

impl VerifierBuilder<Complete> {
    /// One more issuer, with its own audience and keys. Its keys verify its tokens only.
    #[must_use]
    pub fn issuer(self, issuer: impl Into<Issuer>) -> VerifierBuilder<WantsAudience> {
        self.to(WantsAudience { issuer: issuer.into() })
    }

    /// Which organisations the issuer that was named last may name. By default a single issuer may name any; with
    /// several there is no default, and [`build`](Self::build) demands it of each.
    ///
    /// ```
    /// use countersign::{KeySet, Organisations, Verifier};
    /// # fn key_set() -> KeySet { KeySet::default() }
    /// let verifier = Verifier::builder()
    ///     .issuer("https://shop.example").audience("orders").key_set(key_set())
    ///     .organisations(Organisations::Any)
    ///     .issuer("https://login.partner.example").audience("shop-orders").key_set(key_set())
    ///     .organisations(Organisations::only(["partner"])?)
    ///     .build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn organisations(mut self, organisations: Organisations) -> Self {
        if let Some(last) = self.settings.trusted.last_mut() {
            last.organisations = Some(organisations);
        }
        self
    }

    /// Where the tokens of the issuer that was named last say what. The default is [`ClaimPaths::default`].
    #[must_use]
    pub fn claim_paths(mut self, paths: ClaimPaths) -> Self {
        if let Some(last) = self.settings.trusted.last_mut() {
            last.paths = paths;
        }
        self
    }

    /// Refuses every token without `sid` ([`TokenRefusal::ClaimMissing`](crate::TokenRefusal), 401): for services that
    /// serve people's sessions and no machines. By default a token need not have one.
    #[must_use]
    pub const fn require_session(mut self) -> Self {
        self.settings.needs_session = true;
        self
    }

    /// Refuses every token without an organisation ([`TokenRefusal::OrganisationMissing`](crate::TokenRefusal), 403:
    /// another token of that caller has none either). By default a token need not have one, and only what asks for
    /// [`InOrganisation`](crate::InOrganisation) is refused.
    #[must_use]
    pub const fn require_organisation(mut self) -> Self {
        self.settings.needs_organisation = true;
        self
    }

    /// How far the issuer's clock may differ from ours, in whole seconds. The default is 5 s, the most 60 s.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.settings.leeway = leeway;
        self
    }

    /// The longest time from `iat` to `exp`. The default is 24 hours.
    #[must_use]
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.max_lifetime = lifetime;
        self
    }

    /// The longest token, in bytes; a longer one is not looked at. The default is 8 KiB.
    #[must_use]
    pub fn max_token_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_token_bytes = bytes;
        self
    }

    /// Accepts one more `typ` beside `at+jwt` (RFC 9068 §4), without regard to case.
    ///
    /// Some issuers write `JWT` into everything they sign. A service that accepts it takes their ID tokens and log-out
    /// tokens for access tokens, as far as the other claims allow.
    #[must_use]
    pub fn accept_type(mut self, typ: &str) -> Self {
        let typ = typ.to_ascii_lowercase();
        self.settings.types.push(typ.strip_prefix("application/").unwrap_or(&typ).into());
        self
    }

    /// Accepts tokens with a `status`, as if they had none. By default they are refused
    /// ([`TokenRefusal::TokenStatusUnchecked`](crate::TokenRefusal)): such a token says that its issuer's status list
    /// ([draft-ietf-oauth-status-list §6](https://datatracker.ietf.org/doc/draft-ietf-oauth-status-list/)) knows
    /// whether it is still good, and that list is not looked at here.
    ///
    /// A service that accepts them serves revoked tokens until their end, unless it looks at the list itself: the claim
    /// is in [`VerifiedClaims::claim`](crate::VerifiedClaims::claim).
    ///
    /// ```
    /// # use countersign::{KeySet, Verifier};
    /// # fn key_set() -> KeySet { KeySet::default() }
    /// let verifier = Verifier::builder()
    ///     .issuer("https://shop.example")
    ///     .audience("orders")
    ///     .key_set(key_set())
    ///     .dangerous_ignore_status()
    ///     .build()?;
    /// # Ok::<(), countersign::VerifierError>(())
    /// ```
    #[must_use]
    pub const fn dangerous_ignore_status(mut self) -> Self {
        self.settings.ignores_status = true;
        self
    }

    /// The time of day. The default is the machine's.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.settings.clock = Arc::new(clock);
        self
    }

    /// Which tokens are revoked. By default none is ever known to be.
    #[must_use]
    pub fn revocations(mut self, revocations: impl Revocations + 'static) -> Self {
        self.settings.revocations = Arc::new(revocations);
        self
    }

    /// How many good tokens are remembered, so that their signature need not be computed again. The default is
    /// 10,000; 0 turns it off. A remembered token takes its own length and less than 1 KiB.
    #[must_use]
    pub fn seen_before(mut self, tokens: usize) -> Self {
        self.settings.seen_before = tokens;
        self
    }

    /// Takes tokens that are bound to a key, with proofs that the caller has it ([`dpop`](crate::dpop)). Without it
    /// such tokens are refused.
    #[cfg(feature = "dpop")]
    #[must_use]
    pub fn dpop(mut self, policy: DpopPolicy) -> Self {
        self.settings.dpop = Some(policy);
        self
    }

    /// The verifier.
    ///
    /// # Errors
    /// [`VerifierError`] if the options make no sense together.
    pub fn build(self) -> Result<Verifier, VerifierError> {
        let settings = self.settings;
        if settings.leeway > Verifier::MAX_LEEWAY {
            return Err(VerifierError::LeewayTooLong);
        }
        let several = settings.trusted.len() > 1;
        for (index, trusted) in settings.trusted.iter().enumerate() {
            let Trusted { issuer, audience, keys, organisations, paths } = trusted;
            if settings.trusted.iter().take(index).any(|other| other.issuer == *issuer) {
                return Err(VerifierError::DuplicateIssuer(issuer.clone()));
            }
            if issuer.as_str().is_empty() || audience.as_str().is_empty() {
                return Err(VerifierError::Empty);
            }
            if let IssuerKeys::Shared(secrets) = keys
                && !(1..=Verifier::MAX_SECRETS).contains(&secrets.len())
            {
                return Err(VerifierError::Secrets);
            }
            if several && organisations.is_none() {
                return Err(VerifierError::OrganisationsUnsaid(issuer.clone()));
            }
            if !paths.are_sound() {
                return Err(VerifierError::ClaimPath(issuer.clone()));
            }
        }
        Ok(Verifier(Arc::new(super::Inner {
            trusted: settings.trusted,
            leeway: settings.leeway,
            max_lifetime: settings.max_lifetime,
            max_token_bytes: settings.max_token_bytes,
            types: settings.types,
            ignores_status: settings.ignores_status,
            needs_session: settings.needs_session,
            needs_organisation: settings.needs_organisation,
            clock: settings.clock,
            revocations: settings.revocations,
            seen: Seen::new(settings.seen_before),
            usual: arc_swap::ArcSwapOption::const_empty(),
            #[cfg(feature = "dpop")]
            proofs: settings.dpop.map(Proofs::new).transpose()?,
        })))
    }
}

impl<Step> VerifierBuilder<Step> {
    fn to<Next: fmt::Debug>(self, step: Next) -> VerifierBuilder<Next> {
        VerifierBuilder { step, settings: self.settings }
    }
}
