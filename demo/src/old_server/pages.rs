//! The page and what it is made of, without anything from elsewhere.

use axum::{
    Json,
    extract::{Query, State},
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::OldServer;

use crate::people::{PASSWORD, PEOPLE};

/// Nothing from elsewhere, nothing inline.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                      img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

fn asset(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, text).into_response()
}

pub(super) async fn page() -> Response {
    asset("text/html; charset=utf-8", include_str!("../../web/page.html"))
}

pub(super) async fn style() -> Response {
    asset("text/css; charset=utf-8", include_str!("../../web/demo.css"))
}

pub(super) async fn program() -> Response {
    asset("text/javascript; charset=utf-8", include_str!("../../web/demo.js"))
}

pub(super) async fn measure() -> Response {
    asset("text/javascript; charset=utf-8", include_str!("../../web/measure.js"))
}

pub(super) async fn steps() -> Response {
    asset("text/javascript; charset=utf-8", include_str!("../../web/steps.js"))
}

#[derive(Deserialize)]
pub(super) struct ComingFrom {
    #[serde(default)]
    next: String,
}

/// The log-in page, as strict with windows as the big ones are: the page that opened it loses sight of it.
pub(super) async fn login(State(server): State<OldServer>, Query(from): Query<ComingFrom>) -> Response {
    let form = include_str!("../../web/login.html")
        .replace("{next}", &escaped(&server.stage.way_back(&from.next)))
        .replace("{as}", &escaped(&server.stage.who_logs_in()));
    let mut response = asset("text/html; charset=utf-8", "");
    *response.body_mut() = form.into();
    // what a form leads to is held to the policy too, and it leads back to the gateway
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&POLICY.replace("form-action 'self'", "form-action *")) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    let opener = HeaderName::from_static("cross-origin-opener-policy");
    headers.insert(opener, HeaderValue::from_static("same-origin"));
    response
}

pub(super) async fn login_program() -> Response {
    asset("text/javascript; charset=utf-8", include_str!("../../web/login.js"))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}

/// Whom the page offers to log in.
pub(super) async fn people() -> Json<Value> {
    let people: Vec<Value> = PEOPLE
        .iter()
        .map(|person| {
            json!({
                "username": person.username,
                "name": person.name,
                "organisation": person.organisation,
                "roles": person.roles,
                "password": PASSWORD,
            })
        })
        .collect();
    Json(Value::Array(people))
}
