//! The same flow one stage at a time, for a person: what each stage decided, and why.
//!
//! The stages are the very functions that decide in [`Translation::warm`] and [`Translation::cold`]; only the cache is
//! left out, so the authorization server is asked about each credential. Nothing is forwarded and nothing remembered.
//! What is revoked only the gateway that runs knows: it is asked over its socket.
//! No text holds a credential or a signature.

use std::{fmt::Write as _, path::Path, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{Claims, Role, SessionId, TokenId, TokenRefusal, UnixTime};
use http::StatusCode;

use super::{Translation, guarded};
use crate::{
    admin::{AskedSession, Question, client},
    clock::Now,
    config::resolved::{Requirements, RouteConfig},
    credential::{Credential, CredentialKind},
    entropy::Entropy,
    error::Refusal,
    guard::{Guard, IdentityHeaders},
    http::{Fields, Parts, path},
    identity::Identity,
    issue,
    permit::{Permit, permit},
    route::{Demands, Kind, Route},
    session::source::{Answer, Verdict, session_began},
};

/// What every stage decided, in order. Only the last can be a refusal.
#[derive(Debug, Clone)]
pub struct Explained {
    /// The stages that were reached.
    pub steps: Vec<Step>,
    /// What happens to the request.
    pub end: End,
}

/// One stage.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its name.
    pub stage: &'static str,
    /// What it decided, and why.
    pub says: String,
    /// Set if it turned the request away.
    pub refusal: Option<Refusal>,
    /// Nobody could be asked about it.
    pub is_unseen: bool,
}

/// What happens to the request.
#[derive(Debug, Clone)]
pub enum End {
    /// The gateway answers it itself, with this status.
    Answered(StatusCode),
    /// It goes to the service with this token.
    Forwarded(Box<SampleToken>),
    /// It goes to the service with the token of another issuer that it came with, or with what that says alone.
    Guarded(TokenSent),
    /// It goes to the upstream without one.
    Passed,
    /// It is turned away.
    Refused(Refusal),
}

/// Whether the service behind a guarded route gets the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenSent {
    /// As it came.
    AsItCame,
    /// `forward_token = false`.
    KeptBack,
}

/// What a token says and how long it is. Its signature is thrown away.
#[derive(Debug, Clone)]
pub struct SampleToken {
    /// What it says.
    pub claims: Claims,
    /// Bytes of the `Authorization` value.
    pub bytes: usize,
    /// The most it may have.
    pub budget: usize,
}

/// A stage, its refusal, and the words for it.
pub(crate) type Stopped = (&'static str, Refusal, String);

impl Explained {
    /// What was decided up to the end, or to the stage that stopped it.
    pub(crate) fn new(mut steps: Vec<Step>, end: Result<End, Stopped>) -> Self {
        let end = end.unwrap_or_else(|(stage, refusal, says)| {
            steps.push(Step { stage, says, refusal: Some(refusal), is_unseen: false });
            End::Refused(refusal)
        });
        Self { steps, end }
    }
}

impl Step {
    /// A stage that lets the request go on.
    pub(crate) const fn passed(stage: &'static str, says: String) -> Self {
        Self { stage, says, refusal: None, is_unseen: false }
    }

    /// A stage that nobody could be asked about.
    const fn unseen(stage: &'static str, says: String) -> Self {
        Self { stage, says, refusal: None, is_unseen: true }
    }
}

impl Translation {
    /// Says for one request which stage decides what. Asks the authorization server if the request gets that far, and the
    /// gateway that runs on `state_dir` what is revoked; without one nothing is said about that.
    pub async fn explain(&self, parts: &Parts, state_dir: Option<&Path>) -> Explained {
        let mut steps = Vec::new();
        let end = self.explain_to(parts, state_dir, &mut steps).await;
        Explained::new(steps, end)
    }

    /// The stages of an endpoint of our own: the session of the cookie, and nothing else. With when it ends.
    pub(crate) async fn explain_page_session(
        &self,
        fields: &Fields,
        state_dir: Option<&Path>,
        steps: &mut Vec<Step>,
    ) -> Result<UnixTime, Stopped> {
        let credential = self.credentials.find_cookie(fields).map_err(refused("credential"))?;
        let credential = credential.ok_or_else(|| {
            let cookie = self.credentials.cookie().unwrap_or_default();
            ("credential", Refusal::CredentialMissing, format!("the request has no cookie `{cookie}`"))
        })?;
        steps.push(Step::passed("credential", self.found(&credential)));
        Ok(self.explain_identity(&credential, self.clock.now(), state_dir, steps).await?.1)
    }

    /// Who it is, and until when.
    async fn explain_identity(
        &self,
        credential: &Credential<'_>,
        now: Now,
        state_dir: Option<&Path>,
        steps: &mut Vec<Step>,
    ) -> Result<(Identity, UnixTime), Stopped> {
        let (answer, says) = self.ask(credential, now).await?;
        steps.push(Step::passed("session", says));
        let mapping = self.sessions.mapping();
        let identity = mapping
            .explain(&answer)
            .map_err(|fault| ("identity", Refusal::from(fault), mapping.describe(fault, &answer)))?;
        steps.push(Step::passed("identity", understood(&identity)));
        if let Some(state_dir) = state_dir {
            steps.push(explain_revocation(credential, &identity, &answer, state_dir).await?);
        }
        Ok((identity, self.end_of(&answer, now)))
    }

    /// The stages of a guarded route: the token itself.
    fn explain_guarded(
        &self,
        guard: Option<&Guard>,
        parts: &Parts,
        steps: &mut Vec<Step>,
    ) -> Result<End, Stopped> {
        let stopped = |stage| move |refusal: TokenRefusal| refused(stage)(refusal.into());
        let guard = guard.ok_or_else(|| stopped("guard")(TokenRefusal::KeysUnavailable))?;
        let token = guarded::bearer(&parts.fields, parts.uri.query()).map_err(stopped("credential"))?;
        steps.push(Step::passed("credential", format!("bearer token, {} characters", token.len())));
        let judged = guard.verifier.verify_at(token.as_bytes(), self.clock.now().wall);
        let claims = judged
            .map_err(|refusal| ("guard", Refusal::from(refusal), format!("{refusal}: {}", refusal.text())))?;
        steps.push(Step::passed("guard", format!("a token of {} for `{}`", claims.issuer(), guard.audience)));
        guarded::meets(guard, &claims)
            .map_err(|unmet| ("permit", TokenRefusal::from(unmet).into(), needs(&guard.require)))?;
        steps.push(Step::passed("permit", has(&guard.require, "every caller with a good token may")));
        let headers = IdentityHeaders::of(&guard.headers, &claims)
            .map_err(|error| ("headers", Refusal::IdentityTooLarge, error.to_string()))?;
        if !guard.headers.is_empty() {
            steps.push(Step::passed("headers", told(&headers)));
        }
        Ok(End::Guarded(if guard.forward_token { TokenSent::AsItCame } else { TokenSent::KeptBack }))
    }

    async fn explain_to(
        &self,
        parts: &Parts,
        state_dir: Option<&Path>,
        steps: &mut Vec<Step>,
    ) -> Result<End, Stopped> {
        let route = self
            .route(parts)
            .map_err(|refuse| ("route", refuse.refusal, why_no_route(parts, refuse.refusal)))?;
        steps.push(Step::passed("route", describe(route)));
        if let Kind::Guard(guard) = &route.kind {
            return self.explain_guarded(guard.as_ref(), parts, steps);
        }
        let Kind::Translate(demands) = &route.kind else { return Ok(End::Passed) };
        let credential = self.credentials.find(&parts.fields).map_err(refused("credential"))?;
        let credential = credential.ok_or_else(|| {
            ("credential", Refusal::CredentialMissing, format!("the request has no {}", self.wanted()))
        })?;
        steps.push(Step::passed("credential", self.found(&credential)));
        self.check_csrf(&credential, route, parts)
            .map_err(|refusal| ("origin", refusal, self.why_not_own_page(refusal, parts)))?;
        steps.push(Step::passed("origin", why_own_page(&credential, parts)));
        let now = self.clock.now();
        let (identity, ends) = self.explain_identity(&credential, now, state_dir, steps).await?;
        let permit =
            permit(&identity, demands).map_err(|refusal| ("permit", refusal, needs(&demands.require)))?;
        steps.push(Step::passed("permit", has(&demands.require, "every caller with a session may")));
        let key = self.sessions.keyer.key(&credential);
        let sid = self.sessions.keyer.session_id(&identity.subject, identity.server_sid.as_deref(), &key);
        let token = self
            .sample(&permit, demands, &sid, ends, now)
            .map_err(|(refusal, says)| ("token", refusal, says))?;
        let says = format!("for `{}`, {} of {} bytes", demands.policy.audience, token.bytes, token.budget);
        steps.push(Step::passed("token", says));
        Ok(End::Forwarded(Box::new(token)))
    }

    /// One token for each audience, as this identity would get it. Roles that a route demands are not looked at: the
    /// token would be the same.
    ///
    /// # Errors
    /// For each audience why there would be none.
    pub fn samples(&self, identity: &Identity) -> Vec<(Arc<Route>, Result<SampleToken, Refusal>)> {
        let mut seen = std::collections::BTreeSet::new();
        let now = self.clock.now();
        let ends = now.wall.saturating_add(self.sessions.rules.max_age);
        let mut samples = Vec::new();
        for route in self.routes.all() {
            let Kind::Translate(demands) = &route.kind else { continue };
            if !seen.insert(demands.policy.audience.clone()) {
                continue;
            }
            let open = Demands { require: Requirements::default(), policy: Arc::clone(&demands.policy) };
            // As long as every other session's name: 16 bytes.
            let sid = SessionId::from(URL_SAFE_NO_PAD.encode([0; 16]));
            let sample = permit(identity, &open).and_then(|permit| {
                self.sample(&permit, &open, &sid, ends, now).map_err(|(refusal, _)| refusal)
            });
            samples.push((Arc::clone(route), sample));
        }
        samples
    }

    fn sample(
        &self,
        permit: &Permit<'_>,
        demands: &Demands,
        sid: &SessionId,
        ends: UnixTime,
        now: Now,
    ) -> Result<SampleToken, (Refusal, String)> {
        let simply = |refusal: Refusal| (refusal, refusal.row().text.to_owned());
        let id = sample_id(&*self.entropy).ok_or_else(|| simply(Refusal::Bug))?;
        let claims = issue::claims(permit, &demands.policy, sid, ends, id, now.wall);
        if claims.exp <= now.wall {
            return Err(simply(Refusal::SessionEnded));
        }
        let signed =
            self.keyring.load().sign(&claims, now.wall).map_err(|_| simply(Refusal::KeysUnavailable))?;
        let (bytes, budget) = (signed.header_value().len(), demands.policy.header_budget);
        if bytes > budget {
            return Err((
                Refusal::TokenTooLarge,
                format!("{bytes} bytes are more than the header budget, {budget}"),
            ));
        }
        Ok(SampleToken { claims, bytes, budget })
    }

    async fn ask(&self, credential: &Credential<'_>, now: Now) -> Result<(Box<Answer>, String), Stopped> {
        let asked = self.sessions.source().ask(&Arc::new(credential.to_owned()), now.wall).await;
        let stopped = |refusal: Refusal, says| Err(("session", refusal, says));
        match asked {
            Ok(Verdict::Live(answer)) => {
                let ends = self.end_of(&answer, now);
                if ends <= now.wall {
                    return stopped(
                        Refusal::SessionEnded,
                        "the authorization server names an end that has come".to_owned(),
                    );
                }
                let left = span(ends.saturating_since(now.wall));
                let says = if answer.ends.is_some() {
                    format!("live, ends in {left}")
                } else {
                    format!("live, without an end: at most {left} from first sight")
                };
                Ok((answer, says))
            }
            Ok(Verdict::No(half)) => {
                let whose = half.map(|half| format!(" ({})", half.said_no())).unwrap_or_default();
                let says = format!("the authorization server says no: not a session{whose}");
                stopped(Refusal::SessionEnded, says)
            }
            Ok(Verdict::Refused(refusal)) => stopped(refusal, refusal.row().text.to_owned()),
            Err(error) => stopped(Refusal::from(&error), format!("the authorization server {error}")),
        }
    }

    fn end_of(&self, answer: &Answer, now: Now) -> UnixTime {
        answer.ends.unwrap_or_else(|| now.wall.saturating_add(self.sessions.rules.max_age))
    }

    fn why_not_own_page(&self, refusal: Refusal, parts: &Parts) -> String {
        let why = match refusal {
            Refusal::Csrf => crate::http::csrf::missing(&self.own_origin),
            other => other.row().text.to_owned(),
        };
        format!("{}: {why}", parts.method)
    }

    /// What a request could carry.
    fn wanted(&self) -> String {
        match (self.credentials.cookie(), self.credentials.bearer()) {
            (Some(cookie), true) => format!("cookie `{cookie}` and no bearer token"),
            (Some(cookie), false) => format!("cookie `{cookie}`"),
            (None, _) => "bearer token".to_owned(),
        }
    }

    fn found(&self, credential: &Credential<'_>) -> String {
        let length = credential.expose().len();
        match (credential.kind, self.credentials.cookie()) {
            (CredentialKind::Cookie, Some(cookie)) => format!("cookie `{cookie}`, {length} characters"),
            (CredentialKind::Cookie, None) => format!("cookie, {length} characters"),
            (CredentialKind::Bearer, _) => format!("bearer token, {length} characters"),
        }
    }
}

/// Whether the gateway that runs refuses what is said to be live.
async fn explain_revocation(
    credential: &Credential<'_>,
    identity: &Identity,
    answer: &Answer,
    state_dir: &Path,
) -> Result<Step, Stopped> {
    let question = Question::Session(AskedSession {
        bearer: credential.kind == CredentialKind::Bearer,
        credential: String::from_utf8_lossy(credential.expose()).into_owned(),
        subject: identity.subject.clone(),
        organisation: identity.organisation.as_ref().map(|organisation| organisation.as_str().to_owned()),
        server_sid: identity.server_sid.as_deref().map(ToOwned::to_owned),
        began: session_began(&answer.session),
    });
    match client::refusing(state_dir, &question).await {
        Ok(None) => Ok(Step::passed("revocation", "nothing that concerns it is revoked".to_owned())),
        Ok(Some(target)) => Err(("revocation", Refusal::Revoked, client::told(&target, state_dir))),
        Err(error) => Ok(Step::unseen("revocation", format!("not looked at: {error}"))),
    }
}

/// In the words of the table.
pub(crate) fn refused(stage: &'static str) -> impl Fn(Refusal) -> Stopped {
    move |refusal| (stage, refusal, refusal.row().text.to_owned())
}

fn sample_id(entropy: &dyn Entropy) -> Option<TokenId> {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes).into())
}

fn describe(route: &Route) -> String {
    let RouteConfig { host, path, .. } = &route.config;
    let mut text =
        format!("`{}{path}` (route {})", host.as_deref().unwrap_or_default(), route.index.saturating_add(1));
    let kind = match &route.kind {
        Kind::Guard(None) => "guarded, and nobody is trusted".to_owned(),
        Kind::Guard(Some(guard)) if !guard.forward_token => {
            format!("guarded, a token for `{}` in and none out", guard.audience)
        }
        Kind::Guard(Some(guard)) => format!("guarded, a token for `{}` in and out", guard.audience),
        Kind::Legacy => "legacy, cookie and `Authorization` pass untouched".to_owned(),
        Kind::Public => "public, the credential is removed".to_owned(),
        Kind::Translate(demands) => format!("session in, token for `{}` out", demands.policy.audience),
    };
    // A `String` takes everything that is written to it.
    let _ = write!(text, ": {kind}");
    text
}

fn why_no_route(parts: &Parts, refusal: Refusal) -> String {
    match (refusal, path::check_target(&parts.method, parts.uri.path())) {
        (Refusal::PathNotCanonical, Err(why)) => format!("the path is not canonical: {why}"),
        (Refusal::NoRoute, _) => format!("no route begins as `{}` does", parts.uri.path()),
        (Refusal::MethodNotAllowed, _) => format!("the route does not let {} through", parts.method),
        _ => refusal.row().text.to_owned(),
    }
}

fn why_own_page(credential: &Credential<'_>, parts: &Parts) -> String {
    if credential.kind == CredentialKind::Bearer {
        return "a bearer token is not sent by a browser on its own".to_owned();
    }
    let upgrade = if parts.fields.has(b"upgrade") { " with Upgrade" } else { "" };
    if parts.method.is_safe() && upgrade.is_empty() {
        format!("{} changes nothing: no proof needed", parts.method)
    } else {
        format!("{}{upgrade} comes from a page of ours", parts.method)
    }
}

fn understood(identity: &Identity) -> String {
    let mut text = format!("subject {}", identity.subject);
    let _ = match identity.roles.as_ref() {
        [] => write!(text, ", no roles"),
        roles => write!(text, ", roles {}", roles.iter().map(Role::as_str).collect::<Vec<_>>().join(", ")),
    };
    let _ = match &identity.organisation {
        Some(organisation) => write!(text, ", organisation {organisation}"),
        None => write!(text, ", no organisation"),
    };
    if let Some(client) = &identity.client {
        let _ = write!(text, ", client {client}");
    }
    text
}

/// The largest unit of which there are at least two.
pub(crate) fn span(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

fn needs(require: &Requirements) -> String {
    format!("needs {require}")
}

fn has(require: &Requirements, nothing_needed: &str) -> String {
    if *require == Requirements::default() { nothing_needed.to_owned() } else { format!("has {require}") }
}

/// The headers that a service gets, as it reads them.
fn told(headers: &IdentityHeaders) -> String {
    let lines: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or_default()))
        .collect();
    if lines.is_empty() { "none: the token says nothing that they tell".to_owned() } else { lines.join("; ") }
}

#[cfg(test)]
mod tests;
