//! A service as its team would write it: router, requirements, scope.

mod log;
mod order_of_answers;
mod requirements;
mod rotation;
mod routes;

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{Request, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use countersign::{
    Caller, Claims, HasRole, InOrganisation, KeySet, OrganisationId, Role, RoleName, SigningKey, SystemClock,
    UnixTime, Verifier,
    axum::ProtectedRouter,
    jws::Algorithm,
    scope::{Column, Delete, Insert, OrganisationTable, Select, sqlite::ScopedPool},
    tower::Authenticate,
};
use http_body_util::BodyExt;
use sqlx::{FromRow, Row, sqlite::SqlitePoolOptions, sqlite::SqliteRow};
use tower::ServiceExt;

struct Editor;
impl RoleName for Editor {
    const NAME: &'static str = "editor";
}

struct Order {
    item: String,
}

impl OrganisationTable for Order {
    const TABLE: &'static str = "orders";
    const COLUMNS: &'static [&'static str] = &["id", "item"];
}

impl Order {
    const ITEM: Column<Self> = Column::named("item");
}

impl FromRow<'_, SqliteRow> for Order {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self { item: row.try_get("item")? })
    }
}

async fn hello(caller: Caller) -> String {
    caller.subject().to_string()
}

async fn list(of: InOrganisation, State(pool): State<ScopedPool>) -> String {
    let orders = pool.within(&of).all(Select::<Order>::all()).await.unwrap();
    orders.iter().map(|order| &*order.item).collect::<Vec<_>>().join(",")
}

async fn read(of: InOrganisation, State(pool): State<ScopedPool>, Path(id): Path<i64>) -> Response {
    let found = pool.within(&of).find::<Order>(id).await.unwrap();
    found.map_or_else(|| StatusCode::NOT_FOUND.into_response(), |order| order.item.into_response())
}

async fn create(
    _: HasRole<Editor>,
    of: InOrganisation,
    State(pool): State<ScopedPool>,
    item: String,
) -> String {
    pool.within(&of).insert(Insert::<Order>::new().set(Order::ITEM, item)).await.unwrap().item
}

async fn remove(of: InOrganisation, State(pool): State<ScopedPool>, Path(id): Path<i64>) -> StatusCode {
    match pool.within(&of).delete(Delete::<Order>::by_key(id)).await.unwrap() {
        0 => StatusCode::NOT_FOUND,
        _ => StatusCode::NO_CONTENT,
    }
}

fn routes() -> ProtectedRouter<ScopedPool> {
    ProtectedRouter::new()
        .route("/hello", get(hello))
        .route("/orders", get(list).post(create))
        .route("/orders/{id}", get(read))
        .route_requiring::<HasRole<Editor>>("/orders/{id}/removal", axum::routing::post(remove))
        .public_route("/healthz", get(async || "ok"))
}

struct Service {
    router: Router,
    key: SigningKey,
}

impl Service {
    async fn start() -> Self {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let keys = KeySet::new([key.verifying_key().unwrap()]).unwrap();
        let verifier = Verifier::builder().issuer(ISSUER).audience("orders").key_set(keys).build().unwrap();
        let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
        let schema =
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, organisation TEXT NOT NULL, item TEXT NOT NULL)";
        sqlx::raw_sql(schema).execute(&pool).await.unwrap();
        let pool = ScopedPool::new(pool).declare::<Order>().await.unwrap();
        let router = routes().build(&Authenticate::new(verifier), &["/healthz"]).unwrap().with_state(pool);
        Self { router, key }
    }

    fn token(&self, organisation: &str, roles: &[&str]) -> String {
        token(&self.key, organisation, roles)
    }

    async fn ask(&self, method: &str, path: &str, authorization: &[&str], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for value in authorization {
            request = request.header(header::AUTHORIZATION, *value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        Answer::of(self.router.clone().oneshot(request).await.unwrap()).await
    }

    /// With a token for this organisation and roles.
    async fn ask_as(&self, who: (&str, &[&str]), method: &str, path: &str, body: &str) -> Answer {
        self.ask(method, path, &[&format!("Bearer {}", self.token(who.0, who.1))], body).await
    }
}

const ISSUER: &str = "https://shop.example";

fn token(key: &SigningKey, organisation: &str, roles: &[&str]) -> String {
    let now: UnixTime = countersign::Clock::now(&SystemClock);
    let claims = Claims {
        iss: ISSUER.into(),
        aud: "orders".into(),
        sub: "ann".into(),
        client_id: "web".into(),
        iat: now,
        exp: now.saturating_add(std::time::Duration::from_secs(300)),
        jti: "t1".into(),
        sid: Some("s1".into()),
        roles: roles.iter().copied().map(Role::from).collect(),
        organisation: OrganisationId::new(organisation).ok(),
        scope: None,
        username: None,
        email: None,
    };
    key.sign("at+jwt", &claims).unwrap()
}

struct Answer {
    status: u16,
    challenge: Option<String>,
    content_type: Option<String>,
    body: String,
}

impl Answer {
    async fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let text = |name| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        Self {
            status: parts.status.as_u16(),
            challenge: text(header::WWW_AUTHENTICATE),
            content_type: text(header::CONTENT_TYPE),
            body: String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap(),
        }
    }

    /// Status and code of a problem document; the code is empty for an answer that is none.
    fn refused(&self) -> (u16, String) {
        let problem: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        (self.status, problem["code"].as_str().unwrap_or_default().to_owned())
    }
}
