//! Whatever the authorization server answers, a verdict is only what a plain JSON reader finds in it too.
//!
//! The input is one byte that chooses the status, one with flags, and the body.

use bytes::Bytes;
use countersign::{Issuer, UnixTime};
use countersign_gateway::{
    config::resolved::{ClaimsConfig, SaysNo},
    error::SourceError,
    identity::Mapping,
    session::source::{
        Answer, Expected, Reply, Verdict, process_introspection, process_metadata, process_userinfo,
        process_whoami,
    },
};
use http::{StatusCode, Uri};
use serde_json::{Map, Value};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

const STATUSES: [u16; 12] = [200, 200, 200, 200, 204, 302, 400, 401, 403, 404, 429, 503];

/// Gives the input to every judge.
pub fn run(input: &[u8]) {
    let [status, flags, body @ ..] = input else { return };
    let status = STATUSES[usize::from(*status) % STATUSES.len()];
    let reply = Reply {
        path: "/app/me".into(),
        status: StatusCode::from_u16(status).expect("a status"),
        content_type: (flags & 1 != 0).then(|| "application/json".into()),
        location: (flags & 2 != 0).then(|| String::from_utf8_lossy(body).into_owned()),
        challenge: (flags & 4 != 0).then(|| String::from_utf8_lossy(body).into_owned()),
        date: None,
        cookies: Vec::new(),
        body_is_framed: flags & 8 != 0,
        body: Bytes::copy_from_slice(body),
    };
    let plain = match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Some(members),
        _ => None,
    };
    introspection(&reply, plain.as_ref(), flags & 16 != 0);
    userinfo(&reply, plain.as_ref());
    whoami(&reply, plain.as_ref());
    let metadata = process_metadata(&reply, &Issuer::from("https://sso.example"));
    if metadata.is_ok() {
        let members = plain.expect("metadata are an object");
        assert_eq!(members.get("issuer").and_then(Value::as_str), Some("https://sso.example"));
    }
}

fn introspection(reply: &Reply, plain: Option<&Map<String, Value>>, token_type: bool) {
    let active = plain.and_then(|members| members.get("active"));
    match process_introspection(reply, Expected { issuer: None, token_type }, NOW) {
        Ok(Verdict::Live(answer)) => {
            assert_eq!((reply.status.as_u16(), active), (200, Some(&Value::Bool(true))));
            assert_eq!(Some(&answer.session), plain, "nothing is added or lost");
            lives_on(&answer);
            if token_type {
                let told = |name: &str| answer.session.get(name).is_some_and(Value::is_string);
                assert!(["token_type", "token_use", "typ"].into_iter().any(told));
            }
        }
        Ok(Verdict::Refused(_)) => assert_eq!(active, Some(&Value::Bool(true))),
        Ok(Verdict::No(_)) if reply.status == 400 => {}
        Ok(Verdict::No(_)) => {
            assert_eq!(reply.status, 200);
            let over = active == Some(&Value::Bool(true)) && names_an_end(plain);
            assert!(active == Some(&Value::Bool(false)) || over);
        }
        Err(error) => is_of_the_server(&error),
    }
}

fn userinfo(reply: &Reply, plain: Option<&Map<String, Value>>) {
    match process_userinfo(reply, NOW) {
        Ok(Verdict::Live(answer)) => {
            assert_eq!(reply.status, 200);
            assert_eq!(answer.userinfo.as_ref(), plain);
            lives_on(&answer);
        }
        Ok(Verdict::No(_)) => {
            assert!(
                [400, 401].contains(&reply.status.as_u16()) || (reply.status == 200 && names_an_end(plain))
            );
        }
        Ok(Verdict::Refused(refusal)) => panic!("userinfo tells no kind: {refusal:?}"),
        Err(error) => is_of_the_server(&error),
    }
}

fn whoami(reply: &Reply, plain: Option<&Map<String, Value>>) {
    let no =
        SaysNo { status: vec![StatusCode::UNAUTHORIZED], redirect_to: Some("/login".into()), unless: None };
    match process_whoami(reply, &Uri::from_static("http://old.example/app/me"), &no, NOW) {
        Ok(Verdict::Live(answer)) => {
            assert_eq!(reply.status, 200);
            assert!(!answer.session.is_empty());
            assert_eq!(Some(&answer.session), plain);
            lives_on(&answer);
        }
        Ok(Verdict::No(_)) => match reply.status.as_u16() {
            200 => {
                let nobody = match serde_json::from_slice::<Value>(&reply.body) {
                    Ok(Value::Null) => true,
                    Ok(Value::Array(values)) => values.is_empty(),
                    Ok(Value::Object(members)) => members.is_empty() || names_an_end(plain),
                    Ok(_) => false,
                    Err(_) => reply.body_is_framed && reply.body.iter().all(u8::is_ascii_whitespace),
                };
                assert!(nobody);
            }
            302 => assert!(reply.location.as_deref().is_some_and(|to| to.contains("/login"))),
            status => assert!([204, 401].contains(&status)),
        },
        Ok(Verdict::Refused(refusal)) => panic!("whoami tells no kind: {refusal:?}"),
        Err(error) => is_of_the_server(&error),
    }
}

/// The session is not over, and what is made of it can stand in a header.
fn lives_on(answer: &Answer) {
    assert!(answer.ends.is_none_or(|end| end > NOW));
    if let Ok(identity) = Mapping::new(&ClaimsConfig::default()).identity(answer) {
        let texts =
            [Some(identity.subject.as_str()), identity.username.as_deref(), identity.email.as_deref()];
        let roles = identity.roles.iter().map(countersign::Role::as_str);
        for text in texts.into_iter().flatten().chain(roles).chain(identity.scope.as_deref()) {
            assert!(!text.is_empty() && !text.chars().any(char::is_control), "{text:?}");
        }
    }
}

fn names_an_end(plain: Option<&Map<String, Value>>) -> bool {
    plain.is_some_and(|members| {
        ["exp", "expires_at", "expires_in"].iter().any(|name| members.contains_key(*name))
    })
}

/// A judge never blames time or load.
fn is_of_the_server(error: &SourceError) {
    assert!(!matches!(error, SourceError::Timeout | SourceError::TooMany), "{error:?}");
}
