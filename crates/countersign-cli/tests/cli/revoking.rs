//! `countersign revoke` and the gateway that runs.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    time::Duration,
};

use serde_json::Value;

use crate::{
    command::{Ran, countersign},
    port::Port,
    running::Gateway,
    server::{self, GOOD, LIVE},
};

/// A gateway whose authorization server knows one live cookie, and is the service too.
fn start(folder: &Path) -> Gateway {
    start_with(folder, 0).0
}

/// The same with its `admin_listen` on a port; and the port of the server.
fn start_with(folder: &Path, admin: u16) -> (Gateway, u16) {
    let port = server::server(GOOD);
    server::prepare(folder, port);
    let file = folder.join("gateway.toml");
    let text = fs::read_to_string(&file).unwrap().replace("127.0.0.1:9001", &format!("127.0.0.1:{port}"));
    let text =
        text.replace("admin_listen = \"127.0.0.1:0\"", &format!("admin_listen = \"127.0.0.1:{admin}\""));
    fs::write(file, format!("workers = 1\n{text}")).unwrap();
    (Gateway::start(folder), port)
}

/// What the live cookie gets: the status, and the code of a refusal.
pub(crate) fn visit(gateway: &Gateway) -> (u16, Option<String>) {
    let mut socket = TcpStream::connect(gateway.ready["listening"].as_str().unwrap()).unwrap();
    let request = format!(
        "GET /orders/ HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\nCookie: SESSION={LIVE}\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let refused = answer.lines().find_map(|line| line.strip_prefix("countersign-refused: "));
    (status, refused.map(ToOwned::to_owned))
}

/// Waits until the live cookie is served. What was refused is remembered for two seconds.
fn served_again(gateway: &Gateway) -> bool {
    (0..1_200).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        visit(gateway) == SERVED
    })
}

const SERVED: (u16, Option<String>) = (200, None);

/// Whatever revokes the session of the live cookie.
fn what_revokes(sid: &str) -> [Vec<&str>; 4] {
    [
        vec!["--session", sid],
        vec!["--subject", "u-1001"],
        vec!["--organisation", "acme", "--yes"],
        vec!["--all", "--yes"],
    ]
}

fn revoked() -> (u16, Option<String>) {
    (401, Some("revoked".to_owned()))
}

fn revoke(folder: &Path, arguments: &[&str]) -> Ran {
    countersign(folder, &[&["revoke"], arguments, &["--state-dir", "state"]].concat(), "")
}

/// The `sid` of the only session, from the audit log, which a thread of its own writes.
fn session(folder: &Path) -> String {
    for _ in 0..1_200 {
        let log = fs::read_to_string(folder.join("state").join("audit.jsonl")).unwrap_or_default();
        let whole = log.rsplit_once('\n').map_or("", |(lines, _)| lines);
        let mut events = whole.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        if let Some(began) = events.find(|event| event["event"] == "session_began") {
            return began["session"].as_str().unwrap().to_owned();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("no session in the audit log")
}

#[test]
fn what_is_revoked_is_refused_at_once_and_until_it_is_lifted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let gateway = start(folder);
    assert_eq!(visit(&gateway), SERVED);
    let sid = session(folder);
    for target in what_revokes(&sid) {
        let ran = revoke(folder, &target);
        assert_eq!(ran.code, 0, "{target:?}: {ran:?}");
        assert!(
            ran.output.contains(": revoked (event ") && ran.output.contains("\n1 session ended that"),
            "{ran:?}"
        );
        let is_of_many = target[0] != "--session";
        assert_eq!(ran.output.contains("does not tell when they began"), is_of_many, "{ran:?}");
        assert_eq!(visit(&gateway), revoked(), "{target:?}");
        let named: Vec<&str> = target.iter().copied().filter(|word| *word != "--yes").collect();
        let lifted = revoke(folder, &[&named[..], &["--lift"]].concat());
        assert_eq!(lifted.code, 0, "{lifted:?}");
        assert!(lifted.output.contains(": no longer revoked (event "), "{lifted:?}");
        assert!(served_again(&gateway), "{target:?}");
        let again = revoke(folder, &[&named[..], &["--lift"]].concat());
        assert!(again.code == 0 && again.output.contains(": was not revoked\n"), "{again:?}");
    }
    let (code, log) = gateway.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains(LIVE));
}

#[test]
fn many_are_counted_before_they_are_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let gateway = start(folder);
    assert_eq!(visit(&gateway), SERVED);
    for target in [&["--organisation", "acme"][..], &["--all"]] {
        let counted = revoke(folder, target);
        assert_eq!(counted.code, 1, "{counted:?}");
        assert!(counted.output.contains(": nothing was changed. 1 session would end.\n"), "{counted:?}");
        assert!(counted.complaint.contains("say `--yes` to revoke this"), "{counted:?}");
        let json = revoke(folder, &[target, &["--json"]].concat());
        let said: Value = serde_json::from_str(&json.output).unwrap();
        assert_eq!((json.code, &said["sessions"], &said["cursor"]), (1, &Value::from(1), &Value::Null));
        let dry = revoke(folder, &[target, &["--dry-run"]].concat());
        assert!(
            dry.code == 0 && dry.output.ends_with(": nothing was changed. 1 session would end.\n"),
            "{dry:?}"
        );
        assert_eq!(visit(&gateway), SERVED, "{target:?}");
    }
    let nobody = revoke(folder, &["--organisation", "globex"]);
    assert!(nobody.output.contains(" 0 sessions would end."), "{nobody:?}");
    for wrong in [&["--organisation", "*", "--yes"][..], &["--subject", ""]] {
        let ran = revoke(folder, wrong);
        assert!(ran.code == 1 && ran.output.is_empty(), "{wrong:?}: {ran:?}");
    }
    for unclear in [&[][..], &["--all", "--subject", "u-1001"], &["--all", "--yes", "--lift"]] {
        assert_eq!(revoke(folder, unclear).code, 2, "{unclear:?}");
    }
    for (target, end) in [
        (["--session", "nonsense"], "\nthis gateway knows no such session; recorded all the same\n"),
        (["--token", "nonsense"], ")\n"),
    ] {
        let unknown = revoke(folder, &target);
        assert!(unknown.code == 0 && unknown.output.ends_with(end), "{unknown:?}");
        assert!(!unknown.output.contains("--lift"), "{unknown:?}");
    }
    assert_eq!(visit(&gateway), SERVED);
    drop(gateway);
    let gone = revoke(folder, &["--subject", "u-1001"]);
    assert!(gone.code == 1 && gone.complaint.starts_with("countersign revoke: "), "{gone:?}");
}

#[test]
fn a_revocation_outlives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let gateway = start(folder);
    assert_eq!(visit(&gateway), SERVED);
    let sid = session(folder);
    assert_eq!(revoke(folder, &["--session", &sid]).code, 0);
    // Not asked to end: killed.
    drop(gateway);
    let gateway = Gateway::start(folder);
    assert_eq!(visit(&gateway), revoked());
    assert_eq!(revoke(folder, &["--session", &sid, "--lift"]).code, 0);
    assert!(served_again(&gateway));
}

#[test]
fn who_asks_why_is_told_what_is_revoked_and_how_it_is_lifted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let gateway = start(folder);
    let explain = || {
        let request =
            ["explain", "--config", "gateway.toml", "--url", "/orders/7", "--cookie-file", "cookie"];
        countersign(folder, &request, "")
    };
    assert_eq!(visit(&gateway), SERVED);
    let good = explain();
    assert!(good.code == 0 && good.output.contains("  ok    revocation  nothing that"), "{good:?}");
    let sid = session(folder);
    for target in what_revokes(&sid) {
        assert_eq!(revoke(folder, &target).code, 0);
        let named: Vec<&str> = target.iter().copied().filter(|word| *word != "--yes").collect();
        let ran = explain();
        assert!(ran.code == 1 && ran.output.contains("\n  FAIL  revocation  "), "{target:?}: {ran:?}");
        let words = ran.output.split_whitespace().collect::<Vec<_>>().join(" ");
        let lift = format!("is revoked: countersign revoke --state-dir state {} --lift", named.join(" "));
        assert!(words.contains(&lift) && words.contains("refused: 401 revoked"), "{lift}: {words}");
        assert_eq!(visit(&gateway), revoked());
        // To have asked changes nothing; what it says to do helps.
        assert_eq!(revoke(folder, &[&named[..], &["--lift"]].concat()).code, 0);
        assert!(served_again(&gateway) && explain().code == 0, "{target:?}");
    }
    drop(gateway);
    let nobody = explain();
    assert!(nobody.code == 0 && nobody.output.contains("  note  revocation  not looked at: "), "{nobody:?}");
}

#[test]
fn a_token_that_is_revoked_is_not_called_valid() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // `token` asks there for the keys: the port must be known.
    let admin = Port::reserved();
    let (gateway, port) = start_with(folder, admin.address.port());
    assert_eq!(visit(&gateway), SERVED);
    let (token, sid) = (server::last_token(port), session(folder));
    let look = || countersign(folder, &["token", "--config", "gateway.toml"], &token);
    let good = look();
    assert!(good.code == 0 && good.output.contains("ok    nothing that concerns it is revoked"), "{good:?}");
    let shown: Value =
        serde_json::from_str(&countersign(folder, &["token", "--json"], &token).output).unwrap();
    let jti = shown["claims"]["jti"].as_str().unwrap();
    for target in [["--token", jti], ["--session", &sid], ["--subject", "u-1001"]] {
        assert_eq!(revoke(folder, &target).code, 0);
        let ran = look();
        let lift = format!("countersign revoke --state-dir state {} --lift", target.join(" "));
        assert!(ran.code == 1 && ran.output.contains("FAIL  token_revoked: "), "{target:?}: {ran:?}");
        assert!(ran.output.contains(&lift), "{lift}: {ran:?}");
        assert_eq!(revoke(folder, &[&target[..], &["--lift"]].concat()).code, 0);
        assert_eq!(look().code, 0, "{target:?}");
    }
}
