//! What one issuer is trusted with: which organisations it may name, and where its tokens say what.

use serde_json::{Map, Value};

use crate::OrganisationId;

/// Which organisations an issuer may name.
///
/// An organisation's name means the same whoever says it: `acme` is one organisation, and its rows are one set
/// (module `scope`). So whoever may name an organisation can hand out its data, and with several issuers each
/// has to be told which it may name ([`VerifierBuilder::organisations`](crate::VerifierBuilder::organisations)); a
/// verifier of which that is not said is not built. A token that names another is refused
/// ([`TokenRefusal::OrganisationNotOfIssuer`](crate::TokenRefusal)).
///
/// An attacker who is an administrator of the second issuer makes an organisation there and calls it `acme`: with
/// [`Any`](Self::Any) they read the first issuer's `acme`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Organisations {
    /// Whichever it names: what a single issuer may. Two issuers that both may share one set of names.
    Any,
    /// These, and no others. An empty list: none at all.
    Only(Vec<OrganisationId>),
}

impl Organisations {
    /// These, and no others.
    ///
    /// # Errors
    /// [`InvalidOrganisation`](crate::InvalidOrganisation) if one of them is no name.
    pub fn only<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, crate::InvalidOrganisation> {
        names.into_iter().map(OrganisationId::new).collect::<Result<_, _>>().map(Self::Only)
    }

    pub(crate) fn may_be(&self, organisation: &OrganisationId) -> bool {
        match self {
            Self::Any => true,
            Self::Only(names) => names.contains(organisation),
        }
    }
}

/// Where the tokens of an issuer say what: the names of the members from the outside in.
///
/// By default the roles are in `roles` and the organisation in `organisation`, as the gateway writes them. Where another
/// place is named, only that one counts, and what stands in the usual one is a claim like any other
/// ([`VerifiedClaims::claim`](crate::VerifiedClaims::claim)). What must be there keeps its form: an array of strings, one
/// name. Something on the way that is no object is a refusal, never "absent".
///
/// ```
/// use countersign::ClaimPaths;
///
/// // As Keycloak writes them.
/// let keycloak = ClaimPaths::default().roles(["realm_access", "roles"]).organisation(["tenant"]);
/// // A namespaced claim is one name.
/// let namespaced = ClaimPaths::default().roles(["https://shop.example/roles"]);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClaimPaths {
    pub(crate) roles: Option<ClaimPath>,
    pub(crate) organisation: Option<ClaimPath>,
}

/// The names of the members, from the outside in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClaimPath(Vec<Box<str>>);

impl ClaimPaths {
    /// The longest path, in members.
    pub const MAX_DEPTH: usize = 8;

    /// Where the roles are.
    #[must_use]
    pub fn roles<'a>(mut self, path: impl IntoIterator<Item = &'a str>) -> Self {
        self.roles = Some(ClaimPath::of(path));
        self
    }

    /// Where the organisation is.
    #[must_use]
    pub fn organisation<'a>(mut self, path: impl IntoIterator<Item = &'a str>) -> Self {
        self.organisation = Some(ClaimPath::of(path));
        self
    }

    /// Whether each path has one to [`Self::MAX_DEPTH`] members and begins with none that has a meaning of its own.
    pub(super) fn are_sound(&self) -> bool {
        const WITH_MEANING: [&str; 15] = [
            "act",
            "aud",
            "client_id",
            "cnf",
            "derived_from",
            "email",
            "exp",
            "iat",
            "iss",
            "jti",
            "nbf",
            "preferred_username",
            "scope",
            "sid",
            "sub",
        ];
        [&self.roles, &self.organisation].into_iter().flatten().all(|ClaimPath(names)| {
            let first = names.first().map_or("", |name| &**name);
            (1..=Self::MAX_DEPTH).contains(&names.len()) && !WITH_MEANING.contains(&first)
        })
    }
}

impl ClaimPath {
    fn of<'a>(path: impl IntoIterator<Item = &'a str>) -> Self {
        Self(path.into_iter().map(Into::into).collect())
    }

    /// What is there, if anything is.
    ///
    /// # Errors
    /// [`NoObject`]: something on the way is no object, so that what it means cannot be known.
    pub(super) fn find<'a>(&self, claims: &'a Map<String, Value>) -> Result<Option<&'a Value>, NoObject> {
        let Some((last, on_the_way)) = self.0.split_last() else { return Ok(None) };
        let mut members = claims;
        for name in on_the_way {
            match members.get(&**name) {
                None => return Ok(None),
                Some(Value::Object(deeper)) => members = deeper,
                Some(_) => return Err(NoObject),
            }
        }
        Ok(members.get(&**last))
    }
}

/// A member on the way is no object.
#[derive(Debug)]
pub(super) struct NoObject;
