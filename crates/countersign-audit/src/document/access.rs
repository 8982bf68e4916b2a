//! Who may call an operation, as the document says it.

use super::{
    Access, Demand,
    node::{Fault, Node},
    openapi::Reader,
};

/// `security` of the operation, else of the document; then `x-roles`.
///
/// Alternatives are "or", members of one are "and". The array of a scheme holds scopes for OAuth 2 and OpenID Connect,
/// and roles for the others, which 3.1 allows.
pub(super) fn of(reader: &Reader<'_>, operation: &Node) -> Result<Access, Fault> {
    let Some(security) = operation.member("security").or_else(|| reader.root.member("security")) else {
        return Ok(with_roles(operation, Access::Undeclared));
    };
    let mut demands = Vec::new();
    for alternative in security.items() {
        if alternative.members().is_empty() {
            return Ok(Access::Public);
        }
        let mut demand = Demand::default();
        for (scheme, names) in alternative.members() {
            let names = names.items().iter().filter_map(Node::text).map(str::to_owned);
            if has_scopes(reader, scheme, alternative.line)? {
                demand.scopes.extend(names);
            } else {
                demand.roles.extend(names);
            }
        }
        demands.push(demand);
    }
    let access = if demands.is_empty() { Access::Public } else { Access::Demands(demands) };
    Ok(with_roles(operation, access))
}

fn has_scopes(reader: &Reader<'_>, scheme: &str, line: usize) -> Result<bool, Fault> {
    let schemes =
        reader.root.member("components").and_then(|components| components.member("securitySchemes"));
    let Some(found) = schemes.and_then(|schemes| schemes.member(scheme)) else {
        return Err((line, format!("`security` names a scheme that is not declared: `{scheme}`")));
    };
    let kind = reader.follow(found)?.member("type").and_then(Node::text);
    Ok(matches!(kind, Some("oauth2" | "openIdConnect")))
}

/// `x-roles: [admin, support]`: one of them is needed, besides what `security` says.
fn with_roles(operation: &Node, access: Access) -> Access {
    let roles: Vec<&str> =
        operation.member("x-roles").map_or(&[][..], Node::items).iter().filter_map(Node::text).collect();
    if roles.is_empty() {
        return access;
    }
    let demands = match access {
        Access::Demands(demands) => demands,
        _ => vec![Demand::default()],
    };
    let crossed = demands.iter().flat_map(|demand| {
        roles.iter().map(|role| {
            let mut demand = demand.clone();
            demand.roles.push((*role).to_owned());
            demand
        })
    });
    Access::Demands(crossed.collect())
}
