//! The service: who asks, what for, and the answer.

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use axum::{
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use countersign::TokenRefusal;
use serde_json::json;

use super::{
    Fault, Faults, Trust,
    answer::{Problem, own},
    asked::{Asked, Place},
    document, forgotten,
    people::{Caller, Reach},
    records::{Draft, Record, Records},
    token::TokenCheck,
};
use crate::DemoError;

/// May change things.
const EDITORS: &[&str] = &["editor", "admin"];
/// May read the report.
const ADMINS: &[&str] = &["admin"];

#[derive(Debug)]
pub(super) struct Service {
    faults: Faults,
    check: TokenCheck,
    projects: Mutex<Records>,
    invoices: Mutex<Records>,
}

/// Nothing here panics, and if it did the rows would still be whole.
fn locked(records: &Mutex<Records>) -> MutexGuard<'_, Records> {
    records.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Service {
    pub(super) fn new(faults: Faults, trust: Trust, folder: &Path) -> Result<Self, DemoError> {
        let check = TokenCheck::new(faults.clone(), trust, folder)?;
        let projects = Records::new("p", &[("acme", "Tunnel"), ("globex", "Reactor")]);
        let invoices = Records::new("i", &[("acme", "Paint"), ("globex", "Hammocks")]);
        Ok(Self { faults, check, projects: Mutex::new(projects), invoices: Mutex::new(invoices) })
    }

    pub(super) async fn handle(&self, request: Request) -> Response {
        let asked = Asked::read(request, &self.faults).await;
        let mut answer = match self.answer(&asked).await {
            Ok(answer) => answer,
            Err(problem) => problem.answer(&self.faults),
        };
        if self.faults.has(Fault::AnyOriginAllowed)
            && let Some(origin) = asked.headers.get(header::ORIGIN)
        {
            answer.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            let yes = HeaderValue::from_static("true");
            answer.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
        answer
    }

    async fn answer(&self, asked: &Asked) -> Result<Response, Problem> {
        let method = forgotten::method(asked, &self.faults);
        if let Some(place) = asked.place.as_ref().filter(|place| place.is_public()) {
            return public(place, &method);
        }
        let caller = self.caller(asked).await?;
        let place = asked.place.as_ref().ok_or(Problem::NotFound)?;
        if method == Method::OPTIONS {
            return Ok((StatusCode::NO_CONTENT, [(header::ALLOW, place.methods())]).into_response());
        }
        self.demand_roles(&caller, place, asked)?;
        caller.demand_organisation(&self.faults)?;
        match place {
            Place::Projects | Place::Invoices => self.collection(asked, place, &method, &caller),
            Place::Project(id) | Place::Invoice(id) => self.one(asked, place, id, &method, &caller),
            Place::Usage if method == Method::GET => Ok(self.usage(&caller)),
            _ => Err(Problem::MethodNotAllowed(place.methods())),
        }
    }

    /// Who has a good token is who it says, even where nobody is asked for one.
    async fn caller(&self, asked: &Asked) -> Result<Caller, TokenRefusal> {
        let refusal = match asked.token(&self.faults) {
            Ok(token) => match self.check.caller(token).await {
                Ok(caller) => return Ok(caller),
                Err(refusal) => refusal,
            },
            Err(refusal) => refusal,
        };
        forgotten::let_in(asked, &self.faults).ok_or(refusal)
    }

    /// By the method as it was sent: what overrides it comes too late for this.
    fn demand_roles(&self, caller: &Caller, place: &Place, asked: &Asked) -> Result<(), Problem> {
        if *place == Place::Usage && !self.faults.has(Fault::RoleNotChecked) {
            caller.demand(ADMINS, &self.faults)?;
        }
        let documented = place.methods().split(", ").any(|method| asked.method == *method);
        if documented && !asked.method.is_safe() {
            caller.demand(EDITORS, &self.faults)?;
        }
        Ok(())
    }

    fn records(&self, place: &Place) -> MutexGuard<'_, Records> {
        match place {
            Place::Invoice(_) | Place::Invoices => locked(&self.invoices),
            _ => locked(&self.projects),
        }
    }

    fn collection(
        &self,
        asked: &Asked,
        place: &Place,
        method: &Method,
        caller: &Caller,
    ) -> Result<Response, Problem> {
        match *method {
            Method::GET => Ok(own(StatusCode::OK, self.list(asked, place, caller), &self.faults)),
            Method::POST => self.create(asked, place, caller),
            _ => Err(Problem::MethodNotAllowed(place.methods())),
        }
    }

    fn list(&self, asked: &Asked, place: &Place, caller: &Caller) -> Vec<Record> {
        let searched = asked.parameter("q");
        let named = asked.parameter("organisation").filter(|_| self.faults.has(Fault::FilterParameterWins));
        let in_header = asked.header("x-organisation");
        let named = named.or_else(|| in_header.filter(|_| self.faults.has(Fault::OrganisationHeaderWins)));
        let unfiltered = (self.faults.has(Fault::ListNotFiltered) && *place == Place::Invoices)
            || (self.faults.has(Fault::SearchNotFiltered) && searched.is_some());
        let reach = match named {
            _ if unfiltered => Reach::All,
            Some(organisation) => Reach::Of(organisation.to_owned()),
            None => caller.reach.clone(),
        };
        self.records(place).all(|record| {
            reach.covers(&record.organisation) && searched.is_none_or(|text| record.name.contains(text))
        })
    }

    fn create(&self, asked: &Asked, place: &Place, caller: &Caller) -> Result<Response, Problem> {
        let draft = draft(asked)?;
        let own_organisation = match &caller.reach {
            Reach::Of(organisation) => organisation.clone(),
            Reach::All | Reach::None => "acme".to_owned(),
        };
        let named = draft.organisation.clone().filter(|_| self.faults.has(Fault::OrganisationFromBody));
        let organisation = named.unwrap_or(own_organisation);
        let made = self.records(place).add(&organisation, draft).ok_or(Problem::Full)?;
        Ok(own(StatusCode::CREATED, made, &self.faults))
    }

    fn one(
        &self,
        asked: &Asked,
        place: &Place,
        id: &str,
        method: &Method,
        caller: &Caller,
    ) -> Result<Response, Problem> {
        let is_project = matches!(place, Place::Project(_));
        let known = match *method {
            Method::GET => true,
            Method::DELETE => is_project || self.faults.has(Fault::UndocumentedDeleteOpen),
            Method::PUT => is_project || self.faults.has(Fault::UndocumentedPutOpen),
            _ => false,
        };
        if !known {
            return Err(Problem::MethodNotAllowed(place.methods()));
        }
        let unfiltered = match *method {
            Method::DELETE => Fault::DeleteNotFiltered,
            Method::PUT => Fault::UpdateNotFiltered,
            _ => Fault::ReadNotFiltered,
        };
        let mut records = self.records(place);
        let found = records.find(id).cloned().ok_or(Problem::NotFound)?;
        let is_within =
            caller.reach.covers(&found.organisation) || (is_project && self.faults.has(unfiltered));
        if !is_within {
            let told = self.faults.has(Fault::ExistenceTold);
            return Err(if told { Problem::Foreign } else { Problem::NotFound });
        }
        match *method {
            Method::DELETE => {
                records.remove(id);
                Ok(StatusCode::NO_CONTENT.into_response())
            }
            Method::PUT => {
                let changed = records.change(id, draft(asked)?).ok_or(Problem::NotFound)?;
                Ok(own(StatusCode::OK, changed, &self.faults))
            }
            _ => Ok(own(StatusCode::OK, found, &self.faults)),
        }
    }

    fn usage(&self, caller: &Caller) -> Response {
        let names = |records: &Mutex<Records>| -> Vec<String> {
            let within = locked(records).all(|record| caller.reach.covers(&record.organisation));
            within.into_iter().map(|record| record.name).collect()
        };
        let report = json!({
            "asked_by": caller.subject,
            "projects": names(&self.projects),
            "invoices": names(&self.invoices),
        });
        own(StatusCode::OK, report, &self.faults)
    }
}

fn public(place: &Place, method: &Method) -> Result<Response, Problem> {
    if *method != Method::GET {
        return Err(Problem::MethodNotAllowed(place.methods()));
    }
    let body = if *place == Place::Document { document::TEXT } else { "{\"status\":\"well\"}" };
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

fn draft(asked: &Asked) -> Result<Draft, Problem> {
    let body = asked.body.as_ref().ok_or(Problem::TooLarge)?;
    let draft: Draft = serde_json::from_slice(body).map_err(|_| Problem::Invalid)?;
    if draft.is_sound() { Ok(draft) } else { Err(Problem::Invalid) }
}
