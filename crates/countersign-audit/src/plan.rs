//! What is asked, and what must come of it. Pure: nothing here knows of time or network.
//!
//! The cases of an operation are made when its turn comes, so that a plan of any size needs the memory of one operation.

mod gaps;
mod methods;
mod organisations;
mod roles;
mod shape;
mod tokens;

use std::sync::Arc;

use countersign::testkit::{BadToken, OddToken};
use serde_json::Value;

pub(crate) use self::{
    methods::{IDENTITY_FIELDS, is_version},
    shape::Shape,
    tokens::NO_TOKEN as NO_TOKEN_CELL,
};
use crate::{
    Destructive, Document, Operation, Settings,
    config::{Allowed, OrganisationSettings, PathValue},
    document::{Access, Demand},
    tokens::{Bearer, Roles},
};

/// Part of a run, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    Token,
    Role,
    Organisation,
    Method,
}

/// One of the two organisations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Which {
    A,
    B,
}

impl Which {
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// Whose object a path names, as the caller sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    Absent,
    /// What the call before in the same case made.
    Created,
    Foreign,
    Own,
    /// The document's examples where no object is known.
    Sample,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Credential {
    Absent,
    Bad(&'static BadToken),
    Good(Placement),
    Odd(&'static OddToken),
    /// Text that is no token.
    Text(&'static str),
    Twin(&'static BadToken),
}

/// Where a good token stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placement {
    Bearer,
    Cookie,
    LowerCase,
    NoScheme,
    OtherScheme,
    Query,
    Twice,
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) organisation: Which,
    /// The token says which.
    pub(crate) says_organisation: bool,
    pub(crate) roles: Roles,
    pub(crate) scopes: Vec<String>,
}

/// What is sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    /// JSON that ends too early.
    Broken,
    Empty,
    Json(Value),
    None,
}

/// One request, its path and object still by name.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) edit: Edit,
    pub(crate) caller: Caller,
    pub(crate) credential: Credential,
    pub(crate) whose: Whose,
    pub(crate) content: Content,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// Another spelling of the finished path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edit {
    Capital,
    DotSegment,
    DoubleSlash,
    Encoded,
    EncodedDots,
    Extension,
    LastSlash,
    Matrix,
    None,
    Null,
    /// `/v2/` as `/v1/`.
    OldVersion,
}

/// What must come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// As the good token.
    Accepted,
    /// 403.
    Denied,
    /// The answer must not hold the other organisation's canaries; `compare` is that organisation's own answer.
    NoCanary,
    /// Not handled: 404, 405, 501, or refused.
    NotHandled,
    /// Without a token: not a success.
    NotOpen,
    /// An OPTIONS answer says nothing but methods.
    Options,
    /// The role that the document names is enough.
    Permitted,
    /// 401.
    Refused,
    /// As for what does not exist, which is `compare`.
    SameAsAbsent,
    /// The object is as it was: `after` is its owner's look at it.
    Unchanged,
    /// What was made is not the other organisation's: `after` is its look at it.
    NotForeign,
}

/// One cell.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) phase: Phase,
    pub(crate) cell: Arc<str>,
    pub(crate) rule: Rule,
    /// The finding if it comes otherwise.
    pub(crate) finding: &'static str,
    pub(crate) call: Call,
    pub(crate) compare: Option<Call>,
    pub(crate) after: Option<Call>,
    /// The method of the finding, if it is not the operation's.
    pub(crate) method: Option<String>,
}

/// Everything that a plan is made from.
#[derive(Debug, Clone)]
pub(crate) struct Ground<'a> {
    pub(crate) document: &'a Document,
    pub(crate) settings: &'a Settings,
    pub(crate) destructive: Destructive,
    /// Every role that is named anywhere.
    pub(crate) roles: Arc<[String]>,
    /// Another organisation is there to be asked for.
    pub(crate) organisations: bool,
}

impl<'a> Ground<'a> {
    pub(crate) fn new(document: &'a Document, settings: &'a Settings, destructive: Destructive) -> Self {
        let mut ground = Self {
            document,
            settings,
            destructive,
            roles: Arc::default(),
            organisations: settings.organisations.a.is_some() && settings.organisations.b.is_some(),
        };
        let mut roles: Vec<String> = Vec::new();
        for operation in &document.operations {
            if let Access::Demands(demands) = ground.access(operation) {
                roles.extend(demands.into_iter().flat_map(|demand| demand.roles));
            }
        }
        roles.sort();
        roles.dedup();
        ground.roles = roles.into();
        ground
    }

    /// Who may call it: `audit.toml` before the document.
    pub(crate) fn access(&self, operation: &Operation) -> Access {
        let name = operation.name();
        if let Some(Allowed::Public) = self.settings.allow.get(&name) {
            return Access::Public;
        }
        match self.settings.expect.get(&name) {
            Some(roles) if roles.is_empty() => Access::Demands(vec![Demand::default()]),
            Some(roles) => Access::Demands(
                roles.iter().map(|role| Demand { roles: vec![role.clone()], scopes: Vec::new() }).collect(),
            ),
            None => operation.access.clone(),
        }
    }

    pub(crate) fn is_skipped(&self, operation: &Operation) -> bool {
        self.settings.skip.contains(&operation.name())
            || (self.destructive == Destructive::Off && !operation.is_safe())
    }

    /// A caller who may call it.
    pub(crate) fn allowed(&self, operation: &Operation, organisation: Which) -> Caller {
        let demand = match self.access(operation) {
            Access::Demands(demands) => demands.into_iter().next().unwrap_or_default(),
            _ => Demand::default(),
        };
        Caller {
            organisation,
            says_organisation: true,
            roles: Roles::List(demand.roles),
            scopes: demand.scopes,
        }
    }

    pub(crate) fn organisation(&self, which: Which) -> Option<&OrganisationSettings> {
        match which {
            Which::A => self.settings.organisations.a.as_ref(),
            Which::B => self.settings.organisations.b.as_ref(),
        }
    }

    pub(crate) fn organisation_id(&self, which: Which) -> String {
        let fallback = match which {
            Which::A => "countersign-audit-a",
            Which::B => "countersign-audit-b",
        };
        self.organisation(which).map_or_else(|| fallback.to_owned(), |organisation| organisation.id.clone())
    }

    pub(crate) fn bearer(&self, caller: &Caller) -> Bearer {
        let (fallback, session) = match caller.organisation {
            Which::A => ("ada", "countersign-audit-a"),
            Which::B => ("bob", "countersign-audit-b"),
        };
        let subject =
            self.organisation(caller.organisation).and_then(|organisation| organisation.subject.clone());
        Bearer {
            subject: subject.unwrap_or_else(|| fallback.to_owned()),
            session: session.to_owned(),
            organisation: caller.says_organisation.then(|| self.organisation_id(caller.organisation)),
            roles: caller.roles.clone(),
            scopes: caller.scopes.clone(),
        }
    }

    /// The kind of object that a path parameter names.
    pub(crate) fn kind(&self, path: &str, parameter: &str) -> Option<&'a str> {
        match self.settings.paths.get(path)?.get(parameter)? {
            PathValue::Kind(kind) => Some(kind),
            PathValue::Value { .. } => None,
        }
    }

    /// The kinds in a path, first to last.
    pub(crate) fn kinds(&self, operation: &Operation) -> Vec<&'a str> {
        operation
            .path_parameters()
            .filter_map(|parameter| self.kind(&operation.path, &parameter.name))
            .collect()
    }

    /// The operation of that method on an object of that kind, whose path ends with it.
    pub(crate) fn on_object(&self, method: &str, kind: &str) -> Option<&'a Operation> {
        self.document.operations.iter().find(|operation| {
            operation.method == method
                && operation.path.ends_with('}')
                && self.kinds(operation).last() == Some(&kind)
                && !self.is_skipped(operation)
        })
    }

    pub(crate) fn named(&self, name: &str) -> Option<&'a Operation> {
        self.document.operations.iter().find(|operation| operation.name() == name)
    }

    /// The operation as its callers use it.
    pub(crate) fn call(&self, operation: &Operation, caller: Caller, credential: Credential) -> Call {
        let shape = Shape::of(self, operation);
        let name = operation.name();
        let mut query: Vec<(String, String)> = operation
            .parameters
            .iter()
            .filter(|parameter| parameter.required && parameter.place == crate::document::Place::Query)
            .map(|parameter| (parameter.name.clone(), parameter.sample.clone()))
            .collect();
        for (name, value) in self.settings.query.get(&name).into_iter().flatten() {
            query.retain(|(known, _)| known != name);
            query.push((name.clone(), value.clone()));
        }
        Call {
            method: operation.method.clone(),
            path: operation.path.clone(),
            edit: Edit::None,
            caller,
            credential,
            whose: shape.whose,
            content: shape.content,
            query,
            headers: Vec::new(),
        }
    }

    /// The good request of the operation: its control.
    pub(crate) fn control(&self, operation: &Operation) -> Call {
        self.call(operation, self.allowed(operation, Which::A), Credential::Good(Placement::Bearer))
    }

    /// All cells of the operation.
    pub(crate) fn cases(&self, operation: &Operation, bad: &[&'static BadToken]) -> Vec<Case> {
        let mut cases = Vec::new();
        if self.access(operation) != Access::Public {
            tokens::cases(self, operation, bad, &mut cases);
            roles::cases(self, operation, &mut cases);
            organisations::cases(self, operation, &mut cases);
        }
        methods::cases(self, operation, &mut cases);
        cases
    }

    /// In which order operations are asked: reading, then making, changing, and removing last.
    pub(crate) fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.document.operations.len()).collect();
        order.sort_by_key(|index| {
            self.document.operations.get(*index).map(|operation| match operation.method.as_str() {
                "GET" | "HEAD" | "OPTIONS" | "TRACE" => 0,
                "POST" => 1,
                "PUT" | "PATCH" => 2,
                _ => 3,
            })
        });
        order
    }
}

impl Case {
    pub(crate) fn new(
        phase: Phase,
        cell: impl Into<Arc<str>>,
        rule: Rule,
        finding: &'static str,
        call: Call,
    ) -> Self {
        Self { phase, cell: cell.into(), rule, finding, call, compare: None, after: None, method: None }
    }
}

#[cfg(test)]
mod properties;
