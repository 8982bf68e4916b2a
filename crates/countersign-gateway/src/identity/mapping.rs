//! Maps an answer to an identity.
//!
//! | claim | without a path | kind |
//! |---|---|---|
//! | subject | `session.sub`, else `userinfo.sub` | text or whole number; required |
//! | username | `username`, else `preferred_username` of userinfo, else of the session | text; empty is none |
//! | email | `email` of userinfo, else of the session | text; empty is none |
//! | roles | `roles` of userinfo, else of the session | see below; absent is none |
//! | organisation | nothing | exactly one text or whole number; required once there is a path |
//! | scope | `session.scope` | text separated by spaces, or array of texts |
//! | client | `session.client_id`, else `session.azp` | text |
//! | server's session id | `session.sid` | text or whole number |
//!
//! Roles are a text separated by spaces (as a scope is), an array of texts, or an array of objects with `authority`
//! or `name`. Userinfo goes first where it describes the person: it is made when it is asked, introspection often
//! repeats what was true when the token was issued.
//!
//! A role that is bound to a scope (`[[claims.role]]`) is left out where the session's scope does not hold it.
//!
//! A value of another kind is a refusal, never "absent"; so is a control character or line break anywhere.

use std::collections::BTreeSet;

use countersign::{ClientId, Role, Subject};
use serde_json::Value;

use super::{Claim, ClaimFault, Identity, Why, value};
use crate::{
    config::resolved::{ClaimPath, ClaimRoot, ClaimsConfig},
    error::Refusal,
    session::source::Answer,
};

/// How answers become identities.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    claims: ClaimsConfig,
    accepted: BTreeSet<ClientId>,
}

impl Mapping {
    /// A mapping along the configured paths. Sessions of every client are accepted.
    #[must_use]
    pub fn new(claims: &ClaimsConfig) -> Self {
        Self { claims: claims.clone(), accepted: BTreeSet::new() }
    }

    /// Accepts only sessions of these clients. None: of every client.
    ///
    /// `client_id` (or `azp`) of the answer decides; only where there is neither, one of `aud` is enough. An answer
    /// that names none of them is not accepted.
    #[must_use]
    pub fn accepting(self, clients: &[ClientId]) -> Self {
        Self { accepted: clients.iter().cloned().collect(), ..self }
    }

    /// What we understood of an answer.
    ///
    /// # Errors
    /// The refusal for the first claim that is missing or of the wrong kind; [`Self::explain`] says which.
    pub fn identity(&self, answer: &Answer) -> Result<Identity, Refusal> {
        self.explain(answer).map_err(Refusal::from)
    }

    /// The same, saying which claim is wrong and why: for logs and `check`.
    ///
    /// # Errors
    /// The first claim that is missing or of the wrong kind.
    pub fn explain(&self, answer: &Answer) -> Result<Identity, ClaimFault> {
        let client = Self::client(answer)?;
        self.accept(client.as_ref(), answer)?;
        let scope = answer
            .member(ClaimRoot::Session, "scope")
            .map_or(Ok(None), value::scope)
            .map_err(because(Claim::Scope))?;
        Ok(Identity {
            subject: self.subject(answer)?,
            username: self.person(Claim::Username, &["username", "preferred_username"], answer)?,
            email: self.person(Claim::Email, &["email"], answer)?,
            roles: self.roles(scope.as_deref(), answer)?,
            organisation: self.organisation(answer)?,
            scope,
            client,
            server_sid: answer
                .member(ClaimRoot::Session, "sid")
                .map(value::name)
                .transpose()
                .map_err(because(Claim::Sid))?
                .map(Into::into),
        })
    }

    fn subject(&self, answer: &Answer) -> Result<Subject, ClaimFault> {
        let fault = because(Claim::Subject);
        let found = match &self.claims.subject {
            Some(path) => answer.at(path).map_err(|_| fault(Why::WrongKind))?,
            None => {
                answer.member(ClaimRoot::Session, "sub").or_else(|| answer.member(ClaimRoot::Userinfo, "sub"))
            }
        };
        let subject = value::name(found.ok_or_else(|| fault(Why::Missing))?).map_err(fault)?;
        Ok(Subject::from(&*subject))
    }

    /// Whether what tokens call the user is the server's `sub`.
    pub(crate) fn subject_is_sub(&self) -> bool {
        self.claims.subject_is_sub()
    }

    /// The roles that the scope reaches.
    fn roles(&self, scope: Option<&str>, answer: &Answer) -> Result<Box<[Role]>, ClaimFault> {
        let Some(found) = self.described(Claim::Roles, &["roles"], answer)? else {
            return Ok(Box::default());
        };
        let roles = value::roles(found).map_err(because(Claim::Roles))?;
        let holds = |wanted: &str| scope.unwrap_or_default().split(' ').any(|one| one == wanted);
        let reaches = |role: &Role| {
            self.claims.bounded_roles.iter().all(|bound| bound.role != *role || holds(&bound.scope))
        };
        Ok(if roles.iter().all(reaches) {
            roles
        } else {
            roles.iter().filter(|role| reaches(role)).cloned().collect()
        })
    }

    fn organisation(&self, answer: &Answer) -> Result<Option<countersign::OrganisationId>, ClaimFault> {
        let fault = because(Claim::Organisation);
        let Some(path) = &self.claims.organisation else { return Ok(None) };
        let found = answer.at(path).map_err(|_| fault(Why::WrongKind))?.ok_or_else(|| fault(Why::Missing))?;
        value::organisation(found).map(Some).map_err(fault)
    }

    fn person(&self, claim: Claim, names: &[&str], answer: &Answer) -> Result<Option<Box<str>>, ClaimFault> {
        let found = self.described(claim, names, answer)?;
        let text = found.map_or(Ok(None), value::text_if_any).map_err(because(claim))?;
        Ok(text.map(Into::into))
    }

    /// What stands at the claim's path, or under one of its standard names.
    fn described<'a>(
        &self,
        claim: Claim,
        names: &[&str],
        answer: &'a Answer,
    ) -> Result<Option<&'a Value>, ClaimFault> {
        match self.path(claim) {
            Some(path) => answer.at(path).map_err(|_| because(claim)(Why::WrongKind)),
            None => Ok([ClaimRoot::Userinfo, ClaimRoot::Session]
                .into_iter()
                .find_map(|root| names.iter().find_map(|name| answer.member(root, name)))),
        }
    }

    pub(super) const fn path(&self, claim: Claim) -> Option<&ClaimPath> {
        match claim {
            Claim::Email => self.claims.email.as_ref(),
            Claim::Organisation => self.claims.organisation.as_ref(),
            Claim::Roles => self.claims.roles.as_ref(),
            Claim::Subject => self.claims.subject.as_ref(),
            Claim::Username => self.claims.username.as_ref(),
            Claim::Client | Claim::Scope | Claim::Sid => None,
        }
    }

    fn client(answer: &Answer) -> Result<Option<ClientId>, ClaimFault> {
        let found = ["client_id", "azp"].iter().find_map(|name| answer.member(ClaimRoot::Session, name));
        let client = found.map(value::text).transpose().map_err(because(Claim::Client))?;
        Ok(client.map(ClientId::from))
    }

    fn accept(&self, client: Option<&ClientId>, answer: &Answer) -> Result<(), ClaimFault> {
        if self.accepted.is_empty() {
            return Ok(());
        }
        let accepted = |name: &str| self.accepted.contains(name);
        let is_ours = match (client, answer.member(ClaimRoot::Session, "aud")) {
            (Some(client), _) => self.accepted.contains(client),
            (None, Some(Value::String(audience))) => accepted(audience),
            (None, Some(Value::Array(audiences))) => audiences.iter().filter_map(Value::as_str).any(accepted),
            (None, _) => false,
        };
        if is_ours { Ok(()) } else { Err(because(Claim::Client)(Why::NotAccepted)) }
    }
}

const fn because(claim: Claim) -> impl Fn(Why) -> ClaimFault + Copy {
    move |why| ClaimFault { claim, why }
}
