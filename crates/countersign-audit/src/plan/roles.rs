//! Every role × every operation, and roles that only look right.

use super::{Caller, Case, Credential, Ground, Phase, Placement, Rule, Which};
use crate::{
    Operation,
    document::{Access, Demand},
    tokens::Roles,
};

/// Header fields that name roles for services that trust their neighbour.
pub(super) const ROLE_FIELDS: &[&str] = &[
    "x-roles",
    "x-role",
    "x_roles",
    "x.roles",
    "x-user-roles",
    "x-auth-roles",
    "x-forwarded-roles",
    "x-forwarded-groups",
    "remote-roles",
    "x-groups",
];

pub(super) fn cases(ground: &Ground<'_>, operation: &Operation, cases: &mut Vec<Case>) {
    let Access::Demands(demands) = ground.access(operation) else { return };
    let open = demands.iter().any(|demand| demand.roles.is_empty() && demand.scopes.is_empty());
    if open || demands.is_empty() {
        return;
    }
    let first = demands.first().cloned().unwrap_or_default();
    let call = |roles: Roles, scopes: &[String]| {
        let caller =
            Caller { organisation: Which::A, says_organisation: true, roles, scopes: scopes.to_vec() };
        ground.call(operation, caller, Credential::Good(Placement::Bearer))
    };
    let mut push =
        |cell: String, rule, finding, call| cases.push(Case::new(Phase::Role, cell, rule, finding, call));

    push("role/none".to_owned(), Rule::Denied, "role-not-checked", call(Roles::List(Vec::new()), &[]));
    push(
        "role/unknown".to_owned(),
        Rule::Denied,
        "role-not-checked",
        call(Roles::List(vec!["countersign-audit".to_owned(), "*".to_owned()]), &[]),
    );
    for role in ground.roles.iter() {
        let enough = demands.iter().any(|demand| satisfied(demand, std::slice::from_ref(role), &[]));
        let (rule, finding) = if enough {
            (Rule::Permitted, "role-wrongly-refused")
        } else {
            (Rule::Denied, "role-not-checked")
        };
        push(format!("role/only-{role}"), rule, finding, call(Roles::List(vec![role.clone()]), &[]));
    }
    for missing in &first.scopes {
        let scopes: Vec<String> = first.scopes.iter().filter(|scope| *scope != missing).cloned().collect();
        if !demands.iter().any(|demand| satisfied(demand, &first.roles, &scopes)) {
            push(
                format!("role/without-scope-{missing}"),
                Rule::Denied,
                "role-not-checked",
                call(Roles::List(first.roles.clone()), &scopes),
            );
        }
    }
    let mut more = first.roles.clone();
    more.insert(0, "countersign-audit".to_owned());
    push(
        "role/with-another".to_owned(),
        Rule::Permitted,
        "role-wrongly-refused",
        call(Roles::List(more), &first.scopes),
    );
    if let Some(role) = first.roles.first() {
        for (cell, changed) in looks_like(role) {
            if !ground.roles.contains(&changed) {
                let mut roles = first.roles.clone();
                roles.splice(..1, [changed]);
                push(
                    cell.to_owned(),
                    Rule::Denied,
                    "role-compared-loosely",
                    call(Roles::List(roles), &first.scopes),
                );
            }
        }
        let text = first.roles.join(" ");
        push(
            "role/as-string".to_owned(),
            Rule::Denied,
            "role-string-accepted",
            call(Roles::Text(text), &first.scopes),
        );
        let list = format!("user,{role}");
        push(
            "role/list-in-string".to_owned(),
            Rule::Denied,
            "role-string-accepted",
            call(Roles::Text(list), &first.scopes),
        );
        let mut spoofed = call(Roles::List(Vec::new()), &[]);
        spoofed.headers = ROLE_FIELDS.iter().map(|field| (*field, role.clone())).collect();
        push("role/in-header".to_owned(), Rule::Denied, "identity-header-trusted", spoofed);
    }
}

fn satisfied(demand: &Demand, roles: &[String], scopes: &[String]) -> bool {
    demand.roles.iter().all(|role| roles.contains(role))
        && demand.scopes.iter().all(|scope| scopes.contains(scope))
}

fn looks_like(role: &str) -> [(&'static str, String); 5] {
    let mut capital = role.to_owned();
    if let Some(first) = capital.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let capital = if capital == role { role.to_ascii_lowercase() } else { capital };
    [
        ("role/first-letter-in-other-case", capital),
        ("role/in-capitals", role.to_ascii_uppercase()),
        ("role/longer", format!("{role}-audit")),
        ("role/after-prefix", format!("audit-{role}")),
        ("role/with-space", format!(" {role} ")),
    ]
}
