use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use proptest::prelude::*;

use super::{Decision, Known, control_problem, judge};
use crate::{
    client::Answer,
    plan::{
        Call, Caller, Case, Content, Credential, Edit, NO_TOKEN_CELL, Phase, Placement, Rule, Which, Whose,
    },
    tokens::Roles,
};

fn answer(status: u16, body: &str) -> Answer {
    Answer { status, headers: HeaderMap::new(), body: body.to_owned().into(), took: Duration::ZERO }
}

fn case(rule: Rule, finding: &'static str, cell: &str) -> Case {
    let caller = Caller {
        organisation: Which::A,
        says_organisation: true,
        roles: Roles::List(Vec::new()),
        scopes: Vec::new(),
    };
    let call = Call {
        method: "GET".to_owned(),
        path: "/a".to_owned(),
        edit: Edit::None,
        caller,
        credential: Credential::Good(Placement::Bearer),
        whose: Whose::Own,
        content: Content::None,
        query: Vec::new(),
        headers: Vec::new(),
    };
    Case::new(Phase::Token, cell, rule, finding, call)
}

fn known<'a>(control: &'a Answer, anonymous: Option<&'a Answer>, compare: Option<&'a Answer>) -> Known<'a> {
    Known { control, anonymous, compare, after: None, canaries: &[], ids: &[], inside: &[] }
}

fn verdict(rule: Rule, status: u16, control: u16, anonymous: u16) -> Decision {
    let (control, anonymous) = (answer(control, "c"), answer(anonymous, "c"));
    judge(
        &case(rule, "expiry-not-checked", "time/expired"),
        &answer(status, "c"),
        &known(&control, Some(&anonymous), None),
    )
    .verdict
}

#[test]
fn a_bad_token_must_not_be_answered_as_a_good_one() {
    assert_eq!(verdict(Rule::Refused, 401, 200, 401), Decision::Pass);
    assert!(matches!(verdict(Rule::Refused, 200, 200, 401), Decision::Fail("expiry-not-checked", _)));
    assert!(matches!(verdict(Rule::Refused, 404, 404, 401), Decision::Fail("expiry-not-checked", _)));
    assert!(matches!(verdict(Rule::Refused, 404, 404, 404), Decision::Inconclusive(_)));
    assert!(matches!(verdict(Rule::Refused, 500, 200, 401), Decision::Fail("bad-token-crashes", _)));
    assert_eq!(verdict(Rule::Refused, 431, 200, 401), Decision::Pass);
    let (control, none) = (answer(404, "x"), answer(404, "x"));
    let without =
        judge(&case(Rule::Refused, "no-token-accepted", NO_TOKEN_CELL), &none, &known(&control, None, None));
    assert!(matches!(without.verdict, Decision::Fail("input-checked-before-token", _)));
}

#[test]
fn a_refusal_says_why_and_nothing_else() {
    let control = answer(200, "");
    let case = case(Rule::Refused, "x", "c");
    let beside = |answer: &Answer| -> Vec<&str> {
        judge(&case, answer, &known(&control, None, None)).beside.iter().map(|(id, _)| *id).collect()
    };
    assert_eq!(beside(&answer(401, "")), ["challenge-missing"]);
    let mut good = answer(401, "");
    good.headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""));
    assert!(beside(&good).is_empty());
    assert_eq!(
        beside(&answer(403, "Traceback (most recent call last): …")),
        ["error-tells-more", "wrong-status"]
    );
    assert_eq!(beside(&answer(303, "")), ["redirect-not-401"]);
}

#[test]
fn roles_are_decided_by_403() {
    assert_eq!(verdict(Rule::Denied, 403, 200, 401), Decision::Pass);
    assert!(matches!(verdict(Rule::Denied, 201, 201, 401), Decision::Fail(..)));
    assert!(matches!(verdict(Rule::Denied, 422, 422, 401), Decision::Inconclusive(_)));
    assert!(matches!(verdict(Rule::Permitted, 403, 200, 401), Decision::Fail(..)));
}

#[test]
fn foreign_and_absent_are_answered_alike() {
    let control = answer(200, "");
    let case = case(Rule::SameAsAbsent, "foreign-object-readable", "c");
    let (ids, absent) =
        (["17".to_owned(), "2147483000".to_owned()], answer(404, "{\"detail\":\"no 2147483000\"}"));
    let decide = |answer: &Answer| {
        judge(&case, answer, &Known { ids: &ids, compare: Some(&absent), ..known(&control, None, None) })
            .verdict
    };
    assert_eq!(decide(&answer(404, "{\"detail\":\"no 17\"}")), Decision::Pass);
    assert!(matches!(decide(&answer(200, "{}")), Decision::Fail("foreign-object-readable", _)));
    assert!(matches!(decide(&answer(403, "{}")), Decision::Fail("foreign-object-exists", _)));
    assert!(matches!(
        decide(&answer(404, "{\"detail\":\"not yours\"}")),
        Decision::Fail("foreign-object-exists", _)
    ));
}

#[test]
fn lists_are_decided_by_canaries_that_their_owner_sees() {
    let control = answer(200, "");
    let case = case(Rule::NoCanary, "list-not-filtered", "c");
    let canaries = ["canary-b-1".to_owned()];
    let decide = |seen: &str, own: &str| {
        let own = answer(200, own);
        let known = Known { canaries: &canaries, compare: Some(&own), ..known(&control, None, None) };
        judge(&case, &answer(200, seen), &known).verdict
    };
    assert!(matches!(decide("[\"canary-b-1\"]", "[\"canary-b-1\"]"), Decision::Fail("list-not-filtered", _)));
    assert_eq!(decide("[]", "[\"canary-b-1\"]"), Decision::Pass);
    assert!(matches!(decide("[]", "[]"), Decision::Inconclusive(_)));
}

proptest! {
    /// The blind spot of other tools: where the good request does not work, nothing may pass.
    #[test]
    fn a_control_that_does_not_work_is_seen(status in 100_u16..600) {
        let problem = control_problem(&answer(status, ""));
        let broken = matches!(status, 401 | 403 | 405 | 429 | 300..=399 | 500..=599);
        prop_assert_eq!(problem.is_some(), broken);
    }

    /// An answer like that to the good token never passes, whatever its status.
    #[test]
    fn a_bad_token_never_passes_with_the_good_answer(status in prop::sample::select(vec![200_u16, 201, 204, 404, 409, 415, 422])) {
        prop_assert_ne!(verdict(Rule::Refused, status, status, 401), Decision::Pass);
    }
}
