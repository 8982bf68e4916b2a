//! The main job: a session goes in, the right service gets it as a signed access token and nothing else.

use serde_json::{Value, json};

use crate::{
    client::Call,
    counterpart::{
        authorization_server::{AuthorizationServer, BASIC_SECRET, COOKIE},
        nginx::Nginx,
        session_application::{self, SessionApplication},
        verifier::Verifier,
    },
    gateway::{Gateway, Setting},
    local_server::LocalServer,
};

/// Who signs in these tests.
pub(crate) const ISSUER: &str = "https://shop.example";

/// What both verifiers say about the token a service got: its claims. They agree.
pub(crate) fn verified(gateway: &mut Gateway, authorization: &str, audience: &str) -> Value {
    let token = authorization.strip_prefix("Bearer ").expect("an access token");
    gateway.keep_secret(token);
    let keys = gateway.url("/.well-known/jwks.json");
    let [one, other] =
        Verifier::all().each_ref().map(|verifier| verifier.verify(token, &keys, ISSUER, audience));
    assert_eq!(one["claims"], other["claims"], "{one} {other}");
    assert!(one["claims"].is_object(), "{one}");
    assert_eq!(one["header"]["typ"], "at+jwt");
    one["claims"].clone()
}

/// The claims that are the same for the same user, whoever tells them.
fn who(claims: &Value) -> Value {
    json!({ "sub": claims["sub"], "roles": claims["roles"], "organisation": claims["organisation"] })
}

/// A configuration in front of the shared authorization server with one translate, one public and one legacy route.
fn three_routes(session: &str, claims: &str, service: &str) -> String {
    format!(
        r#"
issuer = "{ISSUER}"
{session}
[claims]
{claims}
[[route]]
path = "/orders/"
upstream = "{service}"
audience = "orders"
[[route]]
path = "/with-name/"
upstream = "{service}"
audience = "names"
claims = ["username", "email"]
[[route]]
path = "/open/"
upstream = "{service}"
public = true
[[route]]
path = "/"
upstream = "{service}"
legacy = true
"#
    )
}

#[tokio::test]
async fn introspection() {
    let server = AuthorizationServer::shared();
    let service = Nginx::service().await;
    let mut setting = Setting::new();
    let session = server.introspection(&setting.secret_file("secret", BASIC_SECRET));
    let claims = "roles = \"session.roles\"\norganisation = \"session.org.id\"";
    let mut gateway = Gateway::start(setting, &three_routes(&session, claims, &service.origin()));

    for (user, roles, organisation) in
        [("ada", json!(["editor", "viewer"]), "acme"), ("bob", json!(["viewer"]), "globex")]
    {
        let session = server.log_in(user, "legacy-app").await;
        let answer = gateway.get("/orders/7?page=2", COOKIE, &session).await.expect(200);
        assert_eq!(answer.header("cache-control"), Some("private, no-cache"));
        assert!(answer.header("vary").is_some_and(|vary| vary.eq_ignore_ascii_case("cookie")), "{answer:?}");
        let seen = answer.json();
        assert_eq!((&seen["target"], &seen["cookie"]), (&json!("/orders/7?page=2"), &json!("")), "{seen}");
        let claims = verified(&mut gateway, seen["authorization"].as_str().unwrap(), "orders");
        assert_eq!(who(&claims), json!({ "sub": user, "roles": roles, "organisation": organisation }));
        assert_eq!((&claims["iss"], &claims["aud"]), (&json!(ISSUER), &json!("orders")));
        assert_eq!(claims["client_id"], "legacy-app");
        assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 300);
        assert!(claims["preferred_username"].is_null() && claims["email"].is_null(), "{claims}");

        let seen = gateway.get("/with-name/", COOKIE, &session).await.expect(200).json();
        let claims = verified(&mut gateway, seen["authorization"].as_str().unwrap(), "names");
        assert_eq!((&claims["preferred_username"], &claims["aud"]), (&json!(user), &json!("names")));
        assert!(claims["email"].as_str().unwrap().starts_with(&format!("{user}@")));
    }
    gateway.stop().await;
}

#[tokio::test]
async fn only_the_old_application_gets_the_session() {
    let server = AuthorizationServer::shared();
    let service = Nginx::service().await;
    let mut setting = Setting::new();
    let session = server.introspection(&setting.secret_file("secret", BASIC_SECRET));
    let claims = "roles = \"session.roles\"\norganisation = \"session.org.id\"";
    let mut gateway = Gateway::start(setting, &three_routes(&session, claims, &service.origin()));
    let session = server.log_in("ada", "legacy-app").await;

    let seen = gateway.get("/open/x", COOKIE, &session).await.expect(200).json();
    assert_eq!((&seen["cookie"], &seen["authorization"]), (&json!(""), &json!("")), "a public route");
    let seen = gateway.get("/page", COOKIE, &session).await.expect(200).json();
    assert_eq!(
        (&seen["cookie"], &seen["authorization"]),
        (&json!(format!("{COOKIE}={session}")), &json!(""))
    );

    Call::get(gateway.url("/open/x")).send().await.expect(200);
    let refused = Call::get(gateway.url("/orders/")).send().await.expect_refusal(401, "credential_missing");
    assert!(refused.header("www-authenticate").unwrap().starts_with("Bearer"), "{refused:?}");
    assert_eq!(refused.header("countersign-forwarded"), Some("0"));
    gateway.get("/orders/", COOKIE, "not-a-session-of-anybody").await.expect_refusal(401, "session_ended");
    gateway.stop().await;
}

#[tokio::test]
async fn userinfo() {
    let server = AuthorizationServer::shared();
    let service = LocalServer::recording().await;
    let session = format!("[session]\ncookie = \"{COOKIE}\"\nuserinfo = \"{}\"\n", server.url("/me"));
    let claims = "roles = \"userinfo.roles\"\norganisation = \"userinfo.org.id\"";
    let mut gateway = Gateway::start(Setting::new(), &three_routes(&session, claims, &service.origin()));
    let session = server.log_in("bob", "bare-app").await;
    gateway.get("/orders/", COOKIE, &session).await.expect(200);
    let seen = service.last();
    assert_eq!(seen.header("cookie"), None);
    let claims = verified(&mut gateway, seen.header("authorization").unwrap(), "orders");
    assert_eq!(who(&claims), json!({ "sub": "bob", "roles": ["viewer"], "organisation": "globex" }));
    gateway.stop().await;
}

#[tokio::test]
async fn introspection_and_userinfo() {
    let server = AuthorizationServer::shared();
    let service = LocalServer::recording().await;
    let mut setting = Setting::new();
    let mut session = server.introspection(&setting.secret_file("secret", BASIC_SECRET));
    session.push_str(&format!("userinfo = \"{}\"\naccept_clients = [\"bare-app\"]\n", server.url("/me")));
    let claims = "roles = \"userinfo.roles\"\norganisation = \"userinfo.org.id\"";
    let mut gateway = Gateway::start(setting, &three_routes(&session, claims, &service.origin()));
    let session = server.log_in("ada", "bare-app").await;
    gateway.get("/orders/", COOKIE, &session).await.expect(200);
    let claims = verified(&mut gateway, service.last().header("authorization").unwrap(), "orders");
    assert_eq!(who(&claims), json!({ "sub": "ada", "roles": ["editor", "viewer"], "organisation": "acme" }));
    assert_eq!(claims["client_id"], "bare-app");

    let session = server.log_in("ada", "legacy-app").await;
    gateway.get("/orders/", COOKIE, &session).await.expect_refusal(401, "session_of_other_client");
    gateway.stop().await;
}

#[tokio::test]
async fn whoami() {
    let application = SessionApplication::shared();
    let service = LocalServer::recording().await;
    let session = format!(
        "[session]\ncookie = \"{}\"\nwhoami = \"{}\"\nno = {{ redirect_to = \"/login\" }}\n",
        session_application::COOKIE,
        application.url("/whoami")
    );
    let claims = "subject = \"session.user.id\"\nusername = \"session.user.name\"\nemail = \"session.user.mail\"\n\
                  roles = \"session.groups\"\norganisation = \"session.company.key\"";
    let mut gateway = Gateway::start(Setting::new(), &three_routes(&session, claims, &service.origin()));
    let session = application.log_in("ada").await;
    gateway.get("/orders/", session_application::COOKIE, &session).await.expect(200);
    let claims = verified(&mut gateway, service.last().header("authorization").unwrap(), "orders");
    assert_eq!(who(&claims), json!({ "sub": "1", "roles": ["editor", "viewer"], "organisation": "acme" }));
    gateway.get("/with-name/", session_application::COOKIE, &session).await.expect(200);
    let claims = verified(&mut gateway, service.last().header("authorization").unwrap(), "names");
    assert_eq!(
        (&claims["preferred_username"], &claims["email"]),
        (&json!("ada"), &json!("ada@acme.example"))
    );

    let unknown =
        gateway.get("/orders/", session_application::COOKIE, "nobodys-session-of-32-characters").await;
    unknown.expect_refusal(401, "session_ended");
    gateway.stop().await;
}

#[tokio::test]
async fn a_bearer_token_is_a_credential_only_where_it_is_asked_for() {
    let server = AuthorizationServer::shared();
    let service = LocalServer::recording().await;
    let mut setting = Setting::new();
    let mut session = server.introspection(&setting.secret_file("secret", BASIC_SECRET));
    session.push_str("bearer = true\naccept_clients = [\"legacy-app\"]\n");
    let claims = "organisation = \"session.org.id\"";
    let mut gateway = Gateway::start(setting, &three_routes(&session, claims, &service.origin()));
    let token = server.log_in("ada", "legacy-app").await;
    gateway.keep_secret(&token);
    let bearer =
        |token: &str| Call::get(gateway.url("/orders/")).header("authorization", format!("Bearer {token}"));
    bearer(&token).send().await.expect(200);
    let authorization = service.last().header("authorization").unwrap().to_owned();
    assert!(!authorization.contains(&token), "the opaque token reached the service");

    // a token for a service is no credential at an entry
    let issued = authorization.strip_prefix("Bearer ").unwrap();
    bearer(issued).send().await.expect_refusal(401, "session_of_other_kind");
    assert_eq!(service.count(), 1);
    assert_eq!(verified(&mut gateway, &authorization, "orders")["sub"], "ada");
    gateway.stop().await;
}
