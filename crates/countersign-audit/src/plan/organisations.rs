//! Objects of the other organisation: by id, in lists, in filters, in bodies.

use serde_json::Value;

use super::{Call, Case, Content, Credential, Ground, Phase, Placement, Rule, Shape, Which, Whose};
use crate::{Operation, document::Place};

const GOOD: Credential = Credential::Good(Placement::Bearer);

/// Query parameters, members and header fields that have named an organisation somewhere.
const NAMES: &[&str] = &[
    "organisation",
    "organisation_id",
    "organisationId",
    "organization",
    "organization_id",
    "organizationId",
    "org",
    "org_id",
    "orgId",
    "tenant",
    "tenant_id",
    "tenantId",
    "company",
    "company_id",
    "account_id",
    "customer_id",
];
const FIELDS: &[&str] = &[
    "x-organisation",
    "x-organisation-id",
    "x-organization",
    "x-organization-id",
    "x-org",
    "x-org-id",
    "x-tenant",
    "x-tenant-id",
    "x_tenant_id",
    "x-company-id",
    "x-account-id",
    "organisation",
    "tenant",
];
/// What every canary of the audit has in it.
const SEARCHED: &str = "canary";
/// Members that are tried one by one, besides those that the document has.
const SINGLE: &[&str] = &["organisation", "organisation_id", "org_id", "tenant_id"];

pub(super) fn cases(ground: &Ground<'_>, operation: &Operation, cases: &mut Vec<Case>) {
    if !ground.organisations || ground.settings.across.contains(&operation.name()) {
        return;
    }
    let shape = Shape::of(ground, operation);
    let kinds = ground.kinds(operation);
    if kinds.is_empty() {
        if operation.method == "GET" {
            lists(ground, operation, cases);
        }
    } else if operation.is_safe() {
        foreign_reads(ground, operation, cases);
    } else if shape.whose == Whose::Own && shape.makes.is_none() {
        foreign_writes(ground, operation, cases);
    }
    if let (Content::Json(Value::Object(_)), true) = (&shape.content, shape.control) {
        bodies(ground, operation, &shape, cases);
    }
}

fn foreign_reads(ground: &Ground<'_>, operation: &Operation, cases: &mut Vec<Case>) {
    for (which, cell) in
        [(Which::A, "organisation/b-object-read-by-a"), (Which::B, "organisation/a-object-read-by-b")]
    {
        let call = |whose| Call { whose, ..ground.call(operation, ground.allowed(operation, which), GOOD) };
        let mut case = Case::new(
            Phase::Organisation,
            cell,
            Rule::SameAsAbsent,
            "foreign-object-readable",
            call(Whose::Foreign),
        );
        case.compare = Some(call(Whose::Absent));
        cases.push(case);
    }
    if operation.method == "GET" {
        let call = |whose| {
            let call = ground.call(operation, ground.allowed(operation, Which::A), GOOD);
            Call { whose, method: "HEAD".to_owned(), ..call }
        };
        let mut case = Case::new(
            Phase::Organisation,
            "organisation/b-object-by-head",
            Rule::SameAsAbsent,
            "foreign-object-readable",
            call(Whose::Foreign),
        );
        case.compare = Some(call(Whose::Absent));
        cases.push(case);
    }
}

fn foreign_writes(ground: &Ground<'_>, operation: &Operation, cases: &mut Vec<Case>) {
    let call = |whose| Call { whose, ..ground.call(operation, ground.allowed(operation, Which::A), GOOD) };
    let mut case = Case::new(
        Phase::Organisation,
        "organisation/b-object-changed-by-a",
        Rule::Unchanged,
        "foreign-object-writable",
        call(Whose::Foreign),
    );
    case.compare = Some(call(Whose::Absent));
    let kind = ground.kinds(operation).last().copied();
    if let Some(read) = kind.and_then(|kind| ground.on_object("GET", kind)) {
        case.after = Some(ground.call(read, ground.allowed(read, Which::B), GOOD));
    }
    cases.push(case);
}

fn lists(ground: &Ground<'_>, operation: &Operation, cases: &mut Vec<Case>) {
    let call = |which| ground.call(operation, ground.allowed(operation, which), GOOD);
    let mut searches = Vec::new();
    let mut push = |cell: String, finding, asked: Call, owner: Which| {
        let mut case = Case::new(Phase::Organisation, cell, Rule::NoCanary, finding, asked);
        case.compare = Some(call(owner));
        cases.push(case);
    };
    push("organisation/b-in-list-of-a".to_owned(), "list-not-filtered", call(Which::A), Which::B);
    push("organisation/a-in-list-of-b".to_owned(), "list-not-filtered", call(Which::B), Which::A);
    let foreign = ground.organisation_id(Which::B);

    let documented = operation.parameters.iter().filter(|parameter| parameter.place == Place::Query);
    let mut filtered = call(Which::A);
    filtered.query.retain(|(name, _)| !NAMES.contains(&name.as_str()));
    filtered.query.extend(NAMES.iter().map(|name| ((*name).to_owned(), foreign.clone())));
    push("organisation/filter-by-b".to_owned(), "filter-crosses-organisations", filtered, Which::B);
    let single = documented.map(|parameter| parameter.name.as_str()).filter(|name| NAMES.contains(name));
    for name in single {
        let mut filtered = call(Which::A);
        filtered.query.retain(|(known, _)| known != name);
        filtered.query.push((name.to_owned(), foreign.clone()));
        push(format!("organisation/filter-{name}-by-b"), "filter-crosses-organisations", filtered, Which::B);
    }
    let searched = operation.parameters.iter().filter(|parameter| {
        parameter.place == Place::Query && !parameter.number && !NAMES.contains(&parameter.name.as_str())
    });
    for parameter in searched {
        let with = |which| {
            let mut asked = call(which);
            asked.query.retain(|(known, _)| *known != parameter.name);
            asked.query.push((parameter.name.clone(), SEARCHED.to_owned()));
            asked
        };
        let cell = format!("organisation/search-{}", parameter.name);
        let mut case =
            Case::new(Phase::Organisation, cell, Rule::NoCanary, "list-not-filtered", with(Which::A));
        case.compare = Some(with(Which::B));
        searches.push(case);
    }
    let mut by_field = call(Which::A);
    by_field.headers = FIELDS.iter().map(|field| (*field, foreign.clone())).collect();
    push("organisation/header-of-b".to_owned(), "header-crosses-organisations", by_field, Which::B);

    for (cell, owner) in [("organisation/none-sees-a", Which::A), ("organisation/none-sees-b", Which::B)] {
        let mut without = call(owner.other());
        without.caller.says_organisation = false;
        push(cell.to_owned(), "organisation-not-required", without, owner);
    }
    cases.extend(searches);
}

/// Mass assignment: the body names the other organisation, and that organisation looks whether it got something.
fn bodies(ground: &Ground<'_>, operation: &Operation, shape: &Shape, cases: &mut Vec<Case>) {
    let kind = match &shape.makes {
        Some(kind) => Some(kind.as_str()),
        None => ground.kinds(operation).last().copied(),
    };
    let Some(read) = kind.and_then(|kind| ground.on_object("GET", kind)) else { return };
    let Content::Json(Value::Object(members)) = &shape.content else { return };
    let foreign = Value::String(ground.organisation_id(Which::B));
    let mut push = |cell: String, names: &[&str]| {
        let mut call = ground.call(operation, ground.allowed(operation, Which::A), GOOD);
        let mut body = members.clone();
        body.extend(names.iter().map(|name| ((*name).to_owned(), foreign.clone())));
        call.content = Content::Json(Value::Object(body));
        let mut case = Case::new(Phase::Organisation, cell, Rule::NotForeign, "body-sets-organisation", call);
        let look = ground.call(read, ground.allowed(read, Which::B), GOOD);
        case.compare = Some(Call { whose: Whose::Foreign, ..look.clone() });
        let whose = if shape.makes.is_some() { Whose::Created } else { Whose::Foreign };
        let after = Call { whose, ..look };
        case.after = Some(after);
        cases.push(case);
    };
    push("organisation/body-names-b".to_owned(), NAMES);
    for name in SINGLE {
        push(format!("organisation/body-{name}-is-b"), &[name]);
    }
}
