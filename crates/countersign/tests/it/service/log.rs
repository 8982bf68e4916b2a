//! What the log learns of refusals, and of a look across organisations.

use std::{
    fmt::Debug,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Body, http::Request, routing::get};
use countersign::{
    Caller, HasClaim, HasRole, HasScope,
    axum::ProtectedRouter,
    scope::{CrossOrganisation, Select, SupportRole, sqlite::ScopedPool},
    testkit::TestIssuer,
    tower::Authenticate,
};
use sqlx::sqlite::SqlitePoolOptions;
use tower::ServiceExt;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use super::Order;

countersign::roles! {
    Support = "support";
}
impl SupportRole for Support {}

countersign::scopes! {
    Read = "orders:read";
}

#[derive(serde::Deserialize)]
struct Limit;

impl countersign::CustomClaim for Limit {
    const NAME: &'static str = "limit";
}

/// Keeps each event as `LEVEL target name=value …`.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn lines(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 += &format!(" {}={value:?}", field.name());
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO && metadata.target().starts_with("countersign::")
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(format!("{} {}", event.metadata().level(), event.metadata().target()));
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[tokio::test]
async fn the_log_learns_why_a_request_was_refused_and_never_its_token() {
    let log = Log::default();
    let _until_the_end = tracing::subscriber::set_default(log.clone());
    let issuer = TestIssuer::new("orders");
    let router: Router = ProtectedRouter::new()
        .route("/", get(async |_: Caller| "in"))
        .route("/support", get(async |_: HasRole<Support>| "in"))
        .route("/scope", get(async |_: HasScope<Read>| "in"))
        .route("/claim", get(async |_: HasClaim<Limit>| "in"))
        .build(&Authenticate::new(issuer.verifier()), &[])
        .unwrap();
    let good = issuer.token().subject("ann");
    for (path, token, code, claim) in [
        ("/", good.clone().without("jti").sign(), "claim_missing", Some("jti")),
        ("/", good.clone().claim("roles", "editor").sign(), "claim_malformed", Some("roles")),
        ("/", good.clone().audience("notes").sign(), "audience_mismatch", None),
        ("/", good.clone().sign() + "x", "token_malformed", None),
        ("/support", good.clone().sign(), "role_missing", None),
        ("/scope", good.clone().sign(), "scope_missing", None),
        ("/claim", good.clone().sign(), "claim_required", Some("limit")),
    ] {
        let bearer = format!("Bearer {token}");
        let request = Request::get(path).header("Authorization", bearer).body(Body::empty()).unwrap();
        router.clone().oneshot(request).await.unwrap();
        let claim = claim.map(|claim| format!(" claim={claim:?}")).unwrap_or_default();
        let line = format!("INFO countersign::refused code={code:?}{claim} message=a request was refused");
        let lines = log.lines();
        let sorted = |line: &str| line.contains(&format!("code={code:?}")) && line.contains(&claim);
        assert!(lines.len() == 1 && sorted(&lines[0]), "{path}: {lines:?}, not {line}");
        assert!(lines[0].starts_with("INFO countersign::refused "), "{lines:?}");
        for segment in token.split('.') {
            assert!(!lines[0].contains(segment), "{lines:?}");
        }
        assert!(!lines[0].contains("ann"), "{lines:?}");
    }
    let request = Request::get("/").header("Authorization", format!("Bearer {}", good.sign()));
    router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(log.lines(), [""; 0], "a good request is no news");
}

#[tokio::test]
async fn a_handler_that_nothing_protects_is_an_error_in_the_log() {
    let log = Log::default();
    let _until_the_end = tracing::subscriber::set_default(log.clone());
    let router: Router = Router::new().route("/open", get(async |_: Caller| "in"));
    let request = Request::get("/open").body(Body::empty()).unwrap();
    assert_eq!(router.oneshot(request).await.unwrap().status(), 401);
    let lines = log.lines();
    assert!(lines[0].starts_with("ERROR countersign::refused ") && lines[0].contains("/open"), "{lines:?}");
}

#[tokio::test]
async fn each_look_across_organisations_is_in_the_log_with_who_and_why() {
    let log = Log::default();
    let _until_the_end = tracing::subscriber::set_default(log.clone());
    let issuer = TestIssuer::new("orders");
    let token = issuer.token().subject("sue").session("s7").role("support").sign();
    let caller = Caller::new(issuer.verifier().verify(&token).unwrap());
    let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
    let schema =
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, organisation TEXT NOT NULL, item TEXT NOT NULL)";
    sqlx::raw_sql(schema).execute(&pool).await.unwrap();
    let pool = ScopedPool::new(pool).declare::<Order>().await.unwrap();

    let support = HasRole::<Support>::check(caller).unwrap();
    let across = CrossOrganisation::open(&support, "ticket 4711").unwrap();
    let opened = log.lines();
    pool.across(&across).all(Select::<Order>::all()).await.unwrap();
    let read = log.lines();
    for (lines, action) in [(opened, "opened"), (read, "orders")] {
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with("WARN countersign::support "), "{lines:?}");
        for said in [action, "sue", "s7", "\"support\"", "ticket 4711", "token-1"] {
            assert!(lines[0].contains(said), "{said}: {lines:?}");
        }
        for segment in token.split('.') {
            assert!(!lines[0].contains(segment), "{lines:?}");
        }
    }
    assert!(CrossOrganisation::open(&support, " ").is_err());
    assert_eq!(log.lines(), [""; 0], "what was not opened is not said to be");
}
