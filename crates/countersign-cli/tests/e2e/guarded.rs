//! Services in Node.js and Python behind a guard: they know their callers from headers alone, and believe them.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use countersign::{
    Clock as _, SystemClock,
    testkit::{TestIssuer, TestKey},
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    client::{Call, raw},
    counterpart::{bare_node, bare_python},
    gateway::{Gateway, Setting},
    local_server::{LocalServer, Reply},
    process::Process,
};

/// Each is a route of its own, with and without `/open` before it.
const SERVICES: [&str; 2] = ["node", "python"];

struct Guarded {
    issuer: TestIssuer,
    gateway: Gateway,
    _keys: LocalServer,
    _services: [Process; 2],
}

impl Guarded {
    async fn start() -> Self {
        let set = serde_json::to_value(TestKey::set(&TestKey::PUBLISHED)).unwrap();
        let keys = LocalServer::start(move |_| Reply::json(&set)).await;
        let services = [
            Process::start(bare_node("guarded_service.mjs")),
            Process::start(bare_python("guarded_service.py")),
        ];
        let mut config = format!(
            "issuer = \"https://guard.example\"\n\
             [guard]\nissuer = \"{}\"\nkeys = \"{}/keys\"\n\
             headers = {{ subject = \"X-User-Id\", organisation = \"X-Organisation\", roles = \"X-Roles\", \
             scope = \"X-Scope\" }}\n",
            TestIssuer::ISSUER,
            keys.origin()
        );
        for (name, service) in SERVICES.iter().zip(&services) {
            let upstream = service.listening();
            config.push_str(&format!(
                "[[route]]\npath = \"/{name}/\"\nupstream = \"{upstream}\"\naudience = \"orders\"\nguard = true\n\
                 strip_prefix = true\nforward_token = false\n\
                 [[route]]\npath = \"/{name}/orders/admin/\"\nupstream = \"{upstream}\"\naudience = \"orders\"\n\
                 guard = true\nrequire = {{ roles = [\"admin\"], scope = [\"orders:write\"] }}\n\
                 [[route]]\npath = \"/open/{name}/\"\nupstream = \"{upstream}\"\npublic = true\nstrip_prefix = true\n"
            ));
        }
        let gateway = Gateway::start(Setting::new(), &config);
        let begin = Instant::now();
        while Call::get(gateway.admin_url("/readyz")).send().await.status != 200 {
            assert!(begin.elapsed() < Duration::from_secs(60), "the guard has no keys");
            sleep(Duration::from_millis(20)).await;
        }
        let issuer = TestIssuer::new("orders");
        issuer.clock().set(SystemClock.now());
        Self { issuer, gateway, _keys: keys, _services: services }
    }

    fn get(&self, path: &str, token: &str) -> Call {
        Call::get(self.gateway.url(path)).header("authorization", format!("Bearer {token}"))
    }

    /// All that the service was told.
    async fn told(&self, service: &str, token: &str) -> Value {
        self.get(&format!("/{service}/told"), token).send().await.expect(200).json()
    }
}

#[tokio::test]
async fn each_caller_sees_the_rows_of_their_own_organisation_alone() {
    let guarded = Guarded::start().await;
    let of =
        |organisation: &str| guarded.issuer.token().subject("ada").organisation(organisation).role("editor");
    let (acme, globex) = (of("acme").sign(), of("globex").sign());
    for service in SERVICES {
        for (token, ids) in [(&acme, &["1", "3"][..]), (&globex, &["2"])] {
            let listed = guarded.get(&format!("/{service}/orders/"), token).send().await.expect(200).json();
            let found: Vec<_> = listed["orders"]
                .as_array()
                .unwrap()
                .iter()
                .map(|order| order["id"].as_str().unwrap())
                .collect();
            assert_eq!(found, ids, "{service}");
        }
        for (id, token, status) in
            [("1", &acme, 200), ("1", &globex, 404), ("2", &acme, 404), ("9", &acme, 404)]
        {
            guarded.get(&format!("/{service}/orders/{id}"), token).send().await.expect(status);
        }
        // Nobody of any organisation sees nothing.
        let nobody = guarded.issuer.token().without("organisation").sign();
        let listed = guarded.get(&format!("/{service}/orders/"), &nobody).send().await.expect(200).json();
        assert_eq!(listed["orders"], json!([]), "{service}");
    }
    guarded.gateway.stop().await;
}

#[tokio::test]
async fn what_the_token_says_is_what_the_service_reads_and_it_never_sees_the_token() {
    let guarded = Guarded::start().await;
    let token = guarded
        .issuer
        .token()
        .subject("Ada Åkesson+1\r\nX-Roles: root")
        .organisation("50% & more, Ltd")
        .roles(["editor", "a,b"])
        .scope("orders:read openid")
        .sign();
    for service in SERVICES {
        let told = guarded.told(service, &token).await;
        let expected = json!({
            "id": "Ada Åkesson+1\r\nX-Roles: root", "organisation": "50% & more, Ltd",
            "roles": ["editor", "a,b"], "scope": ["orders:read", "openid"],
        });
        assert_eq!(told["caller"], expected, "{service}: {told}");
        assert!(!told.to_string().contains("eyJ"), "{service}: {told}");
        let admin = format!("/{service}/orders/admin/");
        let of = |scope: &str| guarded.issuer.token().role("admin").scope(scope).sign();
        guarded.get(&admin, &token).send().await.expect_refusal(403, "role_missing");
        let refused =
            guarded.get(&admin, &of("orders:read")).send().await.expect_refusal(403, "scope_missing");
        let challenge = refused.header("www-authenticate").unwrap();
        assert!(challenge.ends_with("error=\"insufficient_scope\", scope=\"orders:write\""), "{challenge}");
        guarded.get(&admin, &of("orders:write")).send().await.expect(200);
    }
    guarded.gateway.stop().await;
}

/// Every way to write a header that the guard sets.
fn forged() -> impl Iterator<Item = String> {
    let names = ["X-User-Id", "X-Organisation", "X-Roles", "X-Scope"];
    names.into_iter().flat_map(|name| {
        [
            name.to_owned(),
            name.to_lowercase(),
            name.to_uppercase(),
            name.replace('-', "_"),
            name.replace('-', "."),
            name.replacen('-', "_", 1),
            name.replace('-', "~"),
        ]
    })
}

#[tokio::test]
async fn nobody_becomes_somebody_else_by_a_header_in_any_spelling() {
    let guarded = Guarded::start().await;
    let token = guarded.issuer.token().subject("ada").without("organisation").without("roles").sign();
    let address = guarded.gateway.address().parse().unwrap();
    for service in SERVICES {
        for (path, proof) in [
            (format!("/{service}/told"), format!("Authorization: Bearer {token}\r\n")),
            (format!("/open/{service}/told"), String::new()),
        ] {
            let mut request = format!("GET {path} HTTP/1.1\r\nHost: guard.example\r\n{proof}");
            for name in forged() {
                request.push_str(&format!("{name}: mallory\r\n"));
            }
            request.push_str("Connection: close, X-User-Id, x-organisation\r\n\r\n");
            let answer = raw(address, request.as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            assert!(!answer.contains("mallory"), "{path}: {answer}");
            // Its body may come in chunks.
            let object = answer.find('{').zip(answer.rfind('}')).unwrap();
            let told: Value = serde_json::from_str(answer.get(object.0..=object.1).unwrap()).unwrap();
            let id = if path.starts_with("/open/") { Value::Null } else { json!("ada") };
            let caller = &told["caller"];
            assert_eq!(caller.get("id").unwrap_or(&Value::Null), &id, "{path}: {told}");
            assert!(caller.get("organisation").is_none_or(Value::is_null), "{path}: {told}");
            assert_eq!((&caller["roles"], &caller["scope"]), (&json!([]), &json!([])), "{path}: {told}");
        }
    }
    // Node.js reads trailers too.
    let mut request = format!(
        "POST /node/told HTTP/1.1\r\nHost: guard.example\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
         Transfer-Encoding: chunked\r\nTrailer: X-User-Id, X-Fine\r\n\r\n2\r\nhi\r\n0\r\nX-Fine: kept\r\n"
    );
    for name in forged() {
        request.push_str(&format!("{name}: mallory\r\n"));
    }
    request.push_str("\r\n");
    let answer = raw(address, request.as_bytes()).await;
    assert!(answer.contains("\"body\":\"hi\"") && !answer.contains("mallory"), "{answer}");
    assert!(answer.contains("kept"), "{answer}");
    guarded.gateway.stop().await;
}

/// The rows of the published vectors that are for the published key set.
fn names_of_the_vectors() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors");
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let file: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
            let rows = file["vectors"].as_array().into_iter().flatten();
            let bad = rows.filter(|row| row["setup"] == "keys" && row["refusal"].is_object());
            names.extend(bad.map(|row| row["name"].as_str().unwrap().to_owned()));
        }
    }
    names
}

/// The vectors have a moment of their own; the gateway has the machine's. So each row is made anew for now.
#[tokio::test]
async fn each_bad_token_of_the_vectors_is_refused_with_its_code_and_reaches_no_service() {
    let guarded = Guarded::start().await;
    let good = guarded.issuer.token().sign();
    let before = guarded.told("node", &good).await["served"].as_u64().unwrap();
    let mut names = names_of_the_vectors();
    let (mut sent, mut unsent) = (0, Vec::new());
    for (row, token) in guarded.issuer.bad_tokens() {
        assert!(names.remove(row.name()), "{} is no vector", row.name());
        // Two are good a second later; one has its moment written in it.
        let is_of_its_moment =
            row.name().ends_with("-at-the-edge") || row.name() == "time/expired-by-a-fraction";
        // What no header field can hold, or what its spaces are no part of.
        let fits = token.bytes().all(|byte| (0x21..0x7f).contains(&byte)) && token.len() < 30_000;
        if is_of_its_moment || !fits {
            unsent.push(row.name());
            continue;
        }
        let answer = guarded.get("/node/told", &token).send().await;
        let (status, code) = (row.refusal().status(), row.refusal().code());
        assert_eq!(
            (answer.status, answer.header("countersign-refused")),
            (status, Some(code)),
            "{}",
            row.name()
        );
        sent += 1;
    }
    assert_eq!(names, BTreeSet::new(), "vectors that were not tried");
    assert!(sent > 300 && unsent.len() * 10 < sent, "{sent} sent, not {unsent:?}");
    assert_eq!(guarded.told("node", &good).await["served"].as_u64().unwrap(), before + 1);
    guarded.gateway.stop().await;
}
