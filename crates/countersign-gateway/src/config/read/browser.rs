//! `[browser]`: the session endpoints.

use countersign::{Audience, Issuer};

use crate::config::{
    error::ConfigErrorCode,
    reader::{Fault, Reader, Section},
    resolved::{BrowserConfig, BrowserMode, RouteConfig, RouteKind, SessionConfig},
    value,
};

pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    top: &Section<'a>,
    session: Option<&SessionConfig>,
    routes: &[RouteConfig],
    issuer: Option<&Issuer>,
) -> Option<BrowserConfig> {
    let section = reader.section(top, "browser");
    let login_url = reader.text(&section, "login_url", value::login_page).given();
    let logout_url = reader.text(&section, "logout_url", value::page).given();
    let mode = match reader.choice(&section, "mode") {
        "bearer" => BrowserMode::Bearer,
        _ => BrowserMode::Cookie,
    };
    let audiences = reader.list(&section, "audiences", value::identifier).given().unwrap_or_default();
    let audiences: Vec<Audience> = audiences.into_iter().map(Audience::from).collect();
    let allowed_origins = reader.list(&section, "allowed_origins", value::origin).given().unwrap_or_default();
    let redirect = reader.flag(&section, "redirect");
    if section.is_absent() {
        return None;
    }
    fits_session(reader, &section, mode, session);
    fits_routes(reader, &section, mode, &audiences, routes);
    if let Some(issuer) = issuer {
        reserves_audience(reader, &section, issuer, routes);
    }
    Some(BrowserConfig { login_url: login_url?, logout_url, mode, audiences, allowed_origins, redirect })
}

fn fits_session(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    mode: BrowserMode,
    session: Option<&SessionConfig>,
) {
    let Some(session) = session else { return };
    if session.cookie.is_none() {
        let problem = "needs `session.cookie`: the session endpoints take nothing else";
        reader.fault(section, "login_url", Fault::new(ConfigErrorCode::Conflict, problem));
    }
    if mode == BrowserMode::Bearer && session.bearer {
        let problem = "excludes `session.bearer`: a bearer token would have two meanings";
        reader.fault(section, "mode", Fault::new(ConfigErrorCode::Conflict, problem));
    }
}

fn fits_routes(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    mode: BrowserMode,
    audiences: &[Audience],
    routes: &[RouteConfig],
) {
    if mode == BrowserMode::Cookie && !audiences.is_empty() {
        let problem = "has no effect without `mode = \"bearer\"`: in cookie mode no token reaches a page";
        reader.fault(section, "audiences", Fault::new(ConfigErrorCode::Conflict, problem));
    }
    let has_route = |audience: &Audience| routes.iter().any(|route| audience_of(route) == Some(audience));
    if !audiences.iter().all(has_route) {
        let problem = "names an audience that no route has";
        reader.fault(section, "audiences", Fault::new(ConfigErrorCode::Conflict, problem));
    }
}

/// A service of that name would get what pages present to the gateway.
fn reserves_audience(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    issuer: &Issuer,
    routes: &[RouteConfig],
) {
    let own = BrowserConfig::audience_of(issuer);
    if routes.iter().any(|route| audience_of(route) == Some(&own)) {
        let problem = "is needed for the audience that a route has: `<issuer>/browser` is the gateway itself";
        reader.fault(section, "login_url", Fault::new(ConfigErrorCode::Conflict, problem));
    }
}

const fn audience_of(route: &RouteConfig) -> Option<&Audience> {
    match &route.kind {
        RouteKind::Translate(translate) => Some(&translate.audience),
        RouteKind::Guard(_) | RouteKind::Legacy | RouteKind::Public => None,
    }
}
