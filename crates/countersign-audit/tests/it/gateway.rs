//! What is asked of a gateway with the session of a test user; its cookie is nowhere in the reports.

use std::collections::BTreeSet;

use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use countersign_audit::{Options, Quiet, Report, Settings, Supply, parse_routes, report::html};

const COOKIE: &str = "planted-session-of-ann";

/// Lets the session in, and shows at `/echo` what a service would see.
async fn answer(State(leaks): State<bool>, request: Request) -> Response {
    let headers = request.headers();
    let cookie = headers.get(header::COOKIE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if cookie != format!("SESSION={COOKIE}") {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")]).into_response();
    }
    match request.uri().path() {
        "/a" => "ok".into_response(),
        "/echo" if leaks => {
            let seen: serde_json::Map<String, serde_json::Value> = headers
                .iter()
                .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
                .collect();
            axum::Json(seen).into_response()
        }
        "/echo" => axum::Json(serde_json::json!({ "authorization": "…" })).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn serve(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

async fn audited(leaks: bool) -> Report {
    let gateway = serve(Router::new().fallback(answer).with_state(leaks)).await;
    let status = if leaks { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
    let service = serve(Router::new().fallback(move || async move { status })).await;
    let settings = format!(
        "[gateway]\ncookie = \"SESSION\"\necho = \"GET /echo\"\ndirect = [\"{service}\"]\n\
         [gateway.users.ann]\norganisation = \"a\"\ncookie_env = \"ANN\"\n"
    );
    let mut options = Options::for_target(&gateway)
        .document(parse_routes("routes.txt", "GET /a\nGET /echo\n").unwrap())
        .settings(Settings::parse("audit.toml", &settings).unwrap())
        .supply(Supply::Gateway);
    options.environment.insert("ANN".to_owned(), COOKIE.to_owned());
    countersign_audit::run(options, &mut Quiet).await.unwrap()
}

#[tokio::test]
async fn a_gateway_that_keeps_the_cookie_is_clean() {
    let report = audited(false).await;
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert!(report.coverage.decided > 20, "{:?}", report.coverage);
}

#[tokio::test]
async fn what_leaks_is_found_and_not_kept() {
    let report = audited(true).await;
    let ids: BTreeSet<&str> = report.findings.iter().map(|finding| finding.id.as_str()).collect();
    assert_eq!(
        ids,
        BTreeSet::from([
            "cookie-reaches-service",
            "identity-header-trusted",
            "service-reachable-past-gateway"
        ])
    );
    for text in [report.json(), html(&report)] {
        assert!(!text.contains(COOKIE));
    }
}
