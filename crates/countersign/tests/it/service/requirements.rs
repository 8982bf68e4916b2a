//! Every argument that is a requirement, over HTTP: who has it, who lacks it, and what they are told.

use axum::{Router, body::Body, http::Request, routing::get};
use countersign::{
    Caller, CustomClaim, HasAnyRole, HasClaim, HasRole, HasScope, InOrganisation,
    axum::ProtectedRouter,
    dpop::DpopPolicy,
    testkit::{TestIssuer, TestToken},
    tower::{Authenticate, CallerToken},
};
use serde_json::json;
use tower::ServiceExt;

use super::Answer;

countersign::roles! {
    Editor = "editor";
    Owner = "owner";
}

countersign::scopes! {
    Read = "orders:read";
}

#[derive(serde::Deserialize)]
struct Limit(u32);

impl CustomClaim for Limit {
    const NAME: &'static str = "limit";
}

fn router(issuer: &TestIssuer) -> Router {
    ProtectedRouter::new()
        .route("/caller", get(async |caller: Caller| caller.subject().to_string()))
        .route("/role", get(async |has: HasRole<Editor>| has.caller().subject().to_string()))
        .route("/any", get(async |has: HasAnyRole<(Editor, Owner)>| has.caller().subject().to_string()))
        .route("/scope", get(async |has: HasScope<Read>| has.caller().subject().to_string()))
        .route("/claim", get(async |has: HasClaim<Limit>| format!("{} {}", has.caller().subject(), has.0)))
        .route("/organisation", get(async |of: InOrganisation| of.organisation().to_string()))
        .route("/token", get(async |token: CallerToken| token.claims().subject().to_string()))
        .route_requiring::<HasClaim<Limit>>("/claim-first", get(async |_: HasRole<Editor>| "in"))
        .build(&Authenticate::new(issuer.verifier()).keep_token(), &[])
        .unwrap()
}

async fn ask(router: &Router, path: &str, token: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let request = Request::get(path).header("Authorization", bearer).body(Body::empty()).unwrap();
    Answer::of(router.clone().oneshot(request).await.unwrap()).await
}

#[tokio::test]
async fn who_has_what_a_handler_asks_for_gets_in() {
    let issuer = TestIssuer::new("orders");
    let router = router(&issuer);
    let ann = || issuer.token().subject("ann");
    for (path, token, said) in [
        ("/caller", ann(), "ann"),
        ("/role", ann().role("editor"), "ann"),
        ("/any", ann().role("editor"), "ann"),
        ("/any", ann().role("owner"), "ann"),
        ("/scope", ann().scope("openid orders:read"), "ann"),
        ("/claim", ann().claim("limit", 7), "ann 7"),
        ("/organisation", ann().organisation("acme"), "acme"),
        ("/token", ann(), "ann"),
        ("/claim-first", ann().claim("limit", 7).role("editor"), "in"),
    ] {
        let answer = ask(&router, path, &token.sign()).await;
        assert_eq!((answer.status, &*answer.body), (200, said), "{path}");
    }
}

#[tokio::test]
async fn what_a_good_token_lacks_is_403_and_never_401() {
    const INSUFFICIENT: &str = r#"Bearer error="insufficient_scope""#;
    let issuer = TestIssuer::new("orders");
    let router = router(&issuer);
    let ann = || issuer.token().subject("ann");
    let refused: [(&str, TestToken<'_>, &str, &str); 10] = [
        ("/role", ann().role("owner"), "role_missing", INSUFFICIENT),
        ("/role", ann().role("Editor"), "role_missing", INSUFFICIENT),
        ("/any", ann().role("viewer"), "role_missing", INSUFFICIENT),
        ("/any", ann(), "role_missing", INSUFFICIENT),
        (
            "/scope",
            ann().scope("orders:write"),
            "scope_missing",
            r#"Bearer error="insufficient_scope", scope="orders:read""#,
        ),
        ("/claim", ann(), "claim_required", INSUFFICIENT),
        ("/claim", ann().claim("limits", 7), "claim_required", INSUFFICIENT),
        ("/organisation", ann(), "organisation_missing", INSUFFICIENT),
        ("/claim-first", ann(), "claim_required", INSUFFICIENT),
        ("/claim-first", ann().claim("limit", 7), "role_missing", INSUFFICIENT),
    ];
    for (path, token, code, challenge) in refused {
        let answer = ask(&router, path, &token.sign()).await;
        assert_eq!(answer.refused(), (403, code.to_owned()), "{path}");
        assert_eq!(answer.challenge.as_deref(), Some(challenge), "{path}");
        assert!(!answer.body.contains("limit"), "{path}: the client is not told which claim");
    }
    // Of the wrong type it is a broken token, and never one without the claim.
    for bad in [json!(null), json!("7"), json!(-1), json!([7])] {
        let answer = ask(&router, "/claim", &ann().claim("limit", bad.clone()).sign()).await;
        assert_eq!(answer.refused(), (401, "claim_malformed".to_owned()), "{bad}");
    }
}

#[tokio::test]
async fn no_requirement_is_met_without_a_good_token() {
    let issuer = TestIssuer::new("orders");
    let router = router(&issuer);
    let everything = || {
        issuer.token().organisation("acme").roles(["editor", "owner"]).scope("orders:read").claim("limit", 7)
    };
    let mut forged = everything().sign();
    forged.truncate(forged.len() - 2);
    let elsewhere = everything().audience("notes").sign();
    for path in ["/caller", "/role", "/any", "/scope", "/claim", "/organisation", "/token", "/claim-first"] {
        assert_eq!(ask(&router, path, &everything().sign()).await.status, 200, "{path}");
        for bad in [&forged, &elsewhere] {
            assert_eq!(ask(&router, path, bad).await.status, 401, "{path}");
        }
    }
}

#[tokio::test]
async fn the_token_is_kept_for_handlers_only_where_that_was_asked_for() {
    let issuer = TestIssuer::new("orders");
    let router: Router = ProtectedRouter::new()
        .route("/token", get(async |_: CallerToken| "in"))
        .build(&Authenticate::new(issuer.verifier()), &[])
        .unwrap();
    let answer = ask(&router, "/token", &issuer.token().sign()).await;
    assert_eq!(answer.refused(), (401, "token_missing".to_owned()));
}

/// RFC 9728 §5.1: a client that has no token finds out who issues one.
#[tokio::test]
async fn a_challenge_names_the_services_metadata_where_that_was_asked_for() {
    const METADATA: &str = "https://orders.test/.well-known/oauth-protected-resource";
    let issuer = TestIssuer::new("orders");
    let policy = DpopPolicy::new("https://orders.test");
    let of_proofs = issuer.verifier_builder().dpop(policy).build().unwrap();
    for (verifier, bare, error) in [
        (issuer.verifier(), "Bearer ", r#"Bearer error="invalid_token", "#),
        (of_proofs, "Bearer, DPoP algs=", r#"Bearer error="invalid_token", DPoP algs="#),
    ] {
        let layer = Authenticate::new(verifier).resource_metadata(METADATA).unwrap();
        let router: Router = ProtectedRouter::new()
            .route("/", get(async |_: HasRole<Editor>| "in"))
            .build(&layer, &[])
            .unwrap();
        let nothing = Request::get("/").body(Body::empty()).unwrap();
        let nothing = Answer::of(router.clone().oneshot(nothing).await.unwrap()).await;
        let bad = ask(&router, "/", &issuer.token().audience("notes").sign()).await;
        for (answer, start) in [(nothing, bare), (bad, error)] {
            let challenge = answer.challenge.unwrap();
            assert!(challenge.starts_with(start), "{challenge}");
            assert!(challenge.ends_with(&format!(r#"resource_metadata="{METADATA}""#)), "{challenge}");
            assert_eq!(challenge.matches("resource_metadata").count(), 1, "{challenge}");
        }
        let forbidden = ask(&router, "/", &issuer.token().sign()).await;
        assert_eq!(forbidden.refused().0, 403);
        assert!(!forbidden.challenge.unwrap().contains("resource_metadata"), "another token would not help");
    }
    for bad in
        ["", "/x", "http://orders.test/x", "https://orders.test/\"x", "https://a b/", "ftp://orders.test/"]
    {
        assert!(Authenticate::new(issuer.verifier()).resource_metadata(bad).is_err(), "{bad}");
    }
}
