//! The authorization server from outside: a fake one on raw TCP that can answer anything, and what becomes of it.

mod client_authentication;
mod combined;
mod discovery;
pub(crate) mod fake;
mod faults;
mod fuzzed;
mod introspection;
mod probe;
mod properties;
mod settings;
mod tls;
mod userinfo;
mod whoami;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use countersign::{ClientId, Secret, UnixTime};
use countersign_gateway::{
    config::resolved::{
        ClientAuth, Endpoint, IntrospectionConfig, SaysNo, SessionConfig, SourceConfig, UserinfoConfig,
        WhoamiConfig,
    },
    credential::{CredentialKind, OwnedCredential},
    entropy::{Entropy, SystemEntropy},
    error::SourceError,
    session::source::{AuthorizationServer, Reply, Source, Verdict, from_config},
};
use http::{Method, StatusCode};
use serde_json::Value;

/// A moment in January 2027: every test lives in it.
pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

/// The session token of every test. No error may show it.
pub(crate) const TOKEN: &str = "s3ss10n-t0ken-of-alice";

/// The client's secret. No error may show it.
pub(crate) const CLIENT_SECRET: &str = "cl13nt secret:/+%&";

/// Long enough for a busy machine; the tests of time-outs set a shorter one.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn session(source: SourceConfig) -> SessionConfig {
    let many = std::num::NonZeroUsize::new(100).unwrap();
    SessionConfig {
        cookie: Some("SESSION".into()),
        bearer: false,
        source,
        recheck: Duration::from_secs(30),
        stale_if_error: None,
        keep_alive: None,
        max_age: Duration::from_secs(8 * 3600),
        timeout: PATIENCE,
        cache_entries: many,
        max_lookups: many,
        max_lookups_per_client: many,
        max_waiters: many,
        accept_clients: Vec::new(),
    }
}

pub(crate) fn given(url: &str) -> Endpoint {
    Endpoint::Given(url.parse().unwrap())
}

pub(crate) fn basic() -> ClientAuth {
    ClientAuth::Basic(ClientId::from("gateway"), Secret::new(CLIENT_SECRET.into()))
}

pub(crate) fn introspection(endpoint: Endpoint, client_auth: ClientAuth) -> SourceConfig {
    SourceConfig::Introspection(IntrospectionConfig { endpoint, client_auth, require_token_type: false })
}

pub(crate) fn userinfo(endpoint: Endpoint) -> SourceConfig {
    SourceConfig::Userinfo(UserinfoConfig { endpoint })
}

pub(crate) fn both(introspection: Endpoint, userinfo: Endpoint) -> SourceConfig {
    SourceConfig::IntrospectionAndUserinfo(
        IntrospectionConfig { endpoint: introspection, client_auth: basic(), require_token_type: false },
        UserinfoConfig { endpoint: userinfo },
    )
}

pub(crate) fn whoami(url: &str) -> SourceConfig {
    SourceConfig::Whoami(WhoamiConfig { endpoint: url.parse().unwrap(), method: Method::GET, no: says_no() })
}

/// The default: 401, and no redirect.
pub(crate) fn says_no() -> SaysNo {
    SaysNo { status: vec![StatusCode::UNAUTHORIZED], redirect_to: None, unless: None }
}

fn entropy() -> Arc<dyn Entropy> {
    Arc::new(SystemEntropy)
}

fn server(source: SourceConfig) -> Arc<AuthorizationServer> {
    from_config(&session(source), &entropy(), None).unwrap()
}

/// A server that is given up after a short time.
fn impatient_server(source: SourceConfig) -> Arc<AuthorizationServer> {
    let session = SessionConfig { timeout: Duration::from_millis(300), ..session(source) };
    from_config(&session, &entropy(), None).unwrap()
}

fn credential(kind: CredentialKind) -> Arc<OwnedCredential> {
    Arc::new(OwnedCredential { kind, value: Secret::new(TOKEN.into()) })
}

/// Asks with the session cookie, and looks that no error shows a secret.
async fn ask(server: &AuthorizationServer) -> Result<Verdict, SourceError> {
    let verdict = server.ask(&credential(CredentialKind::Cookie), NOW).await;
    let shown = format!("{verdict:?} {server:?}")
        + &verdict.as_ref().map_or_else(ToString::to_string, |_| String::new());
    assert!(!shown.contains(TOKEN) && !shown.contains("cl13nt"), "{shown}");
    verdict
}

/// An answer as the pure judges take it.
fn reply(status: u16, body: impl AsRef<[u8]>) -> Reply {
    Reply {
        path: "/me".into(),
        status: StatusCode::from_u16(status).unwrap(),
        content_type: Some("application/json".into()),
        location: None,
        challenge: None,
        date: None,
        cookies: Vec::new(),
        body_is_framed: true,
        body: Bytes::copy_from_slice(body.as_ref()),
    }
}

/// What a verdict comes to, short enough for a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    Live,
    No,
    OtherKind,
    BoundToKey,
    Nonsense,
    RefusesUs,
    Unavailable,
}

fn is(verdict: &Result<Verdict, SourceError>) -> Is {
    use countersign_gateway::error::Refusal;
    match verdict {
        Err(SourceError::OfHalf { error, .. }) => is(&Err((**error).clone())),
        Ok(Verdict::Live(_)) => Is::Live,
        Ok(Verdict::No(_)) => Is::No,
        Ok(Verdict::Refused(Refusal::SessionOfOtherKind)) => Is::OtherKind,
        Ok(Verdict::Refused(Refusal::SessionBoundToKey)) => Is::BoundToKey,
        Err(SourceError::Nonsense(_)) => Is::Nonsense,
        Err(SourceError::RefusesUs(_)) => Is::RefusesUs,
        Err(SourceError::Unavailable(_)) => Is::Unavailable,
        other => panic!("no verdict of a judge: {other:?}"),
    }
}

fn live(verdict: Result<Verdict, SourceError>) -> Box<countersign_gateway::session::source::Answer> {
    match verdict {
        Ok(Verdict::Live(answer)) => answer,
        other => panic!("not live: {other:?}"),
    }
}

fn text(value: &Value) -> String {
    value.to_string()
}
