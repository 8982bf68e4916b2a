//! What `check` asks the real server before anybody relies on it.
//!
//! A server that calls every token dead because *our client* may not ask looks exactly like a server whose users
//! are all logged out. Only a token that the operator knows to be live tells them apart.

use std::{fmt, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{Clock, Secret, UnixTime};
use serde_json::Value;
use tokio::time::Instant;

use super::{Answer, AuthorizationServer, Verdict, introspection::KIND_MEMBERS};
use crate::{
    credential::{CredentialKind, OwnedCredential},
    entropy::{Entropy, NoEntropy},
    error::{Half, Refusal, SourceError},
    observe::SourceLabel,
};

/// Clocks that differ by less are called equal: `Date` has whole seconds, and the answer was on its way.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);

/// From here on tokens are refused for the clocks alone.
const CLOCK_LIMIT: Duration = Duration::from_secs(60);

/// One question and its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// What came back.
    pub outcome: Result<Verdict, SourceError>,
    /// A session cookie that is another than the one that was asked about came with it.
    pub replaced_cookie: bool,
    /// How long it took.
    pub took: Duration,
    /// The server's clock, if it told.
    pub server_time: Option<UnixTime>,
    /// Ours, at the same moment.
    pub our_time: UnixTime,
}

/// Everything that was asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Probed {
    /// A token nobody ever issued.
    pub unknown: Asked,
    /// A token the operator says is live.
    pub live: Option<Asked>,
    /// Who was asked.
    pub source: SourceLabel,
    /// How long a look-up may take.
    pub timeout: Duration,
    /// Whether a token whose kind the server does not tell would pass.
    pub takes_untold_kinds: bool,
}

/// Who calls a token dead that is said to be live. What can be the reason depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadBy {
    /// Introspection.
    Introspection,
    /// Userinfo, which alone is asked.
    Userinfo,
    /// Userinfo, after introspection has called it live.
    UserinfoOfTwo,
    /// `whoami`.
    Whoami,
}

impl DeadBy {
    const fn new(source: SourceLabel, half: Option<Half>) -> Self {
        match (source, half) {
            (_, Some(Half::Userinfo)) => Self::UserinfoOfTwo,
            (SourceLabel::Userinfo, _) => Self::Userinfo,
            (SourceLabel::Whoami, _) => Self::Whoami,
            // Nobody is not asked.
            (SourceLabel::Introspection | SourceLabel::IntrospectionAndUserinfo | SourceLabel::Nobody, _) => {
                Self::Introspection
            }
        }
    }

    /// What it can be if the session can still be used.
    const fn can_mean(self) -> &'static str {
        match self {
            Self::Introspection => {
                "is called dead by introspection: if you can still use it, our client may not ask about it (allow it to \
                 introspect tokens of other clients)"
            }
            Self::Userinfo => {
                "is called dead by userinfo: if you can still use it, it is no access token of this server (userinfo takes \
                 no session cookie of an application), or one without `openid` in its scope"
            }
            Self::UserinfoOfTwo => {
                "is called dead by userinfo, and live by introspection: most likely userinfo does not take this token \
                 (another audience, no `openid` in its scope); what introspection says may be enough without `userinfo`"
            }
            Self::Whoami => {
                "is called dead by `whoami`: if you can still use it, ask that page with this one cookie and nothing else \
                 (`curl -i -b`), as the gateway does: it may need another cookie beside it, or the address or the \
                 `User-Agent` that the session began with; or `session.no` takes its answer for a \"no\""
            }
        }
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Fine,
    /// Works, and is good to know.
    Note,
    /// Works, but look at it.
    Warning,
    /// Will not work, or is dangerous.
    Fault,
}

/// One thing that `check` says about the authorization server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// A token nobody issued was called live.
    AcceptsAnything,
    /// No answer to the question about a token nobody issued.
    CannotBeAsked(SourceError),
    /// The clocks differ by this much.
    ClockDiffers(Duration),
    /// A token nobody issued was called dead: the endpoint works, and knows us or asks for no client.
    KnowsUnknown,
    /// The token that is said to be live was called live.
    KnowsLive,
    /// The token that is said to be live was called dead.
    LiveCalledDead(DeadBy),
    /// The token that is said to be live was not answered.
    LiveCannotBeAsked(SourceError),
    /// The token that is said to be live may not stand for a session.
    LiveIsNoSession(Refusal),
    /// No live token was given, so nothing shows that the server tells us about sessions.
    NotProven,
    /// The server set another session cookie while it was asked about the live one.
    ReplacesCookie,
    /// An answer took more than half of the time-out.
    Slow(Duration),
    /// The server tells the kind of an access token, and a token without a kind would pass.
    TokenTypeNotRequired,
}

impl Finding {
    /// How bad it is.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self {
            Self::KnowsUnknown | Self::KnowsLive => Severity::Fine,
            Self::ReplacesCookie => Severity::Note,
            Self::ClockDiffers(by) if by.as_secs() <= CLOCK_LIMIT.as_secs() => Severity::Warning,
            Self::NotProven | Self::Slow(_) | Self::TokenTypeNotRequired => Severity::Warning,
            Self::AcceptsAnything
            | Self::CannotBeAsked(_)
            | Self::ClockDiffers(_)
            | Self::LiveCalledDead(_)
            | Self::LiveCannotBeAsked(_)
            | Self::LiveIsNoSession(_) => Severity::Fault,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AcceptsAnything => f.write_str(
                "a random token is called a live session: whoever sends anything may be let in. This endpoint does not \
                 look at the credential; or it is a `whoami` that answers an object to whoever is not logged in, too: \
                 then `session.no.unless` names what is missing in it",
            ),
            Self::CannotBeAsked(error) => write!(f, "the authorization server {error}"),
            Self::ClockDiffers(by) => {
                write!(f, "its clock and ours differ by {} s: set both by NTP", by.as_secs())
            }
            Self::KnowsUnknown => f.write_str("a random token is called dead, as it should be"),
            Self::KnowsLive => f.write_str("the given session is called live"),
            Self::LiveCalledDead(by) => write!(
                f,
                "the session you gave {}; otherwise log in again for a fresh one, also where the server replaces cookies \
                 that are used",
                by.can_mean()
            ),
            Self::LiveCannotBeAsked(error) => {
                write!(f, "asked about the session you gave, the authorization server {error}")
            }
            Self::LiveIsNoSession(refusal) => {
                write!(f, "what you gave may not stand for a session: {}", refusal.row().text)
            }
            Self::NotProven => f.write_str(
                "no live session was given (`--cookie-file` or `--token-file`): a server that calls every token dead \
                 because our client may not ask looks the same; give one to be sure",
            ),
            Self::ReplacesCookie => f.write_str(
                "it replaced the cookie while it was asked: the gateway gives the new one to the browser whose request led \
                 to that, with the answer, and the session goes on under it; the old one is good for `session.recheck` \
                 more. Requests wait for rechecks, so that their answers can carry it. What you gave may be dead now: \
                 give a fresh one the next time",
            ),
            Self::Slow(took) => write!(f, "an answer took {} ms, more than half of the time-out", took.as_millis()),
            Self::TokenTypeNotRequired => f.write_str(
                "it tells what kind of token it is: set `require_token_type = true`, so that a refresh token, whose \
                 kind some servers leave out, is not taken for a session",
            ),
        }
    }
}

impl AuthorizationServer {
    /// Asks about a random token, and about `live` if it is given.
    ///
    /// # Errors
    /// [`NoEntropy`]: no random token could be made.
    pub async fn probe(
        &self,
        live: Option<&OwnedCredential>,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Result<Probed, NoEntropy> {
        let mut random = [0; 32];
        entropy.fill(&mut random)?;
        let unknown = OwnedCredential {
            kind: live.map_or(self.kind, |live| live.kind),
            value: Secret::new(URL_SAFE_NO_PAD.encode(random)),
        };
        let unknown = self.ask_once(&unknown, clock).await;
        let live = match live {
            Some(live) => Some(self.ask_once(live, clock).await),
            None => None,
        };
        let takes_untold_kinds = self.takes_untold_kinds();
        Ok(Probed { unknown, live, source: self.label(), timeout: self.timeout, takes_untold_kinds })
    }

    async fn ask_once(&self, credential: &OwnedCredential, clock: &dyn Clock) -> Asked {
        let begun = Instant::now();
        let (outcome, server_time) = self.look_up(credential, clock.now()).await;
        let replaced_cookie = match &outcome {
            Ok(Verdict::Live(answer)) => {
                credential.kind == CredentialKind::Cookie && is_replaced(answer, credential)
            }
            _ => false,
        };
        Asked { outcome, replaced_cookie, took: begun.elapsed(), server_time, our_time: clock.now() }
    }
}

/// A server that only sets the same cookie again, to prolong its life, replaces nothing.
fn is_replaced(answer: &Answer, credential: &OwnedCredential) -> bool {
    answer.new_cookie.as_ref().is_some_and(|new| new.value.expose() != credential.value.expose())
}

/// Says what the answers mean, worst things where they were found.
#[must_use]
pub fn judge(probed: &Probed) -> Vec<Finding> {
    let mut findings = vec![match &probed.unknown.outcome {
        Ok(Verdict::No(_)) => Finding::KnowsUnknown,
        Ok(Verdict::Live(_) | Verdict::Refused(_)) => Finding::AcceptsAnything,
        Err(error) => Finding::CannotBeAsked(error.clone()),
    }];
    findings.extend(match (&probed.unknown.outcome, probed.live.as_ref().map(|live| &live.outcome)) {
        (_, None) => Some(Finding::NotProven),
        (_, Some(Ok(Verdict::Live(_)))) => Some(Finding::KnowsLive),
        (_, Some(Ok(Verdict::No(half)))) => Some(Finding::LiveCalledDead(DeadBy::new(probed.source, *half))),
        (_, Some(Ok(Verdict::Refused(refusal)))) => Some(Finding::LiveIsNoSession(*refusal)),
        // Said already.
        (Err(unknown), Some(Err(error))) if unknown == error => None,
        (_, Some(Err(error))) => Some(Finding::LiveCannotBeAsked(error.clone())),
    });
    if probed.live.as_ref().is_some_and(|live| live.replaced_cookie) {
        findings.push(Finding::ReplacesCookie);
    }
    if probed.takes_untold_kinds
        && let Some(Ok(Verdict::Live(answer))) = probed.live.as_ref().map(|live| &live.outcome)
        && KIND_MEMBERS.iter().any(|name| answer.session.get(*name).is_some_and(Value::is_string))
    {
        findings.push(Finding::TokenTypeNotRequired);
    }
    let all = || std::iter::once(&probed.unknown).chain(&probed.live);
    findings.extend(all().filter_map(difference).max().map(Finding::ClockDiffers));
    let slowest = all().filter(|asked| asked.outcome.is_ok()).map(|asked| asked.took).max();
    findings.extend(slowest.filter(|&took| took > probed.timeout / 2).map(Finding::Slow));
    findings
}

/// How far the clocks are apart, if that is more than the measurement is wrong by.
fn difference(asked: &Asked) -> Option<Duration> {
    let server = asked.server_time?;
    let by = server.saturating_since(asked.our_time).max(asked.our_time.saturating_since(server));
    (by > CLOCK_TOLERANCE.saturating_add(asked.took)).then_some(by)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use countersign::UnixTime;

    use super::{Asked, DeadBy, Finding, Probed, Severity, judge};
    use crate::{
        error::{Half, Refusal, SourceError},
        observe::SourceLabel,
        session::source::{Answer, Verdict},
    };

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    fn asked(outcome: Result<Verdict, SourceError>) -> Asked {
        let took = Duration::from_millis(20);
        Asked { outcome, replaced_cookie: false, took, server_time: Some(NOW), our_time: NOW }
    }

    fn live() -> Verdict {
        Verdict::Live(Box::new(Answer {
            session: serde_json::Map::new(),
            userinfo: None,
            ends: None,
            new_cookie: None,
        }))
    }

    fn findings(unknown: Asked, live: Option<Asked>) -> Vec<Finding> {
        judged(SourceLabel::Introspection, unknown, live)
    }

    fn judged(source: SourceLabel, unknown: Asked, live: Option<Asked>) -> Vec<Finding> {
        judge(&Probed { unknown, live, source, timeout: Duration::from_secs(2), takes_untold_kinds: false })
    }

    #[test]
    fn a_refused_client_is_told_from_a_dead_session() {
        let no = || asked(Ok(Verdict::No(None)));
        assert_eq!(findings(no(), None), [Finding::KnowsUnknown, Finding::NotProven]);
        assert_eq!(findings(no(), Some(asked(Ok(live())))), [Finding::KnowsUnknown, Finding::KnowsLive]);
        assert_eq!(
            findings(no(), Some(no())),
            [Finding::KnowsUnknown, Finding::LiveCalledDead(DeadBy::Introspection)]
        );
        assert_eq!(Finding::LiveCalledDead(DeadBy::Introspection).severity(), Severity::Fault);
        let refuses = SourceError::RefusesUs("status 401 with `invalid_client`".into());
        assert_eq!(
            findings(asked(Err(refuses.clone())), None),
            [Finding::CannotBeAsked(refuses), Finding::NotProven]
        );
        let away = || asked(Err(SourceError::Unavailable("connection refused".into())));
        assert_eq!(findings(away(), Some(away())).len(), 1, "said once");
        assert_eq!(findings(away(), Some(asked(Err(SourceError::Timeout)))).len(), 2);
        let refresh = asked(Ok(Verdict::Refused(Refusal::SessionOfOtherKind)));
        assert!(
            findings(no(), Some(refresh)).contains(&Finding::LiveIsNoSession(Refusal::SessionOfOtherKind))
        );
    }

    /// What is wrong with a client or a scope helps nobody whose page needs a second cookie.
    #[test]
    fn what_a_dead_session_can_mean_depends_on_who_calls_it_so() {
        use SourceLabel::{Introspection, IntrospectionAndUserinfo, Userinfo, Whoami};
        for (source, half, words) in [
            (Introspection, None, "introspect tokens of other clients"),
            (IntrospectionAndUserinfo, Some(Half::Introspection), "introspect tokens of other clients"),
            (IntrospectionAndUserinfo, Some(Half::Userinfo), "by userinfo, and live by introspection"),
            (Userinfo, None, "no access token of this server"),
            (Whoami, None, "may need another cookie beside it"),
        ] {
            let dead = asked(Ok(Verdict::No(half)));
            let found = judged(source, dead.clone(), Some(dead));
            let text = found.last().map(ToString::to_string).unwrap_or_default();
            assert!(text.starts_with("the session you gave is called dead by "), "{text}");
            assert!(text.contains(words) && text.contains("log in again"), "{text}");
            let about_clients =
                matches!(source, Introspection | IntrospectionAndUserinfo) && half != Some(Half::Userinfo);
            assert_eq!(text.contains("our client"), about_clients, "{text}");
        }
    }

    #[test]
    fn an_endpoint_that_lets_everybody_in_is_a_fault() {
        let all = findings(asked(Ok(live())), None);
        assert_eq!(all.first(), Some(&Finding::AcceptsAnything));
        assert_eq!(Finding::AcceptsAnything.severity(), Severity::Fault);
    }

    #[test]
    fn clocks_that_differ_are_told() {
        let at = |secs: u64| Asked {
            server_time: Some(UnixTime::from_secs(secs)),
            ..asked(Ok(Verdict::No(None)))
        };
        for (server, expected) in [
            (1_800_000_005, None),
            (1_799_999_995, None),
            (1_800_000_006, Some((6, Severity::Warning))),
            (1_799_999_940, Some((60, Severity::Warning))),
            (1_799_999_939, Some((61, Severity::Fault))),
            (1_800_003_600, Some((3600, Severity::Fault))),
        ] {
            let found = findings(at(server), None).into_iter().find_map(|finding| match finding {
                Finding::ClockDiffers(by) => Some((by.as_secs(), finding.severity())),
                _ => None,
            });
            assert_eq!(found, expected, "{server}");
        }
        let silent = Asked { server_time: None, ..asked(Ok(Verdict::No(None))) };
        assert_eq!(findings(silent, None).len(), 2);
    }

    #[test]
    fn a_server_that_tells_the_kind_of_a_token_can_be_held_to_it() {
        let answering = |session: serde_json::Value, takes_untold_kinds| {
            let serde_json::Value::Object(session) = session else { panic!("an object") };
            let live =
                Verdict::Live(Box::new(Answer { session, userinfo: None, ends: None, new_cookie: None }));
            let (unknown, live) = (asked(Ok(Verdict::No(None))), Some(asked(Ok(live))));
            let source = SourceLabel::Introspection;
            judge(&Probed { unknown, live, source, timeout: Duration::from_secs(2), takes_untold_kinds })
                .contains(&Finding::TokenTypeNotRequired)
        };
        let told = serde_json::json!({"active": true, "token_type": "Bearer"});
        assert!(answering(told.clone(), true));
        assert!(!answering(told, false), "it is required");
        assert!(!answering(serde_json::json!({"active": true}), true), "it could not be required");
    }

    #[test]
    fn a_slow_server_is_told() {
        let slow = Asked { took: Duration::from_millis(1001), ..asked(Ok(Verdict::No(None))) };
        assert!(findings(slow, None).contains(&Finding::Slow(Duration::from_millis(1001))));
    }
}
