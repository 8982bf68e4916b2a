//! What a configuration that is right means, and what about it is risky.

use std::{collections::BTreeSet, time::Duration};

use countersign_gateway::config::{
    Config, KEYS,
    resolved::{
        Endpoint, GuardConfig, GuardedConfig, Requirements, RouteConfig, RouteKind, SourceConfig,
        TranslateConfig,
    },
};

use crate::{check::Item, moment::span, screen::Mark};

/// What is set, risky things included.
pub(crate) fn settings(config: &Config) -> Vec<Item> {
    let mut items = vec![
        Item::new(Mark::Fine, routes(config)),
        Item::new(Mark::Fine, format!("sessions: {}", sources(config))),
    ];
    items.extend(config.insecure.iter().map(|key| Item::new(Mark::Warning, insecure(key))));
    if !config.admin_listen.ip().is_loopback() {
        let text = format!("admin_listen {}: whoever reaches it reads the metrics", config.admin_listen);
        items.push(Item::new(Mark::Warning, text));
    }
    if config.claims.organisation.is_none() && !audiences(config).is_empty() {
        items.push(Item::new(Mark::Note, "claims.organisation is not set: tokens name no organisation"));
    }
    items.extend(unbounded_roles(config));
    items.extend(open_routes(config));
    items.extend(long(config));
    for (audience, _) in &config.token.shared_secrets {
        let text = format!(
            "audience `{audience}` is signed with HS256: whoever can verify its tokens can make them"
        );
        items.push(Item::new(Mark::Warning, text));
    }
    items
}

/// Whose user trusts a client with little is not to trust it with everything.
fn unbounded_roles(config: &Config) -> Option<Item> {
    let are_unbounded =
        config.session.bearer && config.claims.bounded_roles.is_empty() && !audiences(config).is_empty();
    are_unbounded.then(|| {
        let text = "session.bearer without `[[claims.role]]`: whatever scope a client was granted, its token carries every \
                    role of its user";
        Item::new(Mark::Warning, text)
    })
}

/// The issuer of `countersign audit`, which makes good tokens for whom it likes.
const AUDIT_ISSUER: &str = "countersign-audit.invalid";

/// Lines of the configuration that name the audit's issuer, whatever they are about.
pub(crate) fn audit_issuer(text: &str) -> Vec<Item> {
    let named = (1..).zip(text.lines()).filter(|(_, line)| {
        line.split('#').next().is_some_and(|setting| setting.to_ascii_lowercase().contains(AUDIT_ISSUER))
    });
    named
        .map(|(number, _)| {
            let text = format!(
                "line {number} names the issuer of `countersign audit`, which makes tokens for whom it likes: for tests alone"
            );
            Item::new(Mark::Fault, text)
        })
        .collect()
}

/// What happens when the authorization server is away, and when somebody logs out.
pub(crate) fn consequences(config: &Config) -> Vec<Item> {
    let mut items = guarded(config);
    if !matches!(config.session.source, SourceConfig::Nobody) {
        items.extend(of_sessions(config));
    }
    items
}

fn guarded(config: &Config) -> Vec<Item> {
    let Some(guard) = &config.guard else { return Vec::new() };
    let revoked = match &guard.feed {
        None => "guard: a token that was revoked is let through until its end (`guard.revocations`)",
        Some(feed) if feed.refuse_on_loss => {
            "guard: a revoked token is refused within a second; while the feed is lost, every token (503)"
        }
        Some(_) => {
            "guard: a revoked token is refused within a second. While the feed is lost, tokens revoked meanwhile pass \
             until they end; `on_feed_loss = \"refuse\"` answers 503 instead"
        }
    };
    let mut told: Vec<&str> = guard.headers.iter().map(|header| header.name.as_str()).collect();
    told.sort_unstable();
    let mut items = Vec::new();
    if !told.is_empty() {
        let text = format!(
            "guard: services are told who calls by {}; a client's own are removed on every route. Whoever reaches a \
             service past the guard can say what they like",
            told.join(", ")
        );
        items.push(Item::new(Mark::Note, text));
    }
    items.extend(kept_back(config, guard));
    let away = format!("guard: {} away, its last keys are used for up to 24h", guard.issuer);
    items.extend([Item::new(Mark::Note, away), Item::new(Mark::Note, revoked)]);
    items
}

/// Routes whose service learns nothing at all of its callers.
fn kept_back(config: &Config, guard: &GuardConfig) -> Vec<Item> {
    let is_mute =
        |route: &&RouteConfig| matches!(&route.kind, RouteKind::Guard(guarded) if !guarded.forward_token);
    let mute = config.routes.iter().filter(is_mute).filter(|_| guard.headers.is_empty());
    mute.map(|route| {
        let text = format!(
            "{}: gets no token (`forward_token = false`) and no `guard.headers`: the service cannot know who calls",
            place(route)
        );
        Item::new(Mark::Warning, text)
    })
    .collect()
}

fn of_sessions(config: &Config) -> Vec<Item> {
    let recheck = span(config.session.recheck);
    let outage = match config.session.stale_if_error {
        None => Item::new(
            Mark::Note,
            format!(
                "authorization server away: a session is served for {recheck} after its last answer, from then on \
                 requests get 503 with Retry-After; nobody is logged out and no cookie is touched \
                 (`session.stale_if_error` would serve it longer)"
            ),
        ),
        Some(ceiling) => Item::new(
            Mark::Warning,
            format!(
                "session.stale_if_error: authorization server away, a session is served for {ceiling} after its last \
                 answer, then 503. Who loses a role or logs out at the server meanwhile keeps it for up to {ceiling}, \
                 and a service that got a token {token} more; a log-out at the gateway holds at once",
                ceiling = span(ceiling),
                token = span(config.token.lifetime)
            ),
        ),
    };
    let log_out = format!(
        "log-out there: the gateway refuses from the next request after {recheck} on; a token that a service holds \
         already is good for at most {} more",
        span(config.token.lifetime)
    );
    let no_end = format!(
        "a session whose end the server does not tell lives {} from first sight",
        span(config.session.max_age)
    );
    let mut items = vec![outage, Item::new(Mark::Note, log_out), Item::new(Mark::Note, no_end)];
    if config.backchannel_logout.is_some() {
        items.push(log_out_tokens(config));
    }
    items
}

/// Whom a log-out token of the authorization server ends.
fn log_out_tokens(config: &Config) -> Item {
    if config.claims.subject_is_sub() {
        let text = "backchannel_logout: a log-out token ends the session that its `sid` names, if the server's answers \
                    have `sid`; if no answer has, every session of its `sub`, and without `sub` it is refused";
        Item::new(Mark::Note, text)
    } else {
        let text = "backchannel_logout: `claims.subject` is not the server's `sub`, so a log-out token is refused \
                    unless it has `sid` and the server's answers have it too";
        Item::new(Mark::Warning, text)
    }
}

pub(crate) fn audiences(config: &Config) -> BTreeSet<&str> {
    let translated = config.routes.iter().filter_map(|route| match &route.kind {
        RouteKind::Translate(translate) => Some(translate.audience.as_str()),
        RouteKind::Guard(_) | RouteKind::Legacy | RouteKind::Public => None,
    });
    translated.collect()
}

fn routes(config: &Config) -> String {
    let count = |kind: fn(&RouteKind) -> bool| config.routes.iter().filter(|route| kind(&route.kind)).count();
    let mut text = match config.routes.len() {
        1 => "1 route".to_owned(),
        all => format!("{all} routes"),
    };
    let audiences: Vec<&str> = audiences(config).into_iter().collect();
    if !audiences.is_empty() {
        text.push_str(&format!(", tokens for {}", audiences.join(", ")));
    }
    for (count, word) in [
        (count(|kind| matches!(kind, RouteKind::Guard(_))), "guarded"),
        (count(|kind| matches!(kind, RouteKind::Public)), "public"),
        (count(|kind| matches!(kind, RouteKind::Legacy)), "legacy"),
    ] {
        if count > 0 {
            text.push_str(&format!(", {count} {word}"));
        }
    }
    text
}

fn sources(config: &Config) -> String {
    let endpoint = |endpoint: &Endpoint| match endpoint {
        Endpoint::Discovered(issuer) => format!("as {issuer} publishes"),
        Endpoint::Given(uri) => format!("at {uri}"),
    };
    let carried = match (&config.session.cookie, config.session.bearer) {
        (Some(cookie), true) => format!("cookie `{cookie}` or bearer token"),
        (Some(cookie), false) => format!("cookie `{cookie}`"),
        (None, _) => "bearer token".to_owned(),
    };
    let asked = match &config.session.source {
        SourceConfig::Introspection(introspection) => {
            format!("introspection {}", endpoint(&introspection.endpoint))
        }
        SourceConfig::IntrospectionAndUserinfo(introspection, userinfo) => format!(
            "introspection {} and userinfo {}",
            endpoint(&introspection.endpoint),
            endpoint(&userinfo.endpoint)
        ),
        SourceConfig::Nobody => return "no sessions: nobody is asked".to_owned(),
        SourceConfig::Userinfo(userinfo) => format!("userinfo {}", endpoint(&userinfo.endpoint)),
        SourceConfig::Whoami(whoami) => format!("{} {}", whoami.method, whoami.endpoint),
    };
    format!("{carried}, asked by {asked}")
}

/// The first sentence of a key's meaning.
fn insecure(shown: &str) -> String {
    let name = shown.rsplit('.').next().unwrap_or(shown);
    let table = if shown.starts_with("route[") { "route[]." } else { "" };
    let path = if table.is_empty() { shown.to_owned() } else { format!("{table}{name}") };
    let meaning = KEYS.iter().find(|key| key.path == path).map_or("", |key| key.meaning);
    let mut meaning = meaning.trim_end_matches('.').chars();
    let first = meaning.next().map(|first| first.to_ascii_lowercase());
    format!("{shown}: {}{}", first.into_iter().collect::<String>(), meaning.as_str())
}

fn open_routes(config: &Config) -> Vec<Item> {
    let mut items = Vec::new();
    for route in &config.routes {
        match &route.kind {
            RouteKind::Translate(translate) if translate.require == Requirements::default() => {
                let text = format!("{}: any caller with a session", place(route));
                items.push(Item::new(Mark::Note, text));
            }
            RouteKind::Legacy if route.path == "/" => {
                let text = format!(
                    "{}: what no other route names goes to the old application, with its cookie",
                    place(route)
                );
                items.push(Item::new(Mark::Note, text));
            }
            RouteKind::Guard(guarded) if guarded.require == Requirements::default() => {
                let text = format!("{}: any caller with a token for `{}`", place(route), guarded.audience);
                items.push(Item::new(Mark::Note, text));
            }
            RouteKind::Guard(GuardedConfig { require, .. })
            | RouteKind::Translate(TranslateConfig { require, .. }) => {
                items.push(Item::new(Mark::Fine, format!("{}: needs {require}", place(route))));
            }
            RouteKind::Legacy | RouteKind::Public => {}
        }
    }
    items
}

fn place(route: &RouteConfig) -> String {
    format!("{}{}", route.host.as_deref().unwrap_or_default(), route.path)
}

/// Times that are accepted and longer than one would want.
fn long(config: &Config) -> Vec<Item> {
    const HOUR: u64 = 3_600;
    let times = [
        (
            "token.lifetime",
            config.token.lifetime,
            Duration::from_secs(HOUR / 4),
            "a token outlives a log-out by up to it",
        ),
        ("session.recheck", config.session.recheck, Duration::from_secs(300), "a log-out is noticed as late"),
        (
            "session.max_age",
            config.session.max_age,
            Duration::from_secs(24 * HOUR),
            "a session without an end lives as long",
        ),
    ];
    let long = times.into_iter().filter(|(_, is, most, _)| is > most);
    long.map(|(key, is, _, why)| Item::new(Mark::Warning, format!("{key} is {}: {why}", span(is)))).collect()
}

#[cfg(test)]
mod tests {
    use super::audit_issuer;
    use crate::screen::Mark;

    #[test]
    fn the_issuer_of_the_audit_is_a_fault() {
        let text =
            "# not https://countersign-audit.invalid\nissuer = \"https://Countersign-Audit.invalid\"\n";
        let items = audit_issuer(text);
        assert_eq!(items.len(), 1);
        assert!(items[0].mark == Mark::Fault && items[0].text.starts_with("line 2 "), "{items:?}");
    }
}
