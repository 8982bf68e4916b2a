//! One answer of each kind of server, from the bytes to the identity.

use bytes::Bytes;
use countersign_gateway::{
    config::resolved::{ClaimsConfig, SaysNo},
    error::{Refusal, SourceError},
    identity::Mapping,
    session::source::{
        Answer, Expected, Reply, Verdict, combine, process_introspection, process_userinfo, process_whoami,
    },
};
use http::{StatusCode, Uri};

use super::{defaults, path};
use crate::sources::NOW;

/// How the answer was asked for.
enum Asked {
    Both(&'static str),
    Introspection,
    Userinfo,
    Whoami,
}

struct Row {
    server: &'static str,
    asked: Asked,
    status: u16,
    body: &'static str,
    claims: fn() -> ClaimsConfig,
    /// `subject | roles | organisation | scope | client`, or the code of the refusal.
    expected: &'static str,
}

fn reply(status: u16, body: &str) -> Reply {
    Reply {
        path: "/me".into(),
        status: StatusCode::from_u16(status).unwrap(),
        content_type: None,
        location: None,
        challenge: None,
        date: None,
        cookies: Vec::new(),
        body_is_framed: true,
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

fn understood(row: &Row) -> String {
    let reply = reply(row.status, row.body);
    let verdict = match row.asked {
        Asked::Introspection => process_introspection(&reply, Expected::default(), NOW),
        Asked::Userinfo => process_userinfo(&reply, NOW),
        Asked::Whoami => {
            let no = SaysNo { status: vec![StatusCode::UNAUTHORIZED], redirect_to: None, unless: None };
            process_whoami(&reply, &Uri::from_static("http://old.example/me"), &no, NOW)
        }
        Asked::Both(userinfo) => {
            process_introspection(&reply, Expected::default(), NOW).and_then(|verdict| {
                let Verdict::Live(introspected) = verdict else { return Ok(verdict) };
                match process_userinfo(&super::answers::reply(200, userinfo), NOW)? {
                    Verdict::Live(userinfo) => {
                        Ok(Verdict::Live(Box::new(combine(*introspected, *userinfo)?)))
                    }
                    other => Ok(other),
                }
            })
        }
    };
    match decide(verdict, &(row.claims)()) {
        Ok(identity) => identity,
        Err(refusal) => refusal.code().to_owned(),
    }
}

fn decide(verdict: Result<Verdict, SourceError>, claims: &ClaimsConfig) -> Result<String, Refusal> {
    let answer: Box<Answer> = match verdict.map_err(|error| Refusal::from(&error))? {
        Verdict::Live(answer) => answer,
        Verdict::No(_) => return Err(Refusal::SessionEnded),
        Verdict::Refused(refusal) => return Err(refusal),
    };
    let identity = Mapping::new(claims).identity(&answer)?;
    let option = |text: Option<&str>| text.unwrap_or("-").to_owned();
    Ok([
        identity.subject.as_str().to_owned(),
        super::roles(&identity).join(","),
        option(identity.organisation.as_ref().map(countersign::OrganisationId::as_str)),
        option(identity.scope.as_deref()),
        option(identity.client.as_ref().map(countersign::ClientId::as_str)),
    ]
    .join(" | "))
}

const ROWS: &[Row] = &[
    Row {
        server: "oidc-provider, access token",
        asked: Asked::Introspection,
        status: 200,
        body: r#"{"active":true,"client_id":"legacy-app","exp":1800003600,"iat":1799999999,"sid":"H9x","iss":"https://op.example","jti":"j","scope":"openid profile","sub":"alice","token_type":"Bearer","roles":["editor","viewer"],"org":{"id":"acme"}}"#,
        claims: || ClaimsConfig { organisation: path("session.org.id"), ..defaults() },
        expected: "alice | editor,viewer | acme | openid profile | legacy-app",
    },
    Row {
        server: "oidc-provider with claims in userinfo only",
        asked: Asked::Both(
            r#"{"sub":"alice","email":"a@shop.example","roles":["editor"],"org":{"id":"acme"}}"#,
        ),
        status: 200,
        body: r#"{"active":true,"client_id":"legacy-app","scope":"openid","sub":"alice","token_type":"Bearer"}"#,
        claims: || ClaimsConfig { organisation: path("userinfo.org.id"), ..defaults() },
        expected: "alice | editor | acme | openid | legacy-app",
    },
    Row {
        server: "django-oauth-toolkit: no sub in introspection",
        asked: Asked::Both(r#"{"sub":"7","groups":["staff"]}"#),
        status: 200,
        body: r#"{"active":true,"exp":1800003600,"scope":"read write","client_id":"app","username":"alice"}"#,
        claims: || ClaimsConfig { roles: path("userinfo.groups"), ..defaults() },
        expected: "7 | staff | - | read write | app",
    },
    Row {
        server: "django-oauth-toolkit, introspection alone",
        asked: Asked::Introspection,
        status: 200,
        body: r#"{"active":true,"exp":1800003600,"scope":"read write","client_id":"app","username":"alice"}"#,
        claims: defaults,
        expected: "subject_missing",
    },
    Row {
        server: "Keycloak: roles below realm_access",
        asked: Asked::Introspection,
        status: 200,
        body: r#"{"exp":1800000300,"iss":"https://kc.example/realms/a","aud":"account","sub":"f1","typ":"Bearer","azp":"web","sid":"s1","realm_access":{"roles":["offline_access","editor"]},"scope":"openid email","client_id":"web","username":"alice","token_type":"Bearer","active":true}"#,
        claims: || ClaimsConfig { roles: path("session.realm_access.roles"), ..defaults() },
        expected: "f1 | offline_access,editor | - | openid email | web",
    },
    Row {
        server: "Keycloak, refresh token",
        asked: Asked::Introspection,
        status: 200,
        body: r#"{"exp":1800000300,"sub":"f1","typ":"Refresh","azp":"web","active":true}"#,
        claims: defaults,
        expected: "session_of_other_kind",
    },
    Row {
        server: "Hydra, refresh token",
        asked: Asked::Introspection,
        status: 200,
        body: r#"{"active":true,"sub":"alice","token_type":"Bearer","token_use":"refresh_token","client_id":"app"}"#,
        claims: defaults,
        expected: "session_of_other_kind",
    },
    Row {
        server: "a client's own token: nobody's session",
        asked: Asked::Introspection,
        status: 200,
        body: r#"{"active":true,"client_id":"batch","scope":"jobs"}"#,
        claims: defaults,
        expected: "subject_missing",
    },
    Row {
        server: "Spring Security OAuth check_token",
        asked: Asked::Introspection,
        status: 200,
        body: r#"{"active":true,"exp":1800003600,"user_name":"alice","authorities":["ROLE_EDITOR"],"client_id":"app","scope":["read","write"]}"#,
        claims: || ClaimsConfig {
            subject: path("session.user_name"),
            roles: path("session.authorities"),
            ..defaults()
        },
        expected: "alice | ROLE_EDITOR | - | read write | app",
    },
    Row {
        server: "Spring Security OAuth check_token, unknown token",
        asked: Asked::Introspection,
        status: 400,
        body: r#"{"error":"invalid_token","error_description":"Token was not recognised"}"#,
        claims: defaults,
        expected: "session_ended",
    },
    Row {
        server: "Spring: the principal as JSON",
        asked: Asked::Whoami,
        status: 200,
        body: r#"{"authorities":[{"authority":"ROLE_EDITOR"},{"authority":"ROLE_USER"}],"details":{"sessionId":"A"},"authenticated":true,"principal":{"id":42,"tenant":{"id":7}},"name":"alice"}"#,
        claims: || ClaimsConfig {
            subject: path("session.principal.id"),
            roles: path("session.authorities"),
            organisation: path("session.principal.tenant.id"),
            ..defaults()
        },
        expected: "42 | ROLE_EDITOR,ROLE_USER | 7 | - | -",
    },
    Row {
        server: "Spring: no principal",
        asked: Asked::Whoami,
        status: 200,
        body: "",
        claims: defaults,
        expected: "session_ended",
    },
    Row {
        server: "Django view: roles separated by spaces, numeric sub",
        asked: Asked::Whoami,
        status: 200,
        body: r#"{"sub":7,"username":"alice","email":"","roles":"editor viewer editor","org":"acme"}"#,
        claims: || ClaimsConfig { organisation: path("session.org"), ..defaults() },
        expected: "7 | editor,viewer | acme | - | -",
    },
    Row {
        server: "PHP: nobody",
        asked: Asked::Whoami,
        status: 200,
        body: "[]",
        claims: defaults,
        expected: "session_ended",
    },
    Row {
        server: "Node session endpoint: nobody",
        asked: Asked::Whoami,
        status: 200,
        body: "null",
        claims: defaults,
        expected: "session_ended",
    },
    Row {
        server: "Kratos",
        asked: Asked::Whoami,
        status: 200,
        body: r#"{"id":"s","active":true,"expires_at":"2027-01-15T09:00:00.123Z","identity":{"id":"u-1","traits":{"email":"a@shop.example"},"metadata_public":{"roles":[{"name":"editor"}]}}}"#,
        claims: || ClaimsConfig {
            subject: path("session.identity.id"),
            roles: path("session.identity.metadata_public.roles"),
            email: path("session.identity.traits.email"),
            ..defaults()
        },
        expected: "u-1 | editor | - | - | -",
    },
    Row {
        server: "plain OAuth userinfo with a numeric id",
        asked: Asked::Userinfo,
        status: 200,
        body: r#"{"id":9007199254740993,"login":"alice"}"#,
        claims: || ClaimsConfig {
            subject: path("userinfo.id"),
            username: path("userinfo.login"),
            ..defaults()
        },
        expected: "9007199254740993 |  | - | - | -",
    },
    Row {
        server: "OpenID Connect userinfo",
        asked: Asked::Userinfo,
        status: 200,
        body: r#"{"sub":"alice","preferred_username":"al","roles":"editor"}"#,
        claims: defaults,
        expected: "alice | editor | - | - | -",
    },
    Row {
        server: "our client may not introspect: looks like everybody is logged out",
        asked: Asked::Introspection,
        status: 200,
        body: r#"{"active":false}"#,
        claims: defaults,
        expected: "session_ended",
    },
    Row {
        server: "our client is not known",
        asked: Asked::Introspection,
        status: 401,
        body: r#"{"error":"invalid_client"}"#,
        claims: defaults,
        expected: "source_refuses_us",
    },
    Row {
        server: "two organisations",
        asked: Asked::Whoami,
        status: 200,
        body: r#"{"sub":"alice","orgs":["acme","umbrella"]}"#,
        claims: || ClaimsConfig { organisation: path("session.orgs"), ..defaults() },
        expected: "organisation_invalid",
    },
    Row {
        server: "the first of several organisations, by the operator's word",
        asked: Asked::Whoami,
        status: 200,
        body: r#"{"sub":"alice","orgs":[{"id":"acme"},{"id":"umbrella"}]}"#,
        claims: || ClaimsConfig { organisation: path("session.orgs.0.id"), ..defaults() },
        expected: "alice |  | acme | - | -",
    },
    Row {
        server: "a log-in page with status 200",
        asked: Asked::Whoami,
        status: 200,
        body: "<!doctype html><form>",
        claims: defaults,
        expected: "source_nonsense",
    },
];

#[test]
fn every_server_is_understood_or_refused_by_name() {
    for row in ROWS {
        assert_eq!(understood(row), row.expected, "{}", row.server);
    }
}
