//! Each fault is one: a request shows it with the fault on, and is refused without. And without a fault the service
//! refuses the whole catalogue of bad tokens, and knows its own document.

mod exhibits;
mod rows;

use std::sync::Arc;

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, HeaderValue, Request, StatusCode, header},
};
use countersign::testkit::{Setup, TestIssuer, odd_tokens};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Fault, Faults, JwksSource, Trust, service::Service};

/// The service without a network, and who signs for it.
struct Stage {
    service: Service,
    issuer: TestIssuer,
    _folder: TempDir,
}

/// What came back.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Stage {
    fn with(faults: impl Into<Faults>) -> Self {
        let issuer = TestIssuer::new("orders");
        let trust = Trust {
            issuer: issuer.issuer().clone(),
            audience: issuer.audience().clone(),
            jwks: JwksSource::Keys(issuer.key_set()),
            clock: Arc::new(issuer.clock().clone()),
        };
        let folder = tempfile::tempdir().unwrap();
        let service = Service::new(faults.into(), trust, folder.path()).unwrap();
        Self { service, issuer, _folder: folder }
    }

    fn token(&self, organisation: &str, role: &str) -> String {
        self.issuer.token().organisation(organisation).role(role).sign()
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, String)], body: Value) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let answer = self.service.handle(request.body(body).unwrap()).await;
        let (parts, body) = answer.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// With a token.
    async fn with_token(&self, token: &str, method: &str, path: &str, body: Value) -> Answer {
        self.ask(method, path, &[("authorization", format!("Bearer {token}"))], body).await
    }

    async fn get(&self, token: &str, path: &str) -> Answer {
        self.with_token(token, "GET", path, Value::Null).await
    }
}

impl Answer {
    fn names(&self) -> Vec<&str> {
        self.body.as_array().unwrap().iter().map(|record| record["name"].as_str().unwrap()).collect()
    }
}

/// Some are no text that a header field can hold, and white space at its ends is not part of it.
fn can_be_sent(token: &str) -> bool {
    HeaderValue::from_str(token).is_ok() && token.trim() == token
}

#[tokio::test]
async fn each_organisation_works_with_its_own() {
    let stage = Stage::with(Faults::NONE);
    let (acme, globex) = (stage.token("acme", "editor"), stage.token("globex", "editor"));
    assert_eq!(stage.get(&acme, "/v2/projects").await.names(), ["Tunnel"]);
    assert_eq!(stage.get(&globex, "/v2/invoices").await.names(), ["Hammocks"]);

    let body = json!({ "name": "Bridge", "note": "soon" });
    let made = stage.with_token(&acme, "POST", "/v2/projects", body).await;
    assert_eq!((made.status, &made.body["organisation"]), (StatusCode::CREATED, &json!("acme")));
    let path = format!("/v2/projects/{}", made.body["id"].as_str().unwrap());
    let absent = stage.get(&acme, "/v2/projects/p-0").await;
    for method in ["GET", "PUT", "DELETE"] {
        let foreign = stage.with_token(&globex, method, &path, json!({ "name": "Mine" })).await;
        assert_eq!((foreign.status, &foreign.body), (StatusCode::NOT_FOUND, &absent.body), "{method}");
    }
    let changed = stage.with_token(&acme, "PUT", &path, json!({ "name": "Dam" })).await;
    assert_eq!((changed.status, &changed.body["name"]), (StatusCode::OK, &json!("Dam")));
    assert_eq!(stage.get(&acme, "/v2/projects?q=Da").await.names(), ["Dam"]);
    assert_eq!(stage.with_token(&acme, "DELETE", &path, Value::Null).await.status, StatusCode::NO_CONTENT);
    assert_eq!(stage.get(&acme, &path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn roles_decide_who_changes_and_who_reads_the_report() {
    let stage = Stage::with(Faults::NONE);
    for (role, create, report) in [("viewer", 403, 403), ("editor", 201, 403), ("admin", 201, 200)] {
        let token = stage.token("acme", role);
        let made = stage.with_token(&token, "POST", "/v2/invoices", json!({ "name": "Rope" })).await;
        assert_eq!(made.status.as_u16(), create, "{role}");
        assert_eq!(stage.get(&token, "/v2/reports/usage").await.status.as_u16(), report, "{role}");
    }
    let nobodys = stage.issuer.token().role("admin").sign();
    assert_eq!(stage.get(&nobodys, "/v2/projects").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_makes_no_sense_is_answered_and_strangers_learn_nothing() {
    let stage = Stage::with(Faults::NONE);
    let token = stage.token("acme", "editor");
    let invalid = stage.with_token(&token, "POST", "/v2/projects", json!({ "note": "nameless" })).await;
    assert_eq!(invalid.status, StatusCode::UNPROCESSABLE_ENTITY);
    let allowed = stage.with_token(&token, "OPTIONS", "/v2/invoices/i-1001", Value::Null).await;
    assert_eq!(
        (allowed.status, &allowed.headers[header::ALLOW]),
        (StatusCode::NO_CONTENT, &"GET".parse().unwrap())
    );
    for (method, path, with_token) in [
        ("DELETE", "/v2/invoices/i-1001", 405),
        ("PATCH", "/v2/projects", 405),
        ("GET", "/v2/projects/", 404),
        ("GET", "/v1/projects", 404),
        ("GET", "/v2/projects/p-1001/x", 404),
        ("POST", "/v2/projects", 422),
    ] {
        let known = stage.with_token(&token, method, path, Value::Null).await;
        let stranger = stage.ask(method, path, &[], Value::Null).await;
        assert_eq!((known.status.as_u16(), stranger.status.as_u16()), (with_token, 401), "{method} {path}");
        assert_eq!(stranger.headers[header::WWW_AUTHENTICATE], "Bearer", "{method} {path}");
    }
    for path in ["/health", "/openapi.json"] {
        assert_eq!(stage.ask("GET", path, &[], Value::Null).await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn the_whole_catalogue_is_refused_and_what_is_odd_is_not() {
    let stage = Stage::with(Faults::NONE);
    for (row, token) in stage.issuer.bad_tokens().filter(|(_, token)| can_be_sent(token)) {
        let refused = stage.get(&token, "/v2/projects").await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{}", row.name());
        assert_eq!(refused.body["code"], row.refusal().code(), "{}", row.name());
    }
    for row in odd_tokens().filter(|row| row.setup() == Setup::Keys) {
        let answer = stage.get(&row.token(&stage.issuer), "/v2/projects").await;
        assert!([200, 403].contains(&answer.status.as_u16()), "{}: {answer:?}", row.name());
    }
}

#[tokio::test]
async fn a_fault_of_the_token_lets_in_its_rows_and_no_other() {
    let (mut seen, mut unexpected) = (0, Vec::new());
    let issuer = TestIssuer::new("orders");
    let catalogue: Vec<_> = issuer.bad_tokens().filter(|(_, token)| can_be_sent(token)).collect();
    for fault in Fault::ALL {
        let stage = Stage::with(*fault);
        for (row, token) in &catalogue {
            let answer = stage.get(token, "/v2/projects").await;
            let gets_in = answer.status == StatusCode::OK;
            if gets_in != rows::gets_in(*fault, row) {
                unexpected.push(format!("{fault}: {} is answered {}", row.name(), answer.status));
            }
            seen += usize::from(gets_in);
        }
    }
    assert!(unexpected.is_empty(), "{unexpected:#?}");
    assert!(seen > 100, "{seen}");
}

#[tokio::test]
async fn each_fault_shows_and_without_it_nothing_does() {
    for fault in Fault::ALL {
        assert!(exhibits::is_seen(*fault, &Stage::with(*fault)).await, "{fault} does not show");
        assert!(
            !exhibits::is_seen(*fault, &Stage::with(Faults::NONE)).await,
            "{fault} shows without being on"
        );
        for other in Fault::ALL.iter().filter(|other| *other != fault) {
            assert!(
                !exhibits::is_seen(*fault, &Stage::with(*other)).await,
                "{fault} shows where {other} is on"
            );
        }
    }
}

#[test]
fn the_document_has_what_the_service_does() {
    let document: Value = serde_json::from_str(super::document::TEXT).unwrap();
    let operations: Vec<String> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().unwrap().keys().map(move |method| format!("{method} {path}"))
        })
        .filter(|operation| !operation.starts_with("parameters"))
        .collect();
    assert_eq!(operations.len(), 10, "{operations:?}");
    assert_eq!(document["openapi"], "3.1.0");
}
