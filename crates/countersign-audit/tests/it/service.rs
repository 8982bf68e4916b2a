//! A service with notes of organisations, built with the library; a few handlers can be made faulty.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use countersign::{
    HasRole, InOrganisation, KeySet, RoleName, Verifier, axum::ProtectedRouter, tower::Authenticate,
};
use countersign_audit::{Keys, Options, Quiet, Report, Settings, Supply, parse_document};
use serde_json::{Value, json};

pub(crate) const DOCUMENT: &str = r##"openapi: 3.1.0
info: { title: Notes, version: "1" }
security: [{ token: [] }]
components:
  securitySchemes: { token: { type: http, scheme: bearer } }
paths:
  /health:
    get: { security: [], responses: {} }
  /notes:
    get: { responses: {} }
    post:
      security: [{ token: [editor] }]
      requestBody:
        content:
          application/json:
            schema: { type: object, required: [title], properties: { title: { type: string } } }
      responses: {}
  /notes/{id}:
    parameters: [{ name: id, in: path, required: true, schema: { type: integer } }]
    get: { responses: {} }
    put:
      security: [{ token: [editor] }]
      requestBody:
        content:
          application/json:
            schema: { type: object, required: [title], properties: { title: { type: string } } }
      responses: {}
    delete: { security: [{ token: [editor] }], responses: {} }
"##;

pub(crate) const SETTINGS: &str = r#"
audience = "notes"
[organisations.a]
id = "acme"
[organisations.b]
id = "globex"
[objects.note]
create = "POST /notes"
body = { title = "{canary}" }
[paths."/notes/{id}"]
id = "note"
[allow]
"GET /health" = "public"
"#;

struct Editor;

impl RoleName for Editor {
    const NAME: &'static str = "editor";
}

/// What is wrong with the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    ForeignObjectIsForbidden,
    ForeignObjectIsRead,
    HeaderNamesOrganisation,
    ListIsNotFiltered,
    None,
    RoleIsNotChecked,
}

#[derive(Clone)]
struct Notes {
    fault: Fault,
    rows: Arc<Mutex<BTreeMap<u64, (String, String)>>>,
    next: Arc<Mutex<u64>>,
}

impl Notes {
    fn find(&self, of: &InOrganisation, id: u64) -> Result<(u64, String), StatusCode> {
        let rows = self.rows.lock().unwrap();
        let (organisation, title) = rows.get(&id).ok_or(StatusCode::NOT_FOUND)?;
        if organisation == of.organisation().as_str() || self.fault == Fault::ForeignObjectIsRead {
            return Ok((id, title.clone()));
        }
        Err(if self.fault == Fault::ForeignObjectIsForbidden {
            StatusCode::FORBIDDEN
        } else {
            StatusCode::NOT_FOUND
        })
    }
}

fn title(body: &Value) -> Result<String, StatusCode> {
    body.get("title").and_then(Value::as_str).map(str::to_owned).ok_or(StatusCode::UNPROCESSABLE_ENTITY)
}

async fn list(
    of: InOrganisation,
    State(notes): State<Notes>,
    headers: HeaderMap,
    Query(_): Query<BTreeMap<String, String>>,
) -> Json<Value> {
    let mut wanted = of.organisation().as_str().to_owned();
    if notes.fault == Fault::HeaderNamesOrganisation
        && let Some(named) = headers.get("x-tenant-id").and_then(|value| value.to_str().ok())
    {
        named.clone_into(&mut wanted);
    }
    let rows = notes.rows.lock().unwrap();
    let seen = rows
        .iter()
        .filter(|(_, (organisation, _))| *organisation == wanted || notes.fault == Fault::ListIsNotFiltered);
    Json(seen.map(|(id, (_, title))| json!({ "id": id, "title": title })).collect())
}

async fn read(of: InOrganisation, State(notes): State<Notes>, Path(id): Path<u64>) -> Response {
    match notes.find(&of, id) {
        Ok((id, title)) => Json(json!({ "id": id, "title": title })).into_response(),
        Err(status) => status.into_response(),
    }
}

async fn create(
    _: HasRole<Editor>,
    of: InOrganisation,
    State(notes): State<Notes>,
    Json(body): Json<Value>,
) -> Response {
    make(&of, &notes, &body)
}

async fn create_without_role(
    of: InOrganisation,
    State(notes): State<Notes>,
    Json(body): Json<Value>,
) -> Response {
    make(&of, &notes, &body)
}

fn make(of: &InOrganisation, notes: &Notes, body: &Value) -> Response {
    let title = match title(body) {
        Ok(title) => title,
        Err(status) => return status.into_response(),
    };
    let mut next = notes.next.lock().unwrap();
    *next += 1;
    notes.rows.lock().unwrap().insert(*next, (of.organisation().as_str().to_owned(), title.clone()));
    (StatusCode::CREATED, Json(json!({ "id": *next, "title": title }))).into_response()
}

async fn change(
    _: HasRole<Editor>,
    of: InOrganisation,
    State(notes): State<Notes>,
    Path(id): Path<u64>,
    Json(body): Json<Value>,
) -> Response {
    if let Err(status) = notes.find(&of, id) {
        return status.into_response();
    }
    match title(&body) {
        Ok(title) => {
            notes.rows.lock().unwrap().entry(id).and_modify(|row| row.1.clone_from(&title));
            Json(json!({ "id": id, "title": title })).into_response()
        }
        Err(status) => status.into_response(),
    }
}

async fn remove(
    _: HasRole<Editor>,
    of: InOrganisation,
    State(notes): State<Notes>,
    Path(id): Path<u64>,
) -> StatusCode {
    match notes.find(&of, id) {
        Ok(_) => {
            notes.rows.lock().unwrap().remove(&id);
            StatusCode::NO_CONTENT
        }
        Err(status) => status,
    }
}

/// Starts the service, which trusts the audit's issuer with those keys.
pub(crate) async fn start(fault: Fault, keys: &Keys) -> SocketAddr {
    let verifier = Verifier::builder()
        .issuer(countersign_audit::ISSUER)
        .audience("notes")
        .key_set(KeySet::parse(keys.key_set_json().as_bytes()).unwrap())
        .build()
        .unwrap();
    let mut router = ProtectedRouter::new().public_route("/health", get(|| async { "ok" }));
    router = match fault {
        Fault::RoleIsNotChecked => router.route("/notes", get(list).post(create_without_role)),
        _ => router.route("/notes", get(list).post(create)),
    };
    let router = router.route("/notes/{id}", get(read).put(change).delete(remove));
    let notes = Notes { fault, rows: Arc::default(), next: Arc::default() };
    let app: Router = router.build(&Authenticate::new(verifier), &["/health"]).unwrap().with_state(notes);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

pub(crate) fn options(address: SocketAddr, keys: Keys) -> Options {
    let document = parse_document("openapi.yaml", DOCUMENT.as_bytes()).unwrap();
    let settings = Settings::parse("audit.toml", SETTINGS).unwrap();
    settings.check_against(&document, "audit.toml", SETTINGS).unwrap();
    let supply = Supply::OwnKey { keys: Some(keys), listen: None };
    Options::for_target(&format!("http://{address}")).document(document).settings(settings).supply(supply)
}

pub(crate) async fn audited(fault: Fault) -> Report {
    let keys = Keys::generate().unwrap();
    let address = start(fault, &keys).await;
    countersign_audit::run(options(address, keys), &mut Quiet).await.unwrap()
}
