//! What `check` finds out about a server.

use countersign::{Clock, Secret, UnixTime};
use countersign_gateway::{
    credential::{CredentialKind, OwnedCredential},
    entropy::SystemEntropy,
    session::source::probe::{DeadBy, Finding, judge},
};

use super::{
    NOW, TOKEN, basic, fake,
    fake::{Act, Arrived, Fake},
    given, introspection, server, whoami,
};

#[derive(Debug)]
struct At(UnixTime);

impl Clock for At {
    fn now(&self) -> UnixTime {
        self.0
    }
}

async fn probed(
    respond: impl Fn(&Arrived) -> Act + Send + Sync + 'static,
    live: bool,
) -> (Vec<Finding>, Fake) {
    let fake = Fake::start(respond).await;
    let server = server(introspection(given(&fake.url("/introspect")), basic()));
    let live =
        live.then(|| OwnedCredential { kind: CredentialKind::Cookie, value: Secret::new(TOKEN.into()) });
    let probed = server.probe(live.as_ref(), &At(NOW), &SystemEntropy).await.unwrap();
    (judge(&probed), fake)
}

fn inactive(_: &Arrived) -> Act {
    fake::json(200, r#"{"active":false}"#)
}

#[tokio::test]
async fn a_good_server() {
    let respond = |request: &Arrived| {
        let active = request.body.contains(TOKEN);
        let date = "date: Fri, 15 Jan 2027 08:00:00 GMT\r\n";
        fake::answer(200, date, &format!(r#"{{"active":{active}}}"#))
    };
    let (findings, fake) = probed(respond, true).await;
    assert_eq!(findings, [Finding::KnowsUnknown, Finding::KnowsLive]);
    let tokens: Vec<_> = fake.arrived().iter().map(|request| request.form()[0].1.clone()).collect();
    assert_eq!(tokens[0].len(), 43, "a random token comes first");
    assert_eq!(tokens[1], TOKEN);
}

#[tokio::test]
async fn a_cookie_that_is_replaced_while_it_is_asked_about_is_told() {
    for (kind, sets, told) in [
        (CredentialKind::Cookie, "SESSION=another-value-7f3a; Path=/", true),
        (CredentialKind::Cookie, &*format!("SESSION={TOKEN}; Max-Age=1800"), false),
        (CredentialKind::Cookie, "other=another-value-7f3a", false),
        (CredentialKind::Bearer, "SESSION=another-value-7f3a; Path=/", false),
    ] {
        let headers = format!("set-cookie: {sets}\r\n");
        let fake = Fake::start(move |request: &Arrived| {
            if request.head.contains(TOKEN) {
                fake::answer(200, &headers, r#"{"id":7}"#)
            } else {
                fake::answer(401, "set-cookie: SESSION=of-a-stranger\r\n", "")
            }
        })
        .await;
        let live = OwnedCredential { kind, value: Secret::new(TOKEN.into()) };
        let server = server(whoami(&fake.url("/me")));
        let findings = judge(&server.probe(Some(&live), &At(NOW), &SystemEntropy).await.unwrap());
        assert_eq!(findings.contains(&Finding::ReplacesCookie), told, "{kind:?} {sets}: {findings:?}");
        assert!(findings.contains(&Finding::KnowsLive), "{findings:?}");
        let text = format!("{findings:?}") + &findings.iter().map(ToString::to_string).collect::<String>();
        assert!(!text.contains("another-value") && !text.contains(TOKEN), "{text}");
    }
}

#[tokio::test]
async fn a_client_that_may_not_introspect_is_told_from_a_dead_session() {
    assert_eq!(probed(inactive, false).await.0, [Finding::KnowsUnknown, Finding::NotProven]);
    assert_eq!(
        probed(inactive, true).await.0,
        [Finding::KnowsUnknown, Finding::LiveCalledDead(DeadBy::Introspection)]
    );
    let refuses = |_: &Arrived| fake::json(401, r#"{"error":"invalid_client"}"#);
    let (findings, _) = probed(refuses, false).await;
    assert!(matches!(findings.first(), Some(Finding::CannotBeAsked(_))), "{findings:?}");
    assert!(findings[0].to_string().contains("invalid_client"));
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_seen_in_the_date() {
    let late =
        |_: &Arrived| fake::answer(200, "date: Fri, 15 Jan 2027 08:02:00 GMT\r\n", r#"{"active":false}"#);
    let (findings, _) = probed(late, false).await;
    assert!(findings.contains(&Finding::ClockDiffers(std::time::Duration::from_secs(120))), "{findings:?}");
    let no_date = |_: &Arrived| fake::answer(200, "date: yesterday\r\n", r#"{"active":false}"#);
    assert_eq!(probed(no_date, false).await.0.len(), 2);
}
