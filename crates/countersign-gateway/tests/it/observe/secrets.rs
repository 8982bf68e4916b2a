//! Secrets are planted wherever the gateway holds some; then everything it writes is searched for them.

use std::{fs, future::pending, sync::Arc, time::Duration};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use countersign::{Audience, Claims, Secret};
use countersign_gateway::{
    admin::{
        Admin, Control, ControlSocket, KeyChange, KeyChangeError, Parts, Reloading, client::call, serve,
    },
    config::resolved::{ClientAuth, RingAlgorithm},
    credential::{CredentialKind, OwnedCredential},
    entropy::SystemEntropy,
    error::Refusal,
    keyring::{
        KeyRingHandle, RingKeeper, RingSettings,
        encryption_key::EncryptionKeySource,
        schedule::{KEY_LEAD, Policy, ROTATION},
    },
    metadata::{Metadata, MetadataHandle},
    observe::{
        KeyPhase, Metrics, Observation, Observer, ReloadOutcome, RouteLabel,
        audit::{AuditLimits, AuditLog},
        log,
        requests::{RequestLine, RequestLog},
    },
    session::source::Answer,
    store::StateDirectory,
};
use http::{Method, StatusCode, header};
use serde_json::json;
use tracing::Level;

use super::{Fixed, Kept, NOW, began, refused, signed};

const COOKIE: &str = "planted-cookie-7f3a";
const CLIENT_SECRET: &str = "planted-client-secret-9b1c";
const EMAIL: &str = "planted-address@example.org";

#[derive(Debug)]
struct Quiet;

impl Control for Quiet {
    fn not_ready(&self) -> Option<&'static str> {
        None
    }

    fn cached_sessions(&self) -> u64 {
        0
    }

    fn source_is_failing(&self) -> bool {
        false
    }

    fn reload(&self) -> Reloading<'_> {
        Box::pin(async { Ok(ReloadOutcome::Unchanged) })
    }

    fn change_keys(&self, _: KeyChange) -> Result<(), KeyChangeError> {
        Err(KeyChangeError::Refused("not here".to_owned()))
    }
}

/// Every form in which bytes are commonly written.
fn forms(secret: &[u8]) -> Vec<String> {
    let debug = format!("{secret:?}");
    let mut forms = vec![
        URL_SAFE_NO_PAD.encode(secret),
        STANDARD_NO_PAD.encode(secret),
        secret.iter().map(|byte| format!("{byte:02x}")).collect(),
        secret.iter().map(|byte| format!("{byte:02X}")).collect(),
        debug.trim_matches(['[', ']']).to_owned(),
    ];
    forms.extend(std::str::from_utf8(secret).map(str::to_owned));
    forms
}

#[test]
fn the_search_finds_what_is_written_carelessly() {
    let secret = [7, 250, 31, 9];
    for careless in
        [format!("{secret:?}"), format!("key={}", URL_SAFE_NO_PAD.encode(secret)), format!("{secret:02x?}")]
    {
        let compact = careless.replace(", ", "");
        let found = forms(&secret).iter().any(|form| careless.contains(form) || compact.contains(form));
        assert!(found, "{careless}");
    }
}

#[tokio::test]
async fn nothing_that_is_written_shows_a_secret() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("state");
    let directory = Arc::new(StateDirectory::enter(&path).unwrap());
    let keeper =
        RingKeeper::embedded(&directory, &EncryptionKeySource::Generated, Arc::new(SystemEntropy)).unwrap();
    let shared: Vec<u8> = (100..132).collect();
    let settings = RingSettings {
        algorithm: RingAlgorithm::Es256,
        policy: Policy::new(KEY_LEAD, Duration::from_secs(300), ROTATION),
        shared_secrets: vec![(Audience::from("reports"), Secret::new(shared.clone()))],
    };
    let ring = keeper.open(&settings, NOW).unwrap();
    let token = ring.sign(&claims(), NOW).unwrap();

    let mut secrets = vec![
        COOKIE.as_bytes().to_vec(),
        CLIENT_SECRET.as_bytes().to_vec(),
        EMAIL.as_bytes().to_vec(),
        shared,
        ring.session_secret().expose().to_vec(),
        token.header_value().as_bytes()[7..].to_vec(),
        // The payload alone is enough to tell who somebody is.
        token.header_value().to_str().unwrap().split('.').nth(1).unwrap().as_bytes().to_vec(),
        fs::read(path.join("kek")).unwrap().trim_ascii().to_vec(),
    ];
    for key in ring.keys(NOW) {
        secrets.push(key.key.to_pkcs8_der().unwrap().expose()[36..68].to_vec());
    }

    let kept = Kept::default();
    let requests = RequestLog::start(1, kept.clone()).unwrap();
    let (audit, audit_guard) = AuditLog::open(path.join("audit.jsonl"), AuditLimits::DEFAULT).unwrap();
    let metrics = Metrics::new(1);
    let observer = Observer::new(metrics.worker(0), audit.clone(), Some(requests.worker(0)), Arc::new(Fixed));
    let metadata = Metadata::render(&"https://shop.example".into(), &ring, NOW).unwrap();
    let ring = Arc::new(KeyRingHandle::new(ring));
    let admin = Admin::new(Parts {
        control: Arc::new(Quiet),
        ring: Arc::clone(&ring),
        metadata: Arc::new(MetadataHandle::new(metadata)),
        metrics: metrics.clone(),
        log: None,
        audit: audit.losses(),
        requests: Some(requests.losses()),
        clock: Arc::new(Fixed),
        started: NOW,
    });

    for json in [true, false] {
        let (dispatch, guard) = log::dispatch(json, Level::TRACE, kept.clone()).unwrap();
        tracing::dispatcher::with_default(&dispatch, || {
            everything_is_told(&observer);
            // What somebody might be tempted to log.
            let cookie =
                OwnedCredential { kind: CredentialKind::Cookie, value: Secret::new(COOKIE.to_owned()) };
            let client = ClientAuth::Basic("gateway".into(), Secret::new(CLIENT_SECRET.to_owned()));
            let answer = Answer {
                session: json!({"sub": "ada", "email": EMAIL, "access_token": COOKIE})
                    .as_object()
                    .unwrap()
                    .clone(),
                userinfo: None,
                ends: None,
                new_cookie: None,
            };
            let mut headers = http::HeaderMap::new();
            headers.insert(header::AUTHORIZATION, token.header_value().clone());
            tracing::error!(?cookie, ?client, ?answer, ?headers, ?token, ?ring, ?keeper, ?settings, ?admin);
        });
        drop(dispatch);
        drop(guard);
    }
    let (_socket, listener) = ControlSocket::bind(&directory).unwrap();
    tokio::spawn(serve(listener, admin.control(), pending()));
    let mut pages = String::new();
    for page in ["/metrics", "/status", "/keys", "/keys/public", "/readyz", "/healthz", "/none"] {
        let reply = call(&path, Method::GET, page, "").await.unwrap();
        pages.push_str(std::str::from_utf8(&reply.body).unwrap());
    }
    drop(requests);
    drop(audit_guard);

    let audit = fs::read_to_string(path.join("audit.jsonl")).unwrap();
    let written = [("log", kept.text()), ("audit log", audit), ("pages", pages)];
    for (place, text) in &written {
        assert!(text.len() > 500, "{place} is nearly empty:\n{text}");
        for (number, secret) in secrets.iter().enumerate() {
            for form in forms(secret) {
                assert!(!text.contains(&form), "secret {number} is in the {place}");
            }
        }
    }
}

fn claims() -> Claims {
    Claims {
        iss: "https://shop.example".into(),
        aud: "orders".into(),
        sub: "ada".into(),
        client_id: "shop".into(),
        iat: NOW,
        exp: NOW.saturating_add(Duration::from_secs(300)),
        jti: "t-1".into(),
        sid: None,
        roles: Vec::new(),
        organisation: None,
        scope: None,
        username: None,
        email: Some(EMAIL.to_owned()),
    }
}

fn everything_is_told(observer: &Observer) {
    let session = "s-1".into();
    observer.observe(began(&session));
    signed(&session, |observation| observer.observe(observation));
    for refusal in Refusal::ALL {
        observer.observe(refused(*refusal, &session));
    }
    observer.observe(Observation::Key { kid: &"k-1".into(), phase: KeyPhase::Gone, signs_from: Some(NOW) });
    observer.observe(Observation::Store { failure: Some("store_database"), detail: "disk full" });
    observer.observe(Observation::Reloaded { outcome: ReloadOutcome::Applied, detail: None });
    observer.requests().unwrap().push(&RequestLine {
        time: NOW,
        decision: "d-17",
        client: None,
        method: &Method::GET,
        path: "/orders/1",
        kind: RouteLabel::Translate,
        route: Some("/orders/"),
        session: Some(&session),
        status: StatusCode::OK,
        bytes: 17,
        duration: Duration::from_millis(3),
    });
}
