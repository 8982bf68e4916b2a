//! `[guard]`: the issuer whose tokens guarded routes let through.

use countersign::{ClientId, Issuer, Secret};
use http::Uri;

use crate::config::{
    error::ConfigErrorCode,
    read::client_secret::ClientSecret,
    reader::{Fault, Field, Reader, Section},
    resolved::{Endpoint, GuardConfig, GuardFeed, RouteConfig, RouteKind},
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
    Some(GuardConfig { issuer, keys, feed, insecure_http: plain })
}

/// Everything that the feed needs, or nothing.
fn feed<'a>(reader: &mut Reader<'a>, section: &Section<'a>, location: &Field<Uri>) -> Option<GuardFeed> {
    let client = reader.text(section, "client_id", value::client_id);
    let secret = ClientSecret::read(reader, section);
    let refuse_on_loss = reader.choice(section, "on_feed_loss") == "refuse";
    if location.is_absent() {
        for name in ["client_id", "client_secret_file", "client_secret_env", "on_feed_loss"] {
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
    Some(GuardFeed { location, client, secret, refuse_on_loss })
}
