//! `[guard]`: the issuer whose tokens guarded routes let through.

use std::sync::Arc;

use countersign::{ClientId, Issuer, Secret};
use http::{HeaderName, Uri};

use crate::config::{
    error::ConfigErrorCode,
    read::client_secret::{ClientSecret, private_key},
    reader::{Fault, Field, Reader, Section},
    resolved::{
        Endpoint, FeedProof, GuardConfig, GuardFeed, IdentityFact, IdentityHeader, RouteConfig, RouteKind,
    },
    value,
};

pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    top: &Section<'a>,
    own_issuer: Option<&Issuer>,
    routes: &[RouteConfig],
) -> Option<GuardConfig> {
    let section = reader.section(top, "guard");
    let guarded = routes.iter().any(|route| matches!(route.kind, RouteKind::Guard(_)));
    let translated = routes.iter().any(|route| matches!(route.kind, RouteKind::Translate(_)));
    if !top.has("session") && (section.is_absent() || translated) {
        reader.missing(top, "session");
    }
    let issuer = reader.text(&section, "issuer", |text| value::url(text).map(|_| Issuer::from(text)));
    let keys = reader.text(&section, "keys", |text| match text {
        "discover" => Ok(None),
        url => value::url(url).map(Some),
    });
    let location = reader.text(&section, "revocations", value::url);
    let feed = feed(reader, &section, &location);
    let headers = headers(reader, &section, routes);
    let plain = reader.insecure(&section, "insecure_http");
    if section.is_absent() {
        if guarded {
            reader.missing(top, "guard");
        }
        return None;
    }
    let issuer = issuer.given()?;
    if own_issuer == Some(&issuer) {
        let problem = "is this gateway itself: a token that it signed is no credential here";
        reader.fault(&section, "issuer", Fault::new(ConfigErrorCode::Conflict, problem));
    }
    let given = match keys {
        Field::Absent => None,
        Field::Bad => return None,
        Field::Given(given) => given,
    };
    let asked = given.clone().or_else(|| issuer.as_str().parse().ok());
    let is_open = |uri: Option<&Uri>| !uri.is_some_and(value::is_private);
    let name = if section.has("keys") { "keys" } else { "issuer" };
    let opens = [
        (name, is_open(asked.as_ref())),
        ("revocations", location.as_given().is_some_and(|uri| is_open(Some(uri)))),
    ];
    for (name, _) in opens.into_iter().filter(|(_, is_open)| *is_open && !plain) {
        let problem = "is plain HTTP beyond loopback: use `https`, or set `insecure_http = true`";
        reader.fault(&section, name, Fault::new(ConfigErrorCode::NotNamedInsecure, problem));
    }
    let keys = given.map_or_else(|| Endpoint::Discovered(issuer.clone()), Endpoint::Given);
    Some(GuardConfig { issuer, keys, feed, headers, insecure_http: plain })
}

/// Everything that the feed needs, or nothing.
fn feed<'a>(reader: &mut Reader<'a>, section: &Section<'a>, location: &Field<Uri>) -> Option<GuardFeed> {
    let client = reader.text(section, "client_id", value::client_id);
    let method = reader.choice(section, "client_auth");
    let secret = ClientSecret::read(reader, section);
    let refuse_on_loss = reader.choice(section, "on_feed_loss") == "refuse";
    if location.is_absent() {
        for name in ["client_id", "client_auth", "client_secret_file", "client_secret_env", "on_feed_loss"] {
            if section.has(name) {
                let problem = "has no effect without `revocations`";
                reader.fault(section, name, Fault::new(ConfigErrorCode::Conflict, problem));
            }
        }
        return None;
    }
    if client.is_absent() {
        reader.missing(section, "client_id");
    }
    let (name, bytes) = secret.one(reader, section)?;
    let secret: Secret<String> = reader.secret_text(section, name, &bytes)?;
    let client = ClientId::from(client.given()?);
    let location = location.as_given()?.clone();
    let proof = if method == "private_key_jwt" {
        private_key(reader, section, name, &secret);
        FeedProof::PrivateKeyJwt(secret)
    } else {
        FeedProof::Basic(secret)
    };
    Some(GuardFeed { location, client, proof, refuse_on_loss })
}

/// What services are told of the caller, each in a header of its own.
fn headers<'a>(
    reader: &mut Reader<'a>,
    guard: &Section<'a>,
    routes: &[RouteConfig],
) -> Arc<[IdentityHeader]> {
    let section = reader.section(guard, "headers");
    let mut headers: Vec<IdentityHeader> = Vec::new();
    for (key, says) in FACTS {
        let Some(name) = reader.text(&section, key, value::identity_header_name).given() else { continue };
        if headers.iter().any(|other| other.name == name) {
            let problem = "is the name of another of these headers";
            reader.fault(&section, key, Fault::new(ConfigErrorCode::Duplicate, problem));
        }
        if let Some(alias) =
            routes.iter().flat_map(|route| &route.allow_headers).find(|alias| reads_as(alias, &name))
        {
            let problem = format!(
                "is what a lax service takes `{alias}` for, which a route's `allow_headers` lets through"
            );
            reader.fault(&section, key, Fault::new(ConfigErrorCode::Conflict, problem));
        }
        headers.push(IdentityHeader { says, name });
    }
    headers.into()
}

/// The keys of `guard.headers`.
const FACTS: [(&str, IdentityFact); 10] = [
    ("subject", IdentityFact::Subject),
    ("organisation", IdentityFact::Organisation),
    ("roles", IdentityFact::Roles),
    ("scope", IdentityFact::Scope),
    ("username", IdentityFact::Username),
    ("email", IdentityFact::Email),
    ("client_id", IdentityFact::Client),
    ("actor", IdentityFact::Actor),
    ("session", IdentityFact::Session),
    ("token_id", IdentityFact::TokenId),
];

/// Whether the laxest reader takes `alias` for `name`: one that cannot tell `_`, `.` and their like from `-`.
fn reads_as(alias: &HeaderName, name: &HeaderName) -> bool {
    let plain = |byte: u8| if byte.is_ascii_alphanumeric() { byte } else { b'-' };
    alias.as_str().bytes().map(plain).eq(name.as_str().bytes())
}

/// A header that says who calls says it on every route: no client writes it, wherever the service is reached.
pub(super) fn keep_to_ourselves(guard: Option<&GuardConfig>, routes: &mut [RouteConfig]) {
    let Some(guard) = guard.filter(|guard| !guard.headers.is_empty()) else { return };
    for route in routes {
        let names = guard.headers.iter().map(|header| &header.name);
        let mut removed = route.remove_headers.to_vec();
        removed.extend(names.filter(|name| !route.remove_headers.contains(name)).cloned());
        route.remove_headers = removed.into();
    }
}
