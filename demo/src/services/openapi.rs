//! What the services say of themselves: OpenAPI documents, public at `/openapi.json`.

use axum::{http::header, response::IntoResponse};

/// Where each service has its document.
pub(super) const PATH: &str = "/openapi.json";
const ORDERS: &str = include_str!("openapi/orders.json");
const NOTES: &str = include_str!("openapi/notes.json");

pub(super) async fn orders() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], ORDERS)
}

pub(super) async fn notes() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], NOTES)
}
