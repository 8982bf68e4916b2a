//! `[[route]]`: who gets it.

use std::collections::BTreeMap;

use countersign::{Audience, Role};

use crate::config::{
    error::ConfigErrorCode,
    key::Kind,
    reader::{Fault, Field, Reader, Section, choice_of},
    resolved::{
        ClaimsConfig, GuardedConfig, Requirements, RouteConfig, RouteKind, TranslateConfig, UpstreamOrigin,
        UpstreamProtocol,
    },
    value,
};

/// Paths under it are the gateway's own.
const OWN_PATH: &str = "/.countersign/";

const OF_TRANSLATE: [&str; 4] = ["audience", "require", "claims", "guard"];

pub(super) fn read<'a>(reader: &mut Reader<'a>, top: &Section<'a>) -> Vec<RouteConfig> {
    let sections = reader.sections(top, "route");
    let mut routes: Vec<RouteConfig> = Vec::with_capacity(sections.len());
    let mut places: BTreeMap<(Option<String>, String), usize> = BTreeMap::new();
    let mut tokens: BTreeMap<Audience, (bool, bool)> = BTreeMap::new();
    for (index, section) in sections.iter().enumerate() {
        let Some(route) = route(reader, section) else { continue };
        let number = index.saturating_add(1);
        if let Some(first) = places.get(&(route.host.clone(), route.path.clone())) {
            let problem = format!("is the path of `route[{first}]` already");
            reader.fault(section, "path", Fault::new(ConfigErrorCode::Duplicate, problem));
        } else {
            places.insert((route.host.clone(), route.path.clone()), number);
        }
        if let RouteKind::Translate(translate) = &route.kind {
            let content = (translate.with_username, translate.with_email);
            if *tokens.entry(translate.audience.clone()).or_insert(content) != content {
                let name = if section.has("claims") { "claims" } else { "audience" };
                let problem =
                    "differs from another route of this audience: one audience has one kind of token";
                reader.fault(section, name, Fault::new(ConfigErrorCode::Conflict, problem));
            }
        }
        routes.push(route);
    }
    routes
}

fn route<'a>(reader: &mut Reader<'a>, section: &Section<'a>) -> Option<RouteConfig> {
    let path = reader.text(section, "path", path).given();
    let host = reader.text(section, "host", value::host);
    let upstreams = upstreams(reader, section);
    let kind = kind(reader, section);
    let route = RouteConfig {
        host: None,
        path: String::new(),
        upstreams: Vec::new(),
        kind: RouteKind::Public,
        strip_prefix: reader.flag(section, "strip_prefix"),
        upgrade: reader.flag(section, "upgrade"),
        methods: not_empty(reader, section, "methods", value::method),
        body_timeout: reader.duration_if_any(section, "body_timeout"),
        require_countersign_header: reader.flag(section, "require_countersign_header"),
        allow_public_cache: reader.flag(section, "allow_public_cache"),
        insecure_path: reader.insecure(section, "insecure_path"),
        allow_headers: reader
            .list(section, "allow_headers", value::unusual_header_name)
            .given()
            .unwrap_or_default(),
        remove_headers: reader
            .list(section, "remove_headers", value::removed_header_name)
            .given()
            .unwrap_or_default()
            .into(),
        allowed_origins: reader.list(section, "allowed_origins", value::origin).given().unwrap_or_default(),
    };
    if matches!(host, Field::Bad) {
        return None;
    }
    Some(RouteConfig { host: host.given(), path: path?, upstreams: upstreams?, kind: kind?, ..route })
}

fn path(text: &str) -> Result<String, value::Problem> {
    let path = value::path_prefix(text)?;
    if path.starts_with(OWN_PATH) {
        Err("is under `/.countersign/`, which is the gateway's own")
    } else {
        Ok(path)
    }
}

fn upstreams<'a>(reader: &mut Reader<'a>, section: &Section<'a>) -> Option<Vec<UpstreamOrigin>> {
    let upstreams = reader.list(section, "upstream", value::upstream).given();
    let plain = reader.insecure(section, "insecure_http");
    let upstreams = upstreams?;
    if upstreams.is_empty() {
        reader.fault(section, "upstream", Fault::new(ConfigErrorCode::Missing, "is empty"));
    }
    let open = |origin: &UpstreamOrigin| {
        origin.protocol != UpstreamProtocol::Tls && !value::is_loopback(&origin.host)
    };
    if !plain && upstreams.iter().any(open) {
        let problem = "is plain HTTP beyond loopback: use `https`, or set `insecure_http = true`";
        reader.fault(section, "upstream", Fault::new(ConfigErrorCode::NotNamedInsecure, problem));
    }
    for (index, origin) in upstreams.iter().enumerate() {
        if upstreams.iter().take(index).any(|other| other == origin) {
            reader.fault(
                section,
                "upstream",
                Fault::new(ConfigErrorCode::Duplicate, "names one service twice"),
            );
            break;
        }
    }
    Some(upstreams)
}

fn kind<'a>(reader: &mut Reader<'a>, section: &Section<'a>) -> Option<RouteKind> {
    let (public, legacy) = (reader.flag(section, "public"), reader.flag(section, "legacy"));
    let guard = reader.flag(section, "guard");
    let audience = reader.text(section, "audience", value::identifier);
    let require = reader.section(section, "require");
    let require = Requirements {
        roles: not_empty(reader, &require, "roles", value::role).into_iter().map(Role::from).collect(),
        scope: not_empty(reader, &require, "scope", value::scope_token).into_iter().map(Box::from).collect(),
        organisation: reader.flag(&require, "organisation"),
    };
    let forward_token = reader.flag(section, "forward_token");
    let claims = reader.list(section, "claims", claim).given().unwrap_or_default();
    if public && legacy {
        let problem = "excludes `public`: a route has one kind";
        reader.fault(section, "legacy", Fault::new(ConfigErrorCode::Conflict, problem));
    }
    if !forward_token && !guard {
        let problem =
            "has no effect without `guard`: only a token that came with the request can be kept back";
        reader.fault(section, "forward_token", Fault::new(ConfigErrorCode::Conflict, problem));
    }
    if public || legacy {
        let kind = if public { "public" } else { "legacy" };
        for name in OF_TRANSLATE.into_iter().filter(|name| section.has(name)) {
            let problem = format!("has no effect on a `{kind}` route, which gets no token");
            reader.fault(section, name, Fault::new(ConfigErrorCode::Conflict, problem));
        }
        return Some(if public { RouteKind::Public } else { RouteKind::Legacy });
    }
    if audience.is_absent() {
        let problem = "is missing: name the service the token is for, or make the route `public` or `legacy`";
        reader.fault(section, "audience", Fault::new(ConfigErrorCode::Missing, problem));
    }
    if guard {
        if section.has("claims") {
            let problem = "has no effect with `guard`: the token goes on as it came";
            reader.fault(section, "claims", Fault::new(ConfigErrorCode::Conflict, problem));
        }
        let audience = Audience::from(audience.given()?);
        return Some(RouteKind::Guard(GuardedConfig { audience, require, forward_token }));
    }
    Some(RouteKind::Translate(TranslateConfig {
        audience: Audience::from(audience.given()?),
        require,
        with_username: claims.contains(&"username"),
        with_email: claims.contains(&"email"),
    }))
}

/// No session has an organisation where nothing says what it is.
pub(super) fn demands_can_be_met<'a>(
    reader: &mut Reader<'a>,
    top: &Section<'a>,
    claims: &ClaimsConfig,
    routes: &[RouteConfig],
) {
    let is_demanded = |route: &RouteConfig| matches!(&route.kind, RouteKind::Translate(translate) if translate.require.organisation);
    if claims.organisation.is_none() && routes.iter().any(is_demanded) {
        let section = reader.section(top, "claims");
        let problem = "is missing, and a route with `require.organisation` lets nobody through without it";
        reader.fault(&section, "organisation", Fault::new(ConfigErrorCode::Missing, problem));
    }
}

/// An array that would mean "all" if it could be empty: a template that failed must not open a route.
fn not_empty<'a, T>(
    reader: &mut Reader<'a>,
    section: &Section<'a>,
    name: &str,
    parse: fn(&str) -> Result<T, value::Problem>,
) -> Vec<T> {
    let values = reader.list(section, name, parse);
    if values.as_given().is_some_and(Vec::is_empty) {
        let problem = "is empty: leave it out to demand nothing";
        reader.fault(section, name, Fault::new(ConfigErrorCode::InvalidValue, problem));
    }
    values.given().unwrap_or_default()
}

fn claim(text: &str) -> Result<&'static str, value::Problem> {
    choice_of(text, Kind::Choice(&["username", "email"]))
}
