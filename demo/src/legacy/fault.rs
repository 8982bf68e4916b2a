//! What can be wrong, one thing at a time.

use std::{collections::BTreeSet, fmt, str::FromStr};

macro_rules! faults {
    ($($variant:ident $name:literal $sentence:literal;)+) => {
        /// One thing that the service does wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            $(#[doc = $sentence] $variant,)+
        }

        impl Fault {
            /// All of them, in the order of the names.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// What is wrong, in one sentence.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence),+ }
            }
        }
    };
}

faults! {
    AlgorithmFromHeader "algorithm-from-header"
        "The header chooses the algorithm: with HS256 the public key, as PEM, is the secret.";
    AlgorithmNone "algorithm-none"
        "A token whose header says `none` needs no signature.";
    AnswerCacheable "answer-cacheable"
        "An answer for one caller says that shared caches may keep it.";
    AnyOriginAllowed "any-origin-allowed"
        "Every page in the browser may read the answers, whatever its origin.";
    AnyScheme "any-scheme"
        "The token is taken from `Authorization` whatever the scheme is called.";
    AudienceNotChecked "audience-not-checked"
        "A token for another service is accepted.";
    BoundTokenAccepted "bound-token-accepted"
        "A token that is bound to a key is accepted without proof of that key.";
    ChallengeMissing "challenge-missing"
        "A refusal has no `WWW-Authenticate`.";
    CookieAccepted "cookie-accepted"
        "A token in the cookie `access_token` is accepted, so other sites can use it.";
    CriticalHeaderIgnored "critical-header-ignored"
        "A header that demands an unknown extension is not refused.";
    DeleteNotFiltered "delete-not-filtered"
        "Any organisation's project is deleted by its number.";
    DuplicateMembersAccepted "duplicate-members-accepted"
        "A claim may be there twice; the last one counts.";
    EmbeddedKeyTrusted "embedded-key-trusted"
        "The key in the token's own header verifies it.";
    ErrorTellsMore "error-tells-more"
        "A token that is rubbish causes a 500 that tells where in the program it happened.";
    ExistenceTold "existence-told"
        "What belongs to another organisation is 403, what does not exist is 404.";
    ExpiryMissingAccepted "expiry-missing-accepted"
        "A token without an end is accepted for ever.";
    ExpiryNotChecked "expiry-not-checked"
        "A token is accepted after its end.";
    FilterParameterWins "filter-parameter-wins"
        "The list is of the organisation that the query names.";
    FirstOrganisationTaken "first-organisation-taken"
        "Of several organisations in a token the first one counts.";
    HeadUnprotected "head-unprotected"
        "HEAD needs no token.";
    IssuedAtNotChecked "issued-at-not-checked"
        "A token from the future is accepted.";
    IssuerNotChecked "issuer-not-checked"
        "It does not matter who the token says it is from.";
    KeyIdAsPath "key-id-as-path"
        "The key's name is the name of a file, so any file is a key.";
    KeyUrlTrusted "key-url-trusted"
        "The key set is fetched from where the token's own header says.";
    LifetimeNotLimited "lifetime-not-limited"
        "A token may live for years.";
    ListNotFiltered "list-not-filtered"
        "The list has everybody's invoices.";
    MethodOverrideHonoured "method-override-honoured"
        "`X-HTTP-Method-Override` changes the method after the role was checked.";
    NotBeforeNotChecked "not-before-not-checked"
        "A token is accepted before it is valid.";
    OldVersionOpen "old-version-open"
        "The paths of the first version still answer, without a token.";
    OperationUnprotected "operation-unprotected"
        "The list of invoices needs no token.";
    OptionsLeak "options-leak"
        "OPTIONS is answered as GET is, without a token.";
    OrganisationFromBody "organisation-from-body"
        "What is created belongs to the organisation that the body names.";
    OrganisationHeaderWins "organisation-header-wins"
        "The list is of the organisation that the header `X-Organisation` names.";
    OrganisationMissingSeesAll "organisation-missing-sees-all"
        "A caller without an organisation sees those of all.";
    OtherSpellingsAccepted "other-spellings-accepted"
        "Base64 is read leniently, so one token has many spellings.";
    ReadNotFiltered "read-not-filtered"
        "Any organisation's project is read by its number.";
    RedirectNotRefusal "redirect-not-refusal"
        "Whoever has no good token is sent to a page to log in instead of being refused.";
    RoleByPart "role-by-part"
        "A role counts if its name has the needed one in it.";
    RoleCaseIgnored "role-case-ignored"
        "Roles are compared without regard to case.";
    RoleNotChecked "role-not-checked"
        "The report is given to whoever has a token.";
    RoleTextAccepted "role-text-accepted"
        "Roles may be one text instead of a list.";
    SearchNotFiltered "search-not-filtered"
        "A search looks through everybody's projects.";
    SignatureNotChecked "signature-not-checked"
        "The signature is not looked at.";
    SubjectMissingAccepted "subject-missing-accepted"
        "A token without a subject is accepted.";
    TokenInQueryAccepted "token-in-query-accepted"
        "A token in the address is accepted, so logs and links have it.";
    TrailingSlashOpen "trailing-slash-open"
        "With a slash at its end every path is open.";
    TypeNotChecked "type-not-checked"
        "Any signed token is taken for an access token, a log-out token too.";
    UndocumentedDeleteOpen "undocumented-delete-open"
        "Anybody may delete an invoice: the document does not know the operation, the service does.";
    UndocumentedPutOpen "undocumented-put-open"
        "Anybody may change an invoice: the document does not know the operation, the service does.";
    UpdateNotFiltered "update-not-filtered"
        "Any organisation's project is changed by its number.";
    UserHeaderTrusted "user-header-trusted"
        "Whoever sends `X-User` is that user.";
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No fault has that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no fault `{0}`")]
pub struct NoSuchFault(String);

impl FromStr for Fault {
    type Err = NoSuchFault;

    fn from_str(name: &str) -> Result<Self, NoSuchFault> {
        let found = Self::ALL.iter().find(|fault| fault.name() == name);
        found.copied().ok_or_else(|| NoSuchFault(name.to_owned()))
    }
}

/// The faults that are switched on; by default none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(BTreeSet<Fault>);

impl Faults {
    /// None.
    pub const NONE: Self = Self(BTreeSet::new());

    /// Whether that one is on.
    #[must_use]
    pub fn has(&self, fault: Fault) -> bool {
        self.0.contains(&fault)
    }

    /// Those that are on, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = Fault> {
        self.0.iter().copied()
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self::from_iter([fault])
    }
}

impl FromIterator<Fault> for Faults {
    fn from_iter<I: IntoIterator<Item = Fault>>(faults: I) -> Self {
        Self(faults.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::Fault;

    #[test]
    fn each_fault_has_a_name_of_its_own_and_one_sentence() {
        assert!(Fault::ALL.len() >= 40, "{}", Fault::ALL.len());
        let names: Vec<_> = Fault::ALL.iter().map(|fault| fault.name()).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
        for fault in Fault::ALL {
            let (name, sentence) = (fault.name(), fault.sentence());
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{name}");
            assert!(sentence.ends_with('.') && sentence.matches(". ").count() == 0, "{sentence}");
            assert_eq!(name.parse(), Ok(*fault));
        }
        assert!("no-such".parse::<Fault>().is_err());
    }
}
