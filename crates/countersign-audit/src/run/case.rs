//! Carries one case out.

use std::{sync::PoisonError, time::Duration};

use super::engine::Engine;
use crate::{
    client::{Answer, NoAnswer, Sent},
    judge::{Decision, Judgement, Known, judge},
    plan::{Call, Case, Rule, Shape, Which, Whose},
};

/// A refusal that takes longer is asked once more, and reported if it does again.
const SLOW: Duration = Duration::from_secs(3);

/// What came of a case.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) judgement: Result<Judgement, NotDecided>,
    pub(super) sent: Option<Sent>,
    pub(super) answer: Option<Answer>,
}

#[derive(Debug)]
pub(super) enum NotDecided {
    Inconclusive(String),
    Skipped(String),
}

impl From<NoAnswer> for NotDecided {
    fn from(error: NoAnswer) -> Self {
        match error {
            NoAnswer::Budget => Self::Skipped(error.to_string()),
            other => Self::Inconclusive(other.to_string()),
        }
    }
}

/// What the answers of an operation are compared with.
#[derive(Debug, Clone)]
pub(super) struct Compared {
    pub(super) control: Answer,
    pub(super) anonymous: Option<Answer>,
}

impl Engine {
    pub(super) async fn carry_out(&self, case: &Case, compared: &Compared) -> Outcome {
        let mut outcome =
            Outcome { judgement: Err(NotDecided::Skipped(String::new())), sent: None, answer: None };
        outcome.judgement = self.decide(case, compared, &mut outcome.sent, &mut outcome.answer).await;
        outcome
    }

    async fn decide(
        &self,
        case: &Case,
        compared: &Compared,
        sent: &mut Option<Sent>,
        received: &mut Option<Answer>,
    ) -> Result<Judgement, NotDecided> {
        let compare = match &case.compare {
            Some(call) => Some(self.ask(call, None).await?.1),
            None if matches!(case.rule, Rule::NotOpen | Rule::NotHandled) => self.nonsense.clone(),
            None => None,
        };
        let (request, mut answer) = self.ask(&case.call, None).await?;
        let mut slow = answer.took > SLOW;
        if slow && case.rule == Rule::Refused {
            let again = self.client.send(&request).await?;
            slow = again.took > SLOW;
            answer = again;
        }
        *sent = Some(request);
        *received = Some(answer.clone());
        let created = self.note_created(case, &answer);
        let after = match &case.after {
            Some(call) if answer.is_success() || case.rule == Rule::Unchanged => {
                match self.resolve(call, created.as_deref()) {
                    Ok(request) => Some(self.client.send(&request).await?),
                    Err(_) => None,
                }
            }
            _ => None,
        };
        let canaries = self.seen_by(case);
        let ids = self.ids(case);
        let inside = self.inside();
        let known = Known {
            control: &compared.control,
            anonymous: compared.anonymous.as_ref(),
            compare: compare.as_ref(),
            after: after.as_ref(),
            canaries: &canaries,
            ids: &ids,
            inside: &inside,
        };
        let mut judgement = judge(case, &answer, &known);
        if slow && compared.control.took < SLOW / 3 && case.rule == Rule::Refused {
            let reason = format!(
                "refused after {} ms; the good request took {} ms",
                answer.took.as_millis(),
                compared.control.took.as_millis()
            );
            judgement.beside.push(("slow-refusal", reason));
        }
        self.restore(case, &answer, &judgement).await;
        Ok(judgement)
    }

    pub(super) async fn ask(&self, call: &Call, created: Option<&str>) -> Result<(Sent, Answer), NotDecided> {
        let request = self.resolve(call, created).map_err(NotDecided::Skipped)?;
        let answer = self.client.send(&request).await?;
        Ok((request, answer))
    }

    /// What the request made, if it makes objects: it is removed in the end.
    fn note_created(&self, case: &Case, answer: &Answer) -> Option<String> {
        if !answer.is_success() || case.call.method != "POST" {
            return None;
        }
        let ground = self.ground();
        let operation = ground.named(&format!("{} {}", case.call.method, case.call.path))?;
        let kind = Shape::of(&ground, operation).makes?;
        let id = self.created_id(&kind, answer)?;
        self.remember(&kind, case.call.caller.organisation, id.clone());
        Some(id)
    }

    /// Makes an object anew that the request may have removed or given away.
    async fn restore(&self, case: &Case, answer: &Answer, judgement: &Judgement) {
        let removes =
            case.call.method == "DELETE" || case.call.headers.iter().any(|(name, _)| name.contains("method"));
        let gave = case.rule == Rule::NotForeign && matches!(judgement.verdict, Decision::Fail(..));
        if !(removes && answer.is_success() || gave) {
            return;
        }
        let which = match case.call.whose {
            Whose::Foreign => case.call.caller.organisation.other(),
            _ => case.call.caller.organisation,
        };
        self.renew(&case.call.path, which).await;
    }

    /// Makes the last object of a path anew.
    pub(super) async fn renew(&self, path: &str, which: Which) {
        let kind = {
            let ground = self.ground();
            let operation = self.options.document.operations.iter().find(|operation| operation.path == path);
            operation.and_then(|operation| ground.kinds(operation).last().map(|kind| (*kind).to_owned()))
        };
        let Some(kind) = kind.filter(|kind| self.options.settings.objects.contains_key(kind)) else { return };
        self.objects.lock().unwrap_or_else(PoisonError::into_inner).remove(&(kind.clone(), which));
        self.make(&kind, which).await;
    }

    /// The canaries that this answer must not hold.
    fn seen_by(&self, case: &Case) -> Vec<String> {
        let owner = match case.rule {
            Rule::NoCanary => case.compare.as_ref().map(|call| call.caller.organisation),
            Rule::SameAsAbsent | Rule::Unchanged => Some(case.call.caller.organisation.other()),
            Rule::Options => return [Which::A, Which::B].map(|which| self.canaries(which)).concat(),
            _ => None,
        };
        owner.map(|owner| self.canaries(owner)).unwrap_or_default()
    }

    fn ids(&self, case: &Case) -> Vec<String> {
        if case.rule != Rule::SameAsAbsent && case.rule != Rule::Unchanged {
            return Vec::new();
        }
        let path = |call: &Call| {
            let request = self.resolve(call, None).ok()?;
            request.uri.path().trim_end_matches('/').rsplit('/').next().map(str::to_owned)
        };
        [path(&case.call), case.compare.as_ref().and_then(path)].into_iter().flatten().collect()
    }

    /// What a refusal must not tell: what tokens are compared with.
    fn inside(&self) -> Vec<String> {
        let mut inside = vec![crate::ISSUER.to_owned()];
        inside.extend(self.mint.key_id(self.key).map(|id| id.as_str().to_owned()));
        inside
    }
}
