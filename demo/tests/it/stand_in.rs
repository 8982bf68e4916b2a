//! As little of a gateway as the story needs, with faults to order.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use countersign::{Claims, Clock, KeySet, OrganisationId, Role, SigningKey, SystemClock, jws::Algorithm};
use countersign_demo::{CLIENT_ID, COOKIE, RunningDemo};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::Instant};

/// What a stand-in does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    AnyPage,
    AsksEachTime,
    LetsNobodyIn,
    NeverAsksAgain,
    None,
    PassesHeaders,
    ShowsToken,
}

#[derive(Clone)]
pub(crate) struct StandIn(Arc<Inner>);

struct Inner {
    fault: Fault,
    issuer: String,
    upstreams: [String; 3],
    basic: String,
    key: SigningKey,
    http: Client<HttpConnector, Body>,
    known: Mutex<HashMap<String, (Instant, Value)>>,
}

/// Listens where the demo's gateway is to be.
pub(crate) async fn start(demo: &RunningDemo, fault: Fault) {
    let secret = std::fs::read_to_string(demo.folder().join("gateway.secret")).unwrap();
    let stand_in = StandIn(Arc::new(Inner {
        fault,
        issuer: demo.gateway_url().to_owned(),
        upstreams: [demo.old_server_url(), demo.orders_url(), demo.notes_url()].map(str::to_owned),
        basic: format!("Basic {}", BASE64_STANDARD.encode(format!("{CLIENT_ID}:{secret}"))),
        key: SigningKey::generate(Algorithm::Es256).unwrap(),
        http: Client::builder(TokioExecutor::new()).build_http(),
        known: Mutex::default(),
    }));
    let listener = TcpListener::bind(demo.gateway_url().trim_start_matches("http://")).await.unwrap();
    let router = Router::new().fallback(answer).with_state(stand_in);
    tokio::spawn(async move { axum::serve(listener, router).await });
}

async fn answer(State(gateway): State<StandIn>, request: Request) -> Response {
    let [old_server, orders, notes] = &gateway.0.upstreams;
    let path = request.uri().path();
    if path == "/.well-known/jwks.json" {
        let keys = KeySet::new([gateway.0.key.verifying_key().unwrap()]).unwrap();
        return axum::Json(keys).into_response();
    }
    let (upstream, audience) = match path {
        _ if path.starts_with("/orders/") => (orders, "orders"),
        _ if path.starts_with("/notes/") => (notes, "notes"),
        _ => return gateway.forward(old_server, request).await,
    };
    match gateway.translate(upstream, audience, request).await {
        Ok(response) | Err(response) => response,
    }
}

impl StandIn {
    async fn translate(
        &self,
        upstream: &str,
        audience: &str,
        mut request: Request,
    ) -> Result<Response, Response> {
        let headers = request.headers();
        let cookie = headers.get(header::COOKIE).and_then(|value| value.to_str().ok());
        let credential = cookie.and_then(|cookie| cookie.strip_prefix(&format!("{COOKIE}=")));
        let credential = credential.ok_or_else(|| refused(StatusCode::UNAUTHORIZED, "credential_missing"))?;
        let same_site = headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin");
        if request.method() != Method::GET && !same_site && self.0.fault != Fault::AnyPage {
            return Err(refused(StatusCode::FORBIDDEN, "csrf"));
        }
        let session = self.session(credential).await;
        if session["active"] != true || self.0.fault == Fault::LetsNobodyIn {
            return Err(refused(StatusCode::UNAUTHORIZED, "session_ended"));
        }
        let token = self.sign(audience, &session);
        let kept = match self.0.fault {
            Fault::PassesHeaders => headers.clone(),
            _ => HeaderMap::from_iter(
                headers.get(header::CONTENT_TYPE).map(|kind| (header::CONTENT_TYPE, kind.clone())),
            ),
        };
        *request.headers_mut() = kept;
        let bearer = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
        request.headers_mut().insert(header::AUTHORIZATION, bearer.clone());
        let mut response = self.forward(upstream, request).await;
        if self.0.fault == Fault::ShowsToken {
            response.headers_mut().insert("x-debug", bearer);
        }
        Ok(response)
    }

    async fn session(&self, credential: &str) -> Value {
        let fresh = match self.0.fault {
            Fault::AsksEachTime => Duration::ZERO,
            Fault::NeverAsksAgain => Duration::from_secs(3600),
            _ => Duration::from_secs(1),
        };
        let known = self.0.known.lock().unwrap().get(credential).cloned();
        if let Some((_, session)) = known.filter(|(since, _)| since.elapsed() < fresh) {
            return session;
        }
        let question = Request::post(format!("{}/oauth2/introspect", self.0.upstreams[0]))
            .header(header::AUTHORIZATION, &self.0.basic)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(format!("token={credential}")))
            .unwrap();
        let body = self.0.http.request(question).await.unwrap().into_body();
        let session: Value =
            serde_json::from_slice(&to_bytes(Body::new(body), 1 << 16).await.unwrap()).unwrap();
        let entry = (Instant::now(), session.clone());
        self.0.known.lock().unwrap().insert(credential.to_owned(), entry);
        session
    }

    fn sign(&self, audience: &str, session: &Value) -> String {
        let now = SystemClock.now();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let claims = Claims {
            iss: self.0.issuer.as_str().into(),
            aud: audience.into(),
            sub: text(&session["sub"]).into(),
            client_id: text(&session["client_id"]).into(),
            iat: now,
            exp: now.saturating_add(Duration::from_secs(300)),
            jti: "stand-in".into(),
            sid: None,
            roles: session["authorities"]
                .as_array()
                .unwrap()
                .iter()
                .map(|role| Role::from(text(role)))
                .collect(),
            organisation: OrganisationId::new(&text(&session["org"]["id"])).ok(),
            scope: None,
            username: None,
            email: None,
        };
        self.0.key.sign("at+jwt", &claims).unwrap()
    }

    async fn forward(&self, upstream: &str, mut request: Request) -> Response {
        let path = request.uri().path_and_query().unwrap().clone();
        *request.uri_mut() = Uri::try_from(format!("{upstream}{path}")).unwrap();
        self.0.http.request(request).await.unwrap().map(Body::new)
    }
}

fn refused(status: StatusCode, code: &str) -> Response {
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
    (status, challenge, json!({ "code": code }).to_string()).into_response()
}
