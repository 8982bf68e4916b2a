//! What a service is told in headers, and what no client can make it believe.

use serde_json::json;

use super::{Guarded, guarded_with, refused, status};
use countersign::testkit::TestKey;

const HEADERS: &str = "headers = { subject = \"X-User-Id\", organisation = \"Acme-Organisation\", roles = \"X-Roles\", \
                       scope = \"X-Scope\", username = \"Remote-Name\" }\n";

/// Routes that a service is reached by besides; `upstream` is filled in.
const ROUTES: &str = "[[route]]\npath = \"/mute/\"\nupstream = \"UPSTREAM\"\naudience = \"orders\"\nguard = true\n\
                      forward_token = false\n\
                      [[route]]\npath = \"/scoped/\"\nupstream = \"UPSTREAM\"\naudience = \"orders\"\nguard = true\n\
                      require = { scope = [\"orders:read\", \"orders:write\"], organisation = true }\n\
                      [[route]]\npath = \"/open/\"\nupstream = \"UPSTREAM\"\npublic = true\nallow_headers = [\"x_other\"]\n\
                      [[route]]\npath = \"/translated/\"\nupstream = \"UPSTREAM\"\naudience = \"orders\"\n\
                      require = { scope = [\"orders:read\"] }\n";

async fn guarded() -> Guarded {
    guarded_with(&TestKey::PUBLISHED, HEADERS, ROUTES).await
}

impl Guarded {
    /// What the service got of the last request: head and body.
    fn last(&self) -> (String, String) {
        let (head, body) = self.house.service.record.requests().pop().unwrap();
        (head, String::from_utf8_lossy(&body).into_owned())
    }
}

fn values<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}

#[tokio::test]
async fn the_service_is_told_what_the_token_says_and_nothing_else() {
    let guarded = guarded().await;
    let token = guarded
        .issuer
        .token()
        .subject("ada")
        .organisation("Åcme, Ltd")
        .roles(["editor", "a,b"])
        .claim("preferred_username", json!("Ada\r\nX-Roles: root"))
        .sign();
    for (path, authorizations) in [("/guarded/", 1), ("/mute/", 0)] {
        let answer = guarded.get(path, &token).await;
        assert_eq!(status(&answer), "200", "{answer}");
        let (head, _) = guarded.last();
        for (name, value) in [
            ("x-user-id", "ada"),
            ("acme-organisation", "%C3%85cme%2C%20Ltd"),
            ("x-roles", "editor,a%2Cb"),
            ("remote-name", "Ada%0D%0AX-Roles:%20root"),
        ] {
            assert_eq!(values(&head, name), [value], "{head}");
        }
        assert_eq!(values(&head, "x-scope"), [""; 0], "{head}");
        assert_eq!(values(&head, "authorization").len(), authorizations, "{head}");
        assert_eq!(head.contains(&token), authorizations == 1, "{head}");
    }
}

/// Every way to write a header that the guard sets.
const FORGED: &[&str] = &[
    "X-User-Id: mallory",
    "x-user-id: mallory",
    "X-USER-ID: mallory",
    "X_User_Id: mallory",
    "X.User.Id: mallory",
    "X-User_Id: mallory",
    "X~User~Id: mallory",
    "Acme-Organisation: mallory",
    "Acme_Organisation: mallory",
    "ACME.ORGANISATION: mallory",
    "X-Roles: mallory",
    "X-Scope: mallory",
    "X_Scope: mallory",
    "Remote-Name: mallory",
    "Remote_Name: mallory",
    "remote.name: mallory",
];

#[tokio::test]
async fn what_a_client_says_of_itself_reaches_no_service_by_any_route_in_any_spelling() {
    let guarded = guarded().await;
    let token = guarded.issuer.token().subject("ada").without("organisation").sign();
    let good = format!("Authorization: Bearer {token}");
    let alice = crate::wire::ALICE;
    for (path, proof) in [
        ("/guarded/", good.as_str()),
        ("/mute/", &good),
        ("/open/", "X-Other: 1"),
        ("/legacy/", "X-Other: 1"),
        ("/orders/", alice),
    ] {
        let mut lines = vec![proof];
        lines.extend(FORGED);
        let answer = guarded.house.send(&format!("GET {path}"), &lines).await;
        assert_eq!(status(&answer), "200", "{path}: {answer}");
        let (head, _) = guarded.last();
        assert!(!head.contains("mallory"), "{path}: {head}");
        let told = if path == "/guarded/" || path == "/mute/" { &["ada"][..] } else { &[] };
        assert_eq!(values(&head, "x-user-id"), told, "{path}: {head}");
        // What the token does not say, nobody says.
        assert_eq!(values(&head, "acme-organisation"), [""; 0], "{path}: {head}");
    }
}

#[tokio::test]
async fn neither_connection_nor_trailers_take_or_bring_what_the_guard_says() {
    let guarded = guarded().await;
    let token = guarded.issuer.token().subject("ada").organisation("acme").sign();
    let request = format!(
        "POST /guarded/ HTTP/1.1\r\nHost: shop.example\r\nAuthorization: Bearer {token}\r\n\
         Connection: close, X-User-Id, acme-organisation, X-Roles\r\nTransfer-Encoding: chunked\r\n\
         Trailer: X-User-Id, X_User_Id, Acme.Organisation\r\n\r\n\
         2\r\nhi\r\n0\r\nX-User-Id: mallory\r\nX_User_Id: mallory\r\nAcme.Organisation: mallory\r\nX-Fine: kept\r\n\r\n"
    );
    let answer = guarded.house.raw(request.as_bytes()).await;
    assert_eq!(status(&answer), "200", "{answer}");
    let (head, body) = guarded.last();
    assert_eq!((values(&head, "x-user-id"), values(&head, "acme-organisation")), (vec!["ada"], vec!["acme"]));
    assert!(!head.contains("mallory") && !body.contains("mallory"), "{head}{body}");
    assert!(body.contains("hi"), "{body}");
}

#[tokio::test]
async fn a_scope_or_organisation_that_is_missing_is_named() {
    let guarded = guarded().await;
    let token = |scope: &str| guarded.issuer.token().organisation("acme").scope(scope);
    let answer = guarded.get("/scoped/", &token("openid orders:read").sign()).await;
    assert_eq!((status(&answer), refused(&answer)), ("403", Some("scope_missing")));
    let challenge = "\r\nwww-authenticate: Bearer realm=\"countersign\", error=\"insufficient_scope\", \
                     scope=\"orders:read orders:write\"\r\n";
    assert!(answer.contains(challenge), "{answer}");
    let answer = guarded.get("/scoped/", &token("orders:write orders:read").sign()).await;
    assert_eq!(status(&answer), "200", "{answer}");
    let answer =
        guarded.get("/scoped/", &token("orders:write orders:read").without("organisation").sign()).await;
    assert_eq!((status(&answer), refused(&answer)), ("403", Some("organisation_missing")));
    // A session has a scope too.
    let answer = guarded.house.send("GET /translated/", &[crate::wire::ALICE]).await;
    assert_eq!((status(&answer), refused(&answer)), ("403", Some("scope_missing")));
    assert!(answer.contains(", scope=\"orders:read\"\r\n"), "{answer}");
}

#[tokio::test]
async fn what_does_not_fit_in_the_headers_is_refused_by_name() {
    let guarded = guarded().await;
    let roles: Vec<String> = (0..400).map(|number| format!("role-{number:06}")).collect();
    let answer = guarded.get("/guarded/", &guarded.issuer.token().roles(roles).sign()).await;
    assert_eq!((status(&answer), refused(&answer)), ("431", Some("identity_too_large")));
    assert!(answer.contains("\r\ncountersign-forwarded: 0\r\n"), "{answer}");
}
