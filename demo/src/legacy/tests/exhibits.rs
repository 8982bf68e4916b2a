//! One request, or two, for each fault, that is answered otherwise while it is on.

use aws_lc_rs::{hmac, signature::Ed25519KeyPair};
use axum::{Router, http::header, routing::get};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use countersign::{
    Clock,
    testkit::{TestKey, bad_tokens},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::Stage;
use crate::legacy::Fault;

/// Whether the fault is seen.
pub(super) async fn is_seen(fault: Fault, stage: &Stage) -> bool {
    match fault {
        Fault::AlgorithmFromHeader => row(stage, "algorithm/ed25519-pem-as-secret").await,
        Fault::AlgorithmNone => row(stage, "algorithm/none").await,
        Fault::AudienceNotChecked => row(stage, "claims/audience-of-another").await,
        Fault::BoundTokenAccepted => row(stage, "claims/bound-to-key").await,
        Fault::CriticalHeaderIgnored => row(stage, "header/critical-unknown").await,
        Fault::DuplicateMembersAccepted => row(stage, "json/subject-twice").await,
        Fault::EmbeddedKeyTrusted => row(stage, "key/embedded-under-own-id").await,
        Fault::ExpiryMissingAccepted => row(stage, "time/exp-missing").await,
        Fault::ExpiryNotChecked => row(stage, "time/expired").await,
        Fault::FirstOrganisationTaken => row(stage, "claims/organisation-two").await,
        Fault::IssuedAtNotChecked => row(stage, "time/issued-in-future").await,
        Fault::IssuerNotChecked => row(stage, "claims/issuer-of-another").await,
        Fault::KeyIdAsPath => {
            let header = json!({ "alg": "HS256", "kid": "../../../../../../dev/null", "typ": "at+jwt" });
            let key = hmac::Key::new(hmac::HMAC_SHA256, &[]);
            reads(stage, &forged(stage, &header, |text| hmac::sign(&key, text).as_ref().to_vec())).await
        }
        Fault::KeyUrlTrusted => reads(stage, &token_of_attacker(stage).await).await,
        Fault::LifetimeNotLimited => row(stage, "time/lives-for-ever").await,
        Fault::NotBeforeNotChecked => row(stage, "time/not-yet-valid").await,
        Fault::OtherSpellingsAccepted => row(stage, "form/signature-padded").await,
        Fault::RoleTextAccepted => row(stage, "claims/roles-string").await,
        Fault::SignatureNotChecked => row(stage, "signature/role-swapped").await,
        Fault::SubjectMissingAccepted => row(stage, "claims/sub-missing").await,
        Fault::TypeNotChecked => row(stage, "header/type-log-out").await,
        other => is_seen_in_an_answer(other, stage).await,
    }
}

/// Faults of everything but the token.
async fn is_seen_in_an_answer(fault: Fault, stage: &Stage) -> bool {
    let editor = stage.token("acme", "editor");
    let bearer = format!("Bearer {editor}");
    let open = |method: &'static str, path: &'static str| async move {
        let answer = stage.ask(method, path, &[], json!({ "name": "x" })).await;
        answer.status.is_success()
    };
    let with = |name: &'static str, value: String| async move {
        stage.ask("GET", "/v2/projects", &[(name, value)], Value::Null).await.status == 200
    };
    let may_create = |role: &'static str| async move {
        let token = stage.token("acme", role);
        stage.with_token(&token, "POST", "/v2/projects", json!({ "name": "x" })).await.status == 201
    };
    let foreign = |method: &'static str| {
        let editor = editor.clone();
        async move {
            stage.with_token(&editor, method, "/v2/projects/p-1002", json!({ "name": "x" })).await.status
        }
    };
    match fault {
        Fault::AnswerCacheable => {
            stage.get(&editor, "/v2/projects").await.headers[header::CACHE_CONTROL] != "no-store"
        }
        Fault::AnyOriginAllowed => {
            let headers = [("authorization", bearer), ("origin", "https://evil.test".to_owned())];
            let answer = stage.ask("GET", "/v2/projects", &headers, Value::Null).await;
            answer.headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN)
        }
        Fault::AnyScheme => with("authorization", format!("Token {editor}")).await,
        Fault::ChallengeMissing => {
            let answer = stage.ask("GET", "/v2/projects", &[], Value::Null).await;
            answer.status == 401 && !answer.headers.contains_key(header::WWW_AUTHENTICATE)
        }
        Fault::CookieAccepted => with("cookie", format!("a=b; access_token={editor}")).await,
        Fault::DeleteNotFiltered => foreign("DELETE").await == 204,
        Fault::ErrorTellsMore => {
            let answer = stage.get("rubbish", "/v2/projects").await;
            answer.status == 500 && answer.body["detail"].as_str().unwrap().contains(".rs:")
        }
        Fault::ExistenceTold => {
            let absent = stage.get(&editor, "/v2/projects/p-9").await;
            foreign("GET").await == 403 && absent.status == 404
        }
        Fault::FilterParameterWins => {
            stage.get(&editor, "/v2/projects?organisation=globex").await.names() == ["Reactor"]
        }
        Fault::HeadUnprotected => open("HEAD", "/v2/projects").await,
        Fault::ListNotFiltered => stage.get(&editor, "/v2/invoices").await.names().len() == 2,
        Fault::MethodOverrideHonoured => {
            let viewer = format!("Bearer {}", stage.token("acme", "viewer"));
            let headers = [("authorization", viewer), ("x-http-method-override", "DELETE".to_owned())];
            stage.ask("GET", "/v2/projects/p-1001", &headers, Value::Null).await.status == 204
        }
        Fault::OldVersionOpen => open("GET", "/v1/projects").await,
        Fault::OperationUnprotected => open("GET", "/v2/invoices").await,
        Fault::OptionsLeak => {
            let answer = stage.ask("OPTIONS", "/v2/projects", &[], Value::Null).await;
            answer.body.as_array().is_some_and(|records| records.len() == 2)
        }
        Fault::OrganisationFromBody => {
            let body = json!({ "name": "x", "organisation": "globex" });
            let made = stage.with_token(&editor, "POST", "/v2/projects", body).await;
            made.body["organisation"] == "globex"
        }
        Fault::OrganisationHeaderWins => {
            let headers = [("authorization", bearer), ("x-organisation", "globex".to_owned())];
            stage.ask("GET", "/v2/projects", &headers, Value::Null).await.names() == ["Reactor"]
        }
        Fault::OrganisationMissingSeesAll => {
            stage.get(&stage.issuer.token().role("editor").sign(), "/v2/projects").await.status == 200
        }
        Fault::ReadNotFiltered => foreign("GET").await == 200,
        Fault::RedirectNotRefusal => stage.ask("GET", "/v2/projects", &[], Value::Null).await.status == 303,
        Fault::RoleByPart => may_create("subeditor").await,
        Fault::RoleCaseIgnored => may_create("EDITOR").await,
        Fault::RoleNotChecked => stage.get(&editor, "/v2/reports/usage").await.status == 200,
        Fault::SearchNotFiltered => {
            stage.get(&editor, "/v2/projects?q=e").await.names() == ["Tunnel", "Reactor"]
        }
        Fault::TokenInQueryAccepted => {
            let path = format!("/v2/projects?access_token={editor}");
            stage.ask("GET", &path, &[], Value::Null).await.status == 200
        }
        Fault::TrailingSlashOpen => open("GET", "/v2/projects/").await,
        Fault::UndocumentedDeleteOpen => open("DELETE", "/v2/invoices/i-1001").await,
        Fault::UndocumentedPutOpen => open("PUT", "/v2/invoices/i-1001").await,
        Fault::UpdateNotFiltered => foreign("PUT").await == 200,
        Fault::UserHeaderTrusted => with("x-user", "ada".to_owned()).await,
        other => panic!("{other} has no exhibit"),
    }
}

async fn row(stage: &Stage, name: &str) -> bool {
    let row = bad_tokens().find(|row| row.name() == name).unwrap_or_else(|| panic!("no row {name}"));
    reads(stage, &row.token(&stage.issuer)).await
}

async fn reads(stage: &Stage, token: &str) -> bool {
    stage.get(token, "/v2/projects").await.status == 200
}

/// A token with that header and good claims.
fn forged(stage: &Stage, header: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let now = stage.issuer.clock().now().as_secs();
    let claims = json!({
        "iss": stage.issuer.issuer(), "aud": "orders", "sub": "ada", "client_id": "web", "iat": now,
        "exp": now + 300, "jti": "token-1", "roles": ["editor"], "organisation": "acme",
    });
    let encode = |text: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(text);
    let message =
        format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
    format!("{message}.{}", encode(&sign(message.as_bytes())))
}

/// Signed with a key that the attacker serves.
async fn token_of_attacker(stage: &Stage) -> String {
    let key = TestKey::Ed25519OfOther;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let keys = json!({ "keys": [key.signing_key().public_jwk().unwrap()] }).to_string();
    let router = Router::new().route("/keys", get(move || async move { keys }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let header = json!({ "alg": "Ed25519", "kid": "attacker", "jku": url, "typ": "at+jwt" });
    let pair = Ed25519KeyPair::from_pkcs8(key.signing_key().to_pkcs8_der().unwrap().expose()).unwrap();
    forged(stage, &header, |text| pair.sign(text).as_ref().to_vec())
}
