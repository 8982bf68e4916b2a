//! Who is logged out, and with which tokens the services are asked.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use serde_json::Value;

use super::Watched;
use crate::{
    Operation,
    client::{Answer, Sent},
    document::Access,
    plan::{Caller, Credential, Which},
    run::{
        engine::{Engine, allowed_uri},
        users::{User, cookie_name, page_origin},
    },
    tokens::{Bearer, Make, Roles},
};

/// The session that is ended where the audit makes its tokens; no other token of the audit is of it.
const SESSION: &str = "countersign-audit-log-out";

/// Who is logged out.
pub(super) struct Victim {
    pub(super) subject: String,
    /// It is the name in tokens, not one that was made up for want of it.
    pub(super) is_known: bool,
    /// The session's name in tokens, if it is known.
    pub(super) session: Option<String>,
    user: Option<User>,
}

impl Victim {
    /// The last of the test users; where tokens are made, somebody who does nothing else.
    pub(super) async fn of(engine: &Engine) -> Self {
        let Some(user) = engine.users.last().filter(|_| engine.is_gateway()) else {
            return Self {
                subject: SESSION.to_owned(),
                is_known: true,
                session: Some(SESSION.to_owned()),
                user: None,
            };
        };
        let told = match asked_of_gateway(engine, user, Method::GET, "/.countersign/session").await {
            Ok(answer) if answer.is_success() => serde_json::from_slice(&answer.body).unwrap_or(Value::Null),
            _ => Value::Null,
        };
        let text = |place: &str| told.pointer(place).and_then(Value::as_str).map(str::to_owned);
        let subject = user.subject.clone().or_else(|| text("/user/sub"));
        Self {
            is_known: subject.is_some(),
            subject: subject.unwrap_or_else(|| user.name.clone()),
            session: text("/sid"),
            user: Some(user.clone()),
        }
    }
}

/// Every place that is asked, by name: operations of the target, then the named services.
pub(super) async fn watched(engine: &Engine, victim: &Victim) -> Vec<(String, Result<Watched, String>)> {
    let mut all = Vec::new();
    for operation in operations(engine) {
        let name = operation.name();
        let request = engine.request_of(&operation, victim);
        let watched = request.map(|request| Watched {
            name: name.clone(),
            path: operation.path.clone(),
            line: operation.line,
            request,
        });
        all.push((name, watched));
    }
    for (name, service) in &engine.options.settings.logout.services {
        let audience = service.audience.as_deref().unwrap_or(name);
        let watched = match engine.request_at(&service.url) {
            Err(problem) => Err(problem),
            Ok(request) => engine.service_token(victim, audience).await.and_then(|token| {
                let request = with_field(request, header::AUTHORIZATION, &format!("Bearer {token}"))?;
                let path = format!("{name}:{}", request.uri.path());
                Ok(Watched { name: name.clone(), path, line: 0, request })
            }),
        };
        all.push((name.clone(), watched));
    }
    all
}

/// Those that are named, else the first that needs nothing but a token; with services, none need be.
fn operations(engine: &Engine) -> Vec<Operation> {
    let ground = engine.ground();
    let named = &engine.options.settings.logout.operations;
    let mut operations: Vec<Operation> =
        named.iter().filter_map(|name| ground.named(name)).cloned().collect();
    if operations.is_empty() {
        let first = engine.options.document.operations.iter().find(|operation| {
            operation.method == "GET"
                && operation.path_parameters().next().is_none()
                && ground.access(operation) != Access::Public
                && !ground.is_skipped(operation)
        });
        operations.extend(first.cloned());
    }
    operations
}

/// What the gateway itself says to a page of that user.
async fn asked_of_gateway(
    engine: &Engine,
    user: &User,
    method: Method,
    path: &str,
) -> Result<Answer, String> {
    let request = Sent {
        method,
        uri: format!("{}{path}", engine.origin).parse().map_err(|_| format!("`{path}` cannot be sent"))?,
        headers: HeaderMap::new(),
        body: Bytes::new(),
    };
    let request = with_field(request, header::COOKIE, &engine.cookie_of(user))?;
    let request = with_field(request, HeaderName::from_static("countersign"), "1")?;
    let request = with_field(request, HeaderName::from_static("sec-fetch-site"), "same-origin")?;
    let request = with_field(request, header::ORIGIN, &page_origin(&engine.options))?;
    engine.client.send(&request).await.map_err(|error| error.to_string())
}

fn with_field(mut request: Sent, name: HeaderName, value: &str) -> Result<Sent, String> {
    let mut value =
        HeaderValue::from_str(value).map_err(|_| format!("no field `{name}` can hold the value"))?;
    value.set_sensitive(true);
    request.headers.insert(name, value);
    Ok(request)
}

impl Engine {
    fn cookie_of(&self, user: &User) -> String {
        format!("{}={}", cookie_name(&self.options), user.cookie.expose())
    }

    /// The good request of the one who will be logged out.
    fn request_of(&self, operation: &Operation, victim: &Victim) -> Result<Sent, String> {
        let ground = self.ground();
        let caller = ground.allowed(operation, Which::A);
        let request = self.resolve(&ground.call(operation, caller.clone(), Credential::Absent), None)?;
        match &victim.user {
            Some(user) => with_field(request, header::COOKIE, &self.cookie_of(user)),
            None => {
                let bearer = Bearer {
                    subject: victim.subject.clone(),
                    session: SESSION.to_owned(),
                    ..ground.bearer(&caller)
                };
                let token = self.mint.token(&bearer, self.key, Make::Good, self.options.clock.now());
                with_field(request, header::AUTHORIZATION, &format!("Bearer {token}"))
            }
        }
    }

    fn request_at(&self, url: &str) -> Result<Sent, String> {
        let uri: Uri = url.parse().map_err(|_| format!("`{url}` is no URL"))?;
        allowed_uri(&uri, &self.options.own_hosts).map_err(|error| error.to_string())?;
        Ok(Sent { method: Method::GET, uri, headers: HeaderMap::new(), body: Bytes::new() })
    }

    /// A token for one service: made here, or what the gateway gives the user for it.
    async fn service_token(&self, victim: &Victim, audience: &str) -> Result<String, String> {
        let Some(user) = &victim.user else {
            let ground = self.ground();
            let caller = Caller {
                organisation: Which::A,
                says_organisation: true,
                roles: Roles::List(ground.roles.to_vec()),
                scopes: Vec::new(),
            };
            let bearer = Bearer {
                subject: victim.subject.clone(),
                session: SESSION.to_owned(),
                ..ground.bearer(&caller)
            };
            return Ok(self.mint.token_for(audience, &bearer, self.key, self.options.clock.now()));
        };
        let path = format!("/.countersign/renew?audience={}", crate::run::resolve::escaped(audience));
        let answer = asked_of_gateway(self, user, Method::POST, &path).await?;
        let told: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        told.get("token").and_then(Value::as_str).map(str::to_owned).ok_or_else(|| {
            format!(
                "the gateway gives no token for `{audience}` ({}): its [browser] needs `mode = \"bearer\"` and `{audience}` \
                 among its `audiences`, and [gateway] here the `origin` of its pages",
                answer.status
            )
        })
    }
}
