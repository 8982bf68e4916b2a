//! The time of each stage of a request, and of the whole warm path. `bench/stages` keeps the figures.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up ends")]

use std::{
    hint::black_box,
    io,
    net::{IpAddr, Ipv4Addr},
    num::NonZeroUsize,
    path::Path,
    sync::Arc,
    time::Duration,
};

use countersign::{Secret, SessionId, TokenId, UnixTime};
use countersign_gateway::{
    clock::{Clock, Moment, Now},
    config::{
        Config, Environment, FileContent,
        resolved::{Limits, Requirements, RingAlgorithm, TranslateConfig},
    },
    credential::{CredentialRules, OwnedCredential},
    entropy::SystemEntropy,
    http::{Parts, host, path},
    identity::Mapping,
    issue::{self, PolicyId, TokenPolicy},
    keyring::{KeyRingHandle, RingKeeper, RingSettings, Witness, schedule::Policy, seal::Sealer},
    observe::{Observer, SourceLabel},
    permit::permit,
    route::{Demands, Kind, RouteTable},
    server::RequestReader,
    session::{
        self, Memory, Rules, Sessions,
        gate::Places,
        key::SessionKeyer,
        source::{Answer, Asking, Source, Verdict},
    },
    store::memory::MemoryStore,
    tasks::Tasks,
    translate::{Translation, Warm},
};
use criterion::Criterion;
use serde_json::json;

const NOW: Now = Now { wall: UnixTime::from_secs(1_800_000_000), monotonic: Moment::from_millis(1_000) };
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const CONFIG: &str = r#"
issuer = "https://shop.example"
[session]
cookie = "SESSION"
whoami = "http://127.0.0.1:9/whoami"
[claims]
roles = "session.authorities"
organisation = "session.org.id"
[[route]]
path = "/orders/"
upstream = "http://127.0.0.1:9"
audience = "orders"
require = { roles = ["editor", "admin"] }
[[route]]
path = "/notes/"
upstream = "http://127.0.0.1:9"
audience = "notes"
[[route]]
path = "/public/"
upstream = "http://127.0.0.1:9"
public = true
"#;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    stages(&mut criterion);
    criterion.final_summary();
}

fn stages(criterion: &mut Criterion) {
    let translation = translation();
    let parts = parts("/orders/7?page=2");
    let answer = answer();
    let mapping = Mapping::new(&config().claims);
    let identity = mapping.identity(&answer).unwrap();
    let credential = translation.credentials.find(&parts.fields).unwrap().unwrap();
    let demands = demands(&translation);
    let ring = translation.keyring.load_full();
    let keyer = SessionKeyer::new(&Secret::new([1; 32]), b"settings");
    let session = keyer.session_id(&identity.subject, None, &keyer.key(&credential));
    let claims = || claims(&identity, &demands, &session);

    criterion.bench_function("route", |b| {
        b.iter(|| {
            let path = black_box(parts.uri.path());
            path::check_target(&parts.method, path).unwrap();
            let host = host::check(&parts.uri, &parts.fields, parts.version).unwrap();
            black_box(translation.routes.find(&host, path).is_some())
        });
    });
    criterion.bench_function("credential", |b| {
        b.iter(|| black_box(translation.credentials.find(black_box(&parts.fields)).is_ok()));
    });
    criterion.bench_function("session: key", |b| b.iter(|| black_box(keyer.key(black_box(&credential)))));
    let key = keyer.key(&credential);
    criterion.bench_function("session: cache read", |b| {
        b.iter(|| {
            let entry = translation.sessions.cache().find(black_box(&key)).unwrap();
            black_box(translation.sessions.freshness(&entry, NOW));
            entry
        });
    });
    criterion
        .bench_function("identity", |b| b.iter(|| black_box(mapping.identity(black_box(&answer)).is_ok())));
    criterion
        .bench_function("permit", |b| b.iter(|| black_box(permit(black_box(&identity), &demands).is_ok())));
    criterion.bench_function("issue", |b| b.iter(|| black_box(claims())));
    let to_sign = claims();
    criterion.bench_function("keyring: sign ES256", |b| {
        b.iter(|| black_box(ring.sign(black_box(&to_sign), NOW.wall).is_ok()));
    });
    for (name, parts) in
        [("translate: warm", &parts), ("translate: public", &self::parts("/public/7?page=2"))]
    {
        criterion.bench_function(name, |b| {
            b.iter(|| match translation.warm(black_box(parts), CLIENT, NOW) {
                Warm::Decided(decision) => black_box(decision),
                other => unexpected(&other),
            });
        });
    }
}

#[expect(clippy::panic, reason = "the session is warm, or the benchmark measures something else")]
fn unexpected(warm: &Warm) -> ! {
    panic!("not warm: {warm:?}")
}

/// A request as a browser sends it.
fn parts(target: &str) -> Parts {
    let (mut reader, mut parts) = (RequestReader::new(&Limits::DEFAULT), Parts::default());
    let fields = "Host: shop.example\r\n\
        User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
        Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
        Accept-Language: en-US,en;q=0.5\r\n\
        Accept-Encoding: gzip, deflate, br\r\n\
        Cookie: theme=dark; SESSION=n57CliVQkUz1JBgl4qbY7mMFdiU9jScRst8NkxskGYC; lang=en\r\n\
        Sec-Fetch-Site: same-origin\r\n";
    reader.buffer().extend_from_slice(format!("GET {target} HTTP/1.1\r\n{fields}\r\n").as_bytes());
    assert!(reader.next_head(&mut parts).unwrap());
    parts
}

fn answer() -> Answer {
    let answer = json!({
        "active": true, "sub": "user-1234", "client_id": "web", "username": "ada", "email": "ada@acme.example",
        "authorities": ["editor", "viewer"], "org": { "id": "acme" }, "scope": "openid profile",
    });
    let session = answer.as_object().unwrap().clone();
    Answer { session, userinfo: None, ends: None, new_cookie: None }
}

fn claims(
    identity: &countersign_gateway::identity::Identity,
    demands: &Demands,
    session: &SessionId,
) -> countersign::Claims {
    let permit = permit(identity, demands).unwrap();
    let id = TokenId::from("0123456789abcdef0123");
    issue::claims(&permit, &demands.policy, session, UnixTime::from_secs(1_900_000_000), id, NOW.wall)
}

/// What the first route demands and its token says.
fn demands(translation: &Translation) -> Demands {
    let Some(Kind::Translate(demands)) = translation.routes.all().first().map(|route| &route.kind) else {
        return Demands { require: Requirements::default(), policy: Arc::new(policy("orders")) };
    };
    Demands { require: demands.require.clone(), policy: Arc::clone(&demands.policy) }
}

/// A translation that knows the session of [`parts`] and holds its token.
fn translation() -> Translation {
    let config = config();
    let clock = Arc::new(Standing);
    let n = |n| NonZeroUsize::new(n).unwrap();
    let sessions = Sessions::new(session::Parts {
        rules: Rules {
            recheck: Duration::from_secs(30),
            max_age: Duration::from_secs(8 * 3600),
            timeout: Duration::from_secs(2),
            max_waiters: n(1_024),
            stale_if_error: None,
        },
        keyer: SessionKeyer::new(&Secret::new([1; 32]), b"settings"),
        memory: Arc::new(Memory::new(
            n(100_000),
            Places { all: n(256), per_client: n(32) },
            Tasks::default(),
        )),
        source: Arc::new(Everybody),
        mapping: Mapping::new(&config.claims),
        clock: clock.clone(),
        observer: Observer::without_files(),
        label: SourceLabel::Whoami,
    });
    let translation = Translation {
        routes: RouteTable::new(&config.routes, |translate: &TranslateConfig| {
            policy(translate.audience.as_str())
        }),
        credentials: CredentialRules::new(Some("SESSION"), false),
        own_origin: "https://shop.example".to_owned(),
        sessions: Arc::new(sessions),
        page_tokens: None,
        keyring: keyring(),
        clock,
        entropy: Arc::new(SystemEntropy),
        observer: Observer::without_files(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if let Warm::Cold(ask) = translation.warm(&parts("/orders/7"), CLIENT, NOW) {
        drop(runtime.block_on(translation.cold(*ask)));
    }
    translation
}

fn config() -> Config {
    Config::from_toml("gateway.toml", CONFIG, &Nothing, NonZeroUsize::MIN).unwrap()
}

fn policy(audience: &str) -> TokenPolicy {
    TokenPolicy {
        id: PolicyId([7; 16]),
        issuer: "https://shop.example".into(),
        audience: audience.into(),
        default_client: "gateway".into(),
        lifetime: Duration::from_secs(300),
        with_username: false,
        with_email: false,
        header_budget: 4096,
    }
}

fn keyring() -> Arc<KeyRingHandle> {
    let sealer = Sealer::new(&Secret::new([7; 32])).unwrap();
    let keeper =
        RingKeeper::new(Arc::new(MemoryStore::default()), sealer, Witness::memory(), Arc::new(SystemEntropy));
    let settings = RingSettings {
        algorithm: RingAlgorithm::Es256,
        policy: Policy::new(
            Duration::from_secs(86_400),
            Duration::from_secs(300),
            Duration::from_secs(30 * 86_400),
        ),
        shared_secrets: Vec::new(),
    };
    Arc::new(KeyRingHandle::new(keeper.open(&settings, NOW.wall).unwrap()))
}

/// The same moment always.
#[derive(Debug)]
struct Standing;

impl Clock for Standing {
    fn now(&self) -> Now {
        NOW
    }
}

/// Knows everybody.
#[derive(Debug)]
struct Everybody;

impl Source for Everybody {
    fn ask<'a>(&'a self, _: &'a Arc<OwnedCredential>, _: UnixTime) -> Asking<'a> {
        Box::pin(async { Ok(Verdict::Live(Box::new(answer()))) })
    }
}

/// No files and no variables.
#[derive(Debug)]
struct Nothing;

impl Environment for Nothing {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn read_file(&self, _: &Path) -> io::Result<FileContent> {
        Err(io::ErrorKind::NotFound.into())
    }
}
