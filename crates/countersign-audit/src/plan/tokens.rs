//! Every bad token, and every place where a token must not be looked for.

use countersign::testkit::BadToken;

use super::{Case, Credential, Ground, Phase, Placement, Rule, Which};
use crate::{Operation, classes::class_of};

/// The name of the cell without any token.
pub(crate) const NO_TOKEN: &str = "token/none";

/// Refused in any place but one.
const PLACES: &[(&str, Placement, &str)] = &[
    ("place/without-scheme", Placement::NoScheme, "scheme-ignored"),
    ("place/scheme-basic", Placement::OtherScheme, "scheme-ignored"),
    ("place/query", Placement::Query, "token-in-query"),
    ("place/cookie", Placement::Cookie, "token-in-cookie"),
    ("place/two-fields", Placement::Twice, "two-credentials-accepted"),
];

/// No token at all.
const TEXTS: &[(&str, &str)] = &[
    ("token/empty-field", ""),
    ("token/scheme-only", "Bearer"),
    ("token/any-text", "Bearer countersign-audit"),
    ("token/basic", "Basic YWRhOmFkYQ=="),
    ("token/null", "Bearer null"),
];

pub(super) fn cases(
    ground: &Ground<'_>,
    operation: &Operation,
    bad: &[&'static BadToken],
    cases: &mut Vec<Case>,
) {
    let caller = ground.allowed(operation, Which::A);
    let call = |credential| ground.call(operation, caller.clone(), credential);
    let refused = |cell: &'static str, finding, credential| {
        Case::new(Phase::Token, cell, Rule::Refused, finding, call(credential))
    };
    cases.push(refused(NO_TOKEN, "no-token-accepted", Credential::Absent));
    for (cell, text) in TEXTS {
        cases.push(refused(cell, "any-token-accepted", Credential::Text(text)));
    }
    for row in bad {
        cases.push(refused(row.name(), class_of(row.name()), Credential::Bad(row)));
    }
    for (cell, place, finding) in PLACES {
        cases.push(refused(cell, finding, Credential::Good(*place)));
    }
    let lower = Credential::Good(Placement::LowerCase);
    cases.push(Case::new(
        Phase::Token,
        "place/scheme-in-lower-case",
        Rule::Accepted,
        "good-token-refused",
        call(lower),
    ));
}
