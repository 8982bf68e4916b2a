//! The page and what it is made of, without anything from elsewhere.

use axum::{
    Json,
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

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
