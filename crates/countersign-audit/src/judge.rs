//! What an answer means. Pure.
//!
//! Decided by status, canaries and comparison, never by how much a body looks like another.

mod bodies;

use http::header;

pub(crate) use self::bodies::{holds, tells_more};
use crate::{
    client::Answer,
    plan::{Case, NO_TOKEN_CELL, Rule},
};

/// What became of a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judgement {
    pub(crate) verdict: Decision,
    /// Further findings, each with its reason.
    pub(crate) beside: Vec<(&'static str, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    Fail(&'static str, String),
    Inconclusive(String),
    Pass,
}

/// Everything that an answer is compared with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known<'a> {
    /// The good request's answer.
    pub(crate) control: &'a Answer,
    /// The answer without any token.
    pub(crate) anonymous: Option<&'a Answer>,
    pub(crate) compare: Option<&'a Answer>,
    pub(crate) after: Option<&'a Answer>,
    /// Texts that only the organisation holds that the caller must not see.
    pub(crate) canaries: &'a [String],
    /// Ids in the paths of this answer and of `compare`, which may stand in their bodies.
    pub(crate) ids: &'a [String],
    /// What a refusal must not say.
    pub(crate) inside: &'a [String],
}

impl Answer {
    pub(crate) const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// Token or role was refused.
    pub(crate) const fn is_refusal(&self) -> bool {
        matches!(self.status, 401 | 403)
    }
}

/// The good request shows that the operation works for who may call it.
pub(crate) fn control_problem(control: &Answer) -> Option<String> {
    match control.status {
        401 => Some("the good token is refused with 401".to_owned()),
        403 => Some("the good token is refused with 403: give the roles in [expect]".to_owned()),
        405 | 501 => Some(format!("the service does not know this method ({})", control.status)),
        300..=399 => Some(format!("the good request is redirected ({})", control.status)),
        429 => Some("the service asks for pauses (429): lower the rate".to_owned()),
        500..=599 => Some(format!("the good request makes the service fail ({})", control.status)),
        _ => None,
    }
}

pub(crate) fn judge(case: &Case, answer: &Answer, known: &Known<'_>) -> Judgement {
    let mut beside = Vec::new();
    if answer.status >= 400
        && let Some(what) = tells_more(&answer.body, known.inside)
    {
        beside.push(("error-tells-more", format!("the answer ({}) holds {what}", answer.status)));
    }
    let verdict = match case.rule {
        Rule::Accepted => accepted(case, answer, known),
        Rule::Denied => denied(case, answer, known, &mut beside),
        Rule::NoCanary => no_canary(case, answer, known),
        Rule::NotForeign => not_foreign(case, answer, known),
        Rule::NotHandled => not_handled(case, answer, known),
        Rule::NotOpen => not_open(case, answer, known),
        Rule::Options => options(case, answer, known, &mut beside),
        Rule::Permitted => permitted(case, answer, known),
        Rule::Refused => refused(case, answer, known, &mut beside),
        Rule::SameAsAbsent => same_as_absent(case, answer, known),
        Rule::Unchanged => unchanged(case, answer, known),
    };
    Judgement { verdict, beside }
}

fn fail(case: &Case, reason: String) -> Decision {
    Decision::Fail(case.finding, reason)
}

fn unclear(reason: impl Into<String>) -> Decision {
    Decision::Inconclusive(reason.into())
}

fn same(one: &Answer, other: &Answer) -> bool {
    one.status == other.status && one.body == other.body
}

fn refused(
    case: &Case,
    answer: &Answer,
    known: &Known<'_>,
    beside: &mut Vec<(&'static str, String)>,
) -> Decision {
    let (control, status) = (known.control, answer.status);
    match status {
        401 => {
            if !has_challenge(answer) {
                beside.push(("challenge-missing", "401 comes without `WWW-Authenticate: Bearer`".to_owned()));
            }
            Decision::Pass
        }
        403 => {
            beside.push(("wrong-status", "answered with 403 instead of 401".to_owned()));
            Decision::Pass
        }
        200..=299 => fail(case, format!("answered with {status}, as if the token were good")),
        300..=399 => {
            beside.push(("redirect-not-401", format!("answered with {status} instead of 401")));
            Decision::Pass
        }
        429 => unclear("the service asks for pauses (429)"),
        500..=599 => {
            let reason = format!("the service answers {status}");
            Decision::Fail("bad-token-crashes", reason)
        }
        _ if status == control.status => refused_as_control(case, answer, known),
        400 | 413 | 414 | 431 => Decision::Pass,
        404 => {
            beside.push(("wrong-status", "answered with 404 instead of 401".to_owned()));
            Decision::Pass
        }
        _ => {
            beside.push((
                "input-checked-before-token",
                format!("answered with {status} before the token was refused"),
            ));
            Decision::Pass
        }
    }
}

/// The good request itself has a 4xx answer, because it was made so that it cannot succeed.
fn refused_as_control(case: &Case, answer: &Answer, known: &Known<'_>) -> Decision {
    let is_anonymous = &*case.cell == NO_TOKEN_CELL;
    let like_anonymous = known.anonymous.is_some_and(|anonymous| anonymous.status == answer.status);
    if is_anonymous {
        return Decision::Fail(
            "input-checked-before-token",
            format!(
                "without a token the answer is {}, as with a good one: nothing shows that the token is checked",
                answer.status
            ),
        );
    }
    if like_anonymous {
        return unclear(format!(
            "every answer is {}: describe an object of this path in audit.toml",
            answer.status
        ));
    }
    if answer.status == 400 && answer.body != known.control.body {
        return Decision::Pass;
    }
    fail(case, format!("answered with {}, as the good token is, and not with 401", answer.status))
}

fn has_challenge(answer: &Answer) -> bool {
    answer.headers.get_all(header::WWW_AUTHENTICATE).iter().any(|value| {
        value.to_str().is_ok_and(|value| {
            let value = value.to_ascii_lowercase();
            value.contains("bearer") || value.contains("dpop")
        })
    })
}

fn accepted(case: &Case, answer: &Answer, known: &Known<'_>) -> Decision {
    if answer.is_refusal() || (answer.status >= 400 && answer.status != known.control.status) {
        return fail(
            case,
            format!("answered with {}; the good token gets {}", answer.status, known.control.status),
        );
    }
    Decision::Pass
}

fn permitted(case: &Case, answer: &Answer, known: &Known<'_>) -> Decision {
    match answer.status {
        401 | 403 => fail(
            case,
            format!("answered with {}; the good token gets {}", answer.status, known.control.status),
        ),
        500..=599 => unclear(format!("the service answers {}", answer.status)),
        _ => Decision::Pass,
    }
}

fn denied(
    case: &Case,
    answer: &Answer,
    known: &Known<'_>,
    beside: &mut Vec<(&'static str, String)>,
) -> Decision {
    match answer.status {
        403 => Decision::Pass,
        401 => {
            // A role that is no array makes the token itself malformed.
            if case.finding == "role-not-checked" {
                beside.push(("role-refused-with-401", "a caller without the role gets 401".to_owned()));
            }
            Decision::Pass
        }
        200..=299 => fail(case, format!("answered with {}, as for a caller with the role", answer.status)),
        500..=599 => Decision::Fail("bad-token-crashes", format!("the service answers {}", answer.status)),
        status if status == known.control.status => {
            unclear(format!("every answer is {status}: describe an object of this path in audit.toml"))
        }
        404 => Decision::Pass,
        status => unclear(format!("answered with {status}, which says nothing about the role")),
    }
}

fn same_as_absent(case: &Case, answer: &Answer, known: &Known<'_>) -> Decision {
    let Some(absent) = known.compare else {
        return unclear("an object that does not exist could not be asked for");
    };
    if absent.is_success() {
        if holds(&answer.body, known.canaries) {
            return fail(case, "the answer holds the other organisation's data".to_owned());
        }
        return unclear(format!("what does not exist is answered with {}", absent.status));
    }
    if answer.is_success() {
        return fail(
            case,
            format!("answered with {}; what does not exist gets {}", answer.status, absent.status),
        );
    }
    if answer.status != absent.status {
        let reason =
            format!("a foreign object gets {}, what does not exist {}", answer.status, absent.status);
        return Decision::Fail("foreign-object-exists", reason);
    }
    if !bodies::same_shape(&answer.body, &absent.body, known.ids) {
        let reason = format!("both are answered with {}, but with different bodies", answer.status);
        return Decision::Fail("foreign-object-exists", reason);
    }
    Decision::Pass
}

fn unchanged(case: &Case, answer: &Answer, known: &Known<'_>) -> Decision {
    if let Some(after) = known.after
        && !after.is_success()
    {
        return fail(case, format!("afterwards its owner gets {}", after.status));
    }
    let Some(absent) = known.compare else {
        return if known.after.is_some() { Decision::Pass } else { unclear("its owner cannot look at it") };
    };
    if answer.is_success() && !absent.is_success() {
        return fail(
            case,
            format!("answered with {}; what does not exist gets {}", answer.status, absent.status),
        );
    }
    if answer.status != absent.status {
        let reason =
            format!("a foreign object gets {}, what does not exist {}", answer.status, absent.status);
        return Decision::Fail("foreign-object-exists", reason);
    }
    if answer.status >= 400 && !bodies::same_shape(&answer.body, &absent.body, known.ids) {
        let reason = format!("both are answered with {}, but with different bodies", answer.status);
        return Decision::Fail("foreign-object-exists", reason);
    }
    Decision::Pass
}

fn no_canary(case: &Case, answer: &Answer, known: &Known<'_>) -> Decision {
    if !answer.is_success() {
        return Decision::Pass;
    }
    if holds(&answer.body, known.canaries) {
        return fail(case, "the answer holds data that only the other organisation has".to_owned());
    }
    match known.compare {
        Some(own) if holds(&own.body, known.canaries) => Decision::Pass,
        _ => unclear("the owner's own answer holds none of its canaries: give some, or describe an object"),
    }
}

fn not_foreign(case: &Case, answer: &Answer, known: &Known<'_>) -> Decision {
    if !answer.is_success() {
        return Decision::Pass;
    }
    if known.compare.is_some_and(Answer::is_success) {
        return unclear("the other organisation can read any object");
    }
    match known.after {
        Some(after) if after.is_success() => {
            fail(case, "the other organisation can read what was sent".to_owned())
        }
        Some(_) => Decision::Pass,
        None => unclear("the other organisation cannot look for it"),
    }
}

fn not_open(case: &Case, answer: &Answer, known: &Known<'_>) -> Decision {
    if answer.is_success() {
        // A page that every path gets is no way in.
        if known.compare.is_some_and(|nonsense| nonsense.is_success() && same(nonsense, answer)) {
            return unclear("the service answers every path with this page");
        }
        return fail(case, format!("answered with {} without a token", answer.status));
    }
    if matches!(case.finding, "identity-header-trusted")
        && answer.status == known.control.status
        && known.anonymous.is_some_and(|anonymous| anonymous.status == 401)
    {
        return fail(case, format!("answered with {}, as the good token is", answer.status));
    }
    Decision::Pass
}

fn not_handled(case: &Case, answer: &Answer, known: &Known<'_>) -> Decision {
    match answer.status {
        401 | 403 | 404 | 405 | 501 => Decision::Pass,
        200..=299 if known.compare.is_some_and(|nonsense| same(nonsense, answer)) => {
            unclear("the service answers every path with this page")
        }
        200..=299 => fail(case, format!("answered with {}", answer.status)),
        500..=599 => unclear(format!("the service answers {}", answer.status)),
        // Without a token the path that cannot exist shows what comes before any handler.
        400 | 409 | 411 | 415 | 422
            if case.finding == "undocumented-method"
                || known.compare.is_some_and(|nonsense| nonsense.status != answer.status) =>
        {
            fail(case, format!("answered with {}: there is a handler", answer.status))
        }
        _ => Decision::Pass,
    }
}

fn options(
    case: &Case,
    answer: &Answer,
    known: &Known<'_>,
    beside: &mut Vec<(&'static str, String)>,
) -> Decision {
    let named = |name| answer.headers.get(name).and_then(|value| value.to_str().ok());
    let origin = named(header::ACCESS_CONTROL_ALLOW_ORIGIN);
    if origin == Some("https://countersign-audit.invalid")
        && named(header::ACCESS_CONTROL_ALLOW_CREDENTIALS) == Some("true")
    {
        beside.push(("cors-any-origin", "a strange origin is allowed, with credentials".to_owned()));
    }
    if answer.is_success() && (holds(&answer.body, known.canaries) || bodies::is_data(&answer.body)) {
        return fail(case, "the answer to OPTIONS has a body with data".to_owned());
    }
    Decision::Pass
}

#[cfg(test)]
mod tests;
