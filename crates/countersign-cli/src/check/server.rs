//! Asks the real authorization server, as the gateway will.

use std::{sync::Arc, time::Duration};

use countersign::{Clock as _, JwkError, SystemClock};
use countersign_gateway::{
    config::{Config, resolved::SourceConfig},
    credential::{CredentialKind, CredentialRules, OwnedCredential},
    entropy::{Entropy, SystemEntropy},
    guard::TrustedIssuer,
    identity::{Identity, Mapping},
    session::source::{
        self, Answer, Verdict,
        probe::{Probed, Severity, judge},
    },
};

use http::{HeaderMap, HeaderValue, header};

use crate::{check::Item, screen::Mark};

/// What came of asking.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) items: Vec<Item>,
    /// Who the live credential stands for.
    pub(crate) identity: Option<Identity>,
}

/// For the keys of the guard's issuer.
const KEYS_TIMEOUT: Duration = Duration::from_secs(5);

/// For its feed: a page, a stream and a heartbeat.
const FEED_TIMEOUT: Duration = Duration::from_secs(5);

/// Asks about a random token, and about the live one if there is one.
pub(crate) async fn ask(config: &Config, live: Option<OwnedCredential>) -> Asked {
    let mut items = guard(config).await;
    if matches!(config.session.source, SourceConfig::Nobody) {
        return Asked { items, identity: None };
    }
    items.extend(live.as_ref().and_then(|live| refused_by_us(config, live)));
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let server = match source::from_config(&config.session, &entropy, None) {
        Ok(server) => server,
        Err(error) => {
            return Asked { items: vec![Item::new(Mark::Fault, error.to_string())], identity: None };
        }
    };
    let probed = match server.probe(live.as_ref(), &SystemClock, &SystemEntropy).await {
        Ok(probed) => probed,
        Err(error) => {
            return Asked { items: vec![Item::new(Mark::Fault, error.to_string())], identity: None };
        }
    };
    let findings = judge(&probed);
    items.extend(findings.iter().map(|finding| {
        let mark = match finding.severity() {
            Severity::Fine => Mark::Fine,
            Severity::Note => Mark::Note,
            Severity::Warning => Mark::Warning,
            Severity::Fault => Mark::Fault,
        };
        Item::new(mark, finding.to_string())
    }));
    let Some(answer) = live_answer(&probed) else { return Asked { items, identity: None } };
    let mapping = Mapping::new(&config.claims).accepting(&config.session.accept_clients);
    let identity = match mapping.explain(answer) {
        Ok(identity) => {
            items.push(Item::new(Mark::Fine, understood(&identity)));
            if config.backchannel_logout.is_some() {
                items.push(found_by_log_out_tokens(config, &identity));
            }
            Some(identity)
        }
        Err(fault) => {
            let why = mapping.describe(fault, answer);
            items.push(Item::new(Mark::Fault, format!("the answer is live and cannot be used: {why}")));
            None
        }
    };
    Asked { items, identity }
}

/// What the gateway would say to a request with that credential before it asks anybody.
fn refused_by_us(config: &Config, live: &OwnedCredential) -> Option<Item> {
    let (name, before) = match live.kind {
        CredentialKind::Bearer => (header::AUTHORIZATION, "Bearer ".to_owned()),
        CredentialKind::Cookie => (header::COOKIE, format!("{}=", config.session.cookie.as_deref()?)),
    };
    let value = HeaderValue::try_from(before + live.value.expose()).ok()?;
    let rules = CredentialRules::new(config.session.cookie.as_deref(), config.session.bearer);
    let text = match rules.find(&HeaderMap::from_iter([(name, value)]).into()) {
        Ok(Some(found)) if found.expose() == live.value.expose().as_bytes() => return None,
        Ok(_) => "the gateway finds another credential in what you gave".to_owned(),
        Err(refusal) => format!(
            "the gateway refuses every request with what you gave (`{}`): {}. Quotes, commas and backslashes are in none",
            refusal.code(),
            refusal.row().text
        ),
    };
    Some(Item::new(Mark::Fault, text))
}

/// Fetches the keys of the issuer that guarded routes trust.
async fn guard(config: &Config) -> Vec<Item> {
    let Some(trusted) = &config.guard else { return Vec::new() };
    let issuer = TrustedIssuer::new(trusted);
    let mut items = match issuer.follow() {
        Err(error) => vec![Item::new(Mark::Fault, error.to_string())],
        Ok(()) if issuer.ready(KEYS_TIMEOUT).await => {
            let there = Item::new(Mark::Fine, format!("guard: the keys of {} are there", trusted.issuer));
            std::iter::once(there).chain(left_out(&issuer)).collect()
        }
        Ok(()) => {
            let why = issuer.failure().unwrap_or_else(|| "no answer in time".to_owned());
            let text = format!("guard: {} gives no keys ({why}): guarded routes answer 503", trusted.issuer);
            vec![Item::new(Mark::Fault, text)]
        }
    };
    let feed = match issuer.feed_ready(FEED_TIMEOUT).await {
        None => None,
        Some(true) => Some(Item::new(Mark::Fine, "guard: the feed of revocations is current")),
        Some(false) if trusted.feed.as_ref().is_some_and(|feed| feed.refuse_on_loss) => Some(Item::new(
            Mark::Fault,
            "guard: the feed of revocations cannot be followed: every token gets 503",
        )),
        Some(false) => {
            let text = "guard: the feed of revocations cannot be followed: revoked tokens are let through until their end";
            Some(Item::new(Mark::Fault, text))
        }
    };
    items.extend(feed);
    items
}

/// The keys of the guard's issuer that no token is verified with. Those for something else, such as encryption, are as
/// they should be.
fn left_out(issuer: &TrustedIssuer) -> Vec<Item> {
    let skipped = issuer.skipped(SystemClock.now());
    let odd = skipped.iter().filter(|key| key.reason != JwkError::OtherUse);
    odd.map(|key| {
        let (number, why) = (key.index + 1, key.reason);
        Item::new(
            Mark::Warning,
            format!("guard: key {number} of the set is not used, tokens of it are refused: {why}"),
        )
    })
    .collect()
}

fn live_answer(probed: &Probed) -> Option<&Answer> {
    match &probed.live.as_ref()?.outcome {
        Ok(Verdict::Live(answer)) => Some(answer),
        Ok(Verdict::No(_) | Verdict::Refused(_)) | Err(_) => None,
    }
}

fn found_by_log_out_tokens(config: &Config, identity: &Identity) -> Item {
    let (mark, text) = match (&identity.server_sid, config.claims.subject_is_sub()) {
        (Some(_), _) => (Mark::Fine, "its `sid` is known: a log-out token that names it ends this session"),
        (None, true) => {
            (Mark::Fine, "the answer has no `sid`: a log-out token ends every session of its `sub`")
        }
        (None, false) => {
            let text = "the answer has no `sid`, and `claims.subject` is not the server's `sub`: every log-out \
                        token is refused";
            (Mark::Warning, text)
        }
    };
    Item::new(mark, text)
}

/// What was understood of the live session.
fn understood(identity: &Identity) -> String {
    let roles: Vec<&str> = identity.roles.iter().map(countersign::Role::as_str).collect();
    let roles = if roles.is_empty() { "no roles".to_owned() } else { format!("roles {}", roles.join(", ")) };
    let organisation = identity
        .organisation
        .as_ref()
        .map_or_else(|| "no organisation".to_owned(), |organisation| format!("organisation {organisation}"));
    format!("understood: subject {}, {roles}, {organisation}", identity.subject)
}
