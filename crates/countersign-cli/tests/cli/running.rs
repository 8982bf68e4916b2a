//! `countersign run`, `keys` and `demo`.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::command::countersign;

/// A gateway that runs in a folder.
pub(crate) struct Gateway {
    child: Child,
    pub(crate) ready: Value,
}

impl Gateway {
    pub(crate) fn start(folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(["run", "--config", "gateway.toml"]).current_dir(folder).env_clear();
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|_| {
            let mut log = String::new();
            child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
            panic!("{line}{log}")
        });
        Self { child, ready }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Ends it with SIGTERM; its exit code and its log.
    pub(crate) fn stop(mut self) -> (Option<i32>, String) {
        self.signal("TERM");
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn prepare(folder: &Path) {
    fs::write(folder.join("secret"), "planted-client-secret").unwrap();
    fs::set_permissions(folder.join("secret"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(
        folder.join("gateway.toml"),
        "issuer = \"https://shop.example\"\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\nstate_dir = \"state\"\n\
         workers = 1\n[session]\ncookie = \"SESSION\"\nintrospect = \"http://127.0.0.1:9/\"\nclient_id = \"gateway\"\n\
         client_secret_file = \"secret\"\n[[route]]\npath = \"/orders/\"\nupstream = \"http://127.0.0.1:9\"\naudience = \"orders\"\n",
    )
    .unwrap();
}

#[test]
fn who_hears_that_it_is_ready_may_send_a_signal() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    for _ in 0..5 {
        let gateway = Gateway::start(folder.path());
        gateway.signal("HUP");
        let (code, log) = gateway.stop();
        assert_eq!(code, Some(0), "{log}");
    }
}

#[test]
fn a_running_gateway_tells_its_addresses_and_its_keys() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    let gateway = Gateway::start(folder.path());
    assert_eq!(gateway.ready["issuer"], "https://shop.example");
    for name in ["listening", "admin_listening"] {
        assert!(gateway.ready[name].as_str().unwrap().starts_with("127.0.0.1:"), "{}", gateway.ready);
    }

    let listed = countersign(folder.path(), &["keys", "list", "--config", "gateway.toml"], "");
    assert_eq!(listed.code, 0, "{listed:?}");
    let lines: Vec<Vec<&str>> = listed.output.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((lines.len(), lines[1][2], lines[2][2]), (3, "signing", "published"), "{listed:?}");
    let json = countersign(folder.path(), &["keys", "list", "--state-dir", "state", "--json"], "");
    let json: Value = serde_json::from_str(&json.output).unwrap();
    assert_eq!(json["keys"][0]["kid"], lines[1][0]);
    let public = countersign(folder.path(), &["keys", "export-public", "--state-dir", "state"], "");
    let public: Value = serde_json::from_str(&public.output).unwrap();
    assert_eq!(public["keys"].as_array().unwrap().len(), 2);
    assert!(public["keys"][0].get("d").is_none());

    let second = countersign(folder.path(), &["run", "--config", "gateway.toml"], "");
    assert_eq!((second.code, second.output.as_str()), (1, ""), "{second:?}");
    assert!(second.complaint.contains("countersign run: cannot use the state directory"), "{second:?}");

    let (code, log) = gateway.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("planted") && !log.contains("panicked"), "{log}");
    let after = countersign(folder.path(), &["keys", "list", "--state-dir", "state"], "");
    assert!(after.code == 1 && after.complaint.contains("no gateway runs on `state`"), "{after:?}");
}

/// What `countersign keys …` says about the keys: name and phase of each.
fn keys(folder: &Path, arguments: &[&str]) -> Vec<(String, String)> {
    let said = countersign(folder, &[&["keys"], arguments, &["--state-dir", "state"]].concat(), "");
    assert_eq!(said.code, 0, "{arguments:?}: {}", said.complaint);
    let line = |line: &str| {
        let mut words = line.split_whitespace().map(ToOwned::to_owned);
        (words.next().unwrap(), words.nth(1).unwrap())
    };
    said.output.lines().skip(1).map(line).collect()
}

fn names(keys: &[(String, String)]) -> Vec<&str> {
    keys.iter().map(|(kid, _)| kid.as_str()).collect()
}

fn phases(keys: &[(String, String)]) -> Vec<&str> {
    keys.iter().map(|(_, phase)| phase.as_str()).collect()
}

#[test]
fn the_keys_of_a_running_gateway_can_be_changed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    prepare(folder);
    let gateway = Gateway::start(folder);
    let first = keys(folder, &["list"]);
    assert_eq!(phases(&first), ["signing", "published"]);

    // The standby key is as new as the ring: it signs in a day.
    let planned = keys(folder, &["rotate"]);
    assert_eq!(phases(&planned), ["signing", "published", "published"]);
    let again = countersign(folder, &["keys", "rotate", "--state-dir", "state"], "");
    assert_eq!(again.code, 1);
    assert!(
        again.complaint.contains(names(&first)[1]) && again.complaint.contains("already"),
        "{}",
        again.complaint
    );

    let retired = keys(folder, &["retire", names(&first)[0]]);
    assert_eq!(phases(&retired), ["gone", "signing", "published"]);
    let set = countersign(folder, &["keys", "export-public", "--state-dir", "state"], "");
    assert!(!set.output.contains(names(&first)[0]) && set.output.contains(names(&first)[1]));
    let none = countersign(folder, &["keys", "retire", "nobody", "--state-dir", "state"], "");
    assert_eq!((none.code, none.complaint.contains("no key `nobody`")), (1, true), "{}", none.complaint);

    // RFC 7515 §A.3.1.
    let jwk = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;
    fs::write(folder.join("key.jwk"), jwk).unwrap();
    let imported = keys(folder, &["import", "key.jwk"]);
    assert_eq!(imported.len(), 4);
    assert_eq!(imported[3].1, "published");
    fs::write(folder.join("bad.pem"), "-----BEGIN PRIVATE KEY-----\nplanted\n-----END PRIVATE KEY-----\n")
        .unwrap();
    let bad = countersign(folder, &["keys", "import", "bad.pem", "--state-dir", "state"], "");
    assert_eq!((bad.code, bad.complaint.contains("planted")), (1, false), "{}", bad.complaint);

    let status = countersign(folder, &["status", "--state-dir", "state"], "");
    assert!(status.output.contains("ring version             4\n"), "{}", status.output);
    let reloaded = countersign(folder, &["reload", "--state-dir", "state"], "");
    assert_eq!((reloaded.code, &*reloaded.output), (0, "the configuration is in force\n"));
    let (_, log) = gateway.stop();
    assert!(!log.contains("jpsQnnGQmL"), "a private key in the log");
    let gateway = Gateway::start(folder);
    assert_eq!(keys(folder, &["list"]), imported, "a restart finds them as they were");
    drop(gateway);
}

/// Keys as OpenSSL writes them: PKCS #8, and what it wrote before.
const PEMS: [(&str, [&str; 2]); 2] = [
    (
        "ES256",
        [
            include_str!("../../../countersign/src/testkit/keys/es256.pem"),
            include_str!("../../../countersign/tests/it/pem/ec_traditional.pem"),
        ],
    ),
    (
        "RS256",
        [
            include_str!("../../../countersign/src/testkit/keys/rsa.pem"),
            include_str!("../../../countersign/tests/it/pem/rsa_traditional.pem"),
        ],
    ),
];

#[test]
fn keys_in_pem_are_taken_by_a_running_gateway_and_sign_once_it_is_their_turn() {
    for (number, (algorithm, pems)) in PEMS.into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        prepare(folder);
        let file = folder.join("gateway.toml");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{text}[token]\nalgorithm = \"{algorithm}\"\n")).unwrap();
        let gateway = Gateway::start(folder);
        let own = keys(folder, &["list"]);
        let mut imported = Vec::new();
        for (place, pem) in pems.into_iter().enumerate() {
            fs::write(folder.join("key.pem"), pem).unwrap();
            let listed = keys(folder, &["import", "key.pem"]);
            assert_eq!((listed.len(), &*listed[2 + place].1), (3 + place, "published"), "{listed:?}");
            imported.push(listed[2 + place].0.clone());
            let again = countersign(folder, &["keys", "import", "key.pem", "--state-dir", "state"], "");
            assert_eq!((again.code, again.output.as_str()), (1, ""), "it is there: {again:?}");
        }
        fs::write(folder.join("other.pem"), PEMS[1 - number].1[0]).unwrap();
        let other = countersign(folder, &["keys", "import", "other.pem", "--state-dir", "state"], "");
        assert_eq!((other.code, other.output.as_str()), (1, ""), "of another algorithm: {other:?}");

        let set = countersign(folder, &["keys", "export-public", "--state-dir", "state"], "");
        let set: Value = serde_json::from_str(&set.output).unwrap();
        for kid in &imported {
            let mut published = set["keys"].as_array().unwrap().iter().filter(|key| key["kid"] == **kid);
            let key = published.next().unwrap();
            assert_eq!((&key["alg"], published.next()), (&algorithm.into(), None));
            assert!(["d", "p", "q"].iter().all(|member| key.get(member).is_none()), "{set}");
        }
        for (kid, _) in &own {
            keys(folder, &["retire", kid]);
        }
        let listed = keys(folder, &["list"]);
        let signing = listed.iter().find(|(_, phase)| phase == "signing").unwrap();
        assert!(imported.contains(&signing.0), "{listed:?}");
        let (code, log) = gateway.stop();
        assert_eq!(code, Some(0), "{log}");
        for line in pems.into_iter().flat_map(str::lines).filter(|line| line.len() >= 40) {
            assert!(!log.contains(line), "a private key in the log");
        }
    }
}

#[test]
fn what_cannot_start_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let missing = countersign(folder.path(), &["run", "--config", "none.toml"], "");
    assert_eq!((missing.code, missing.output.as_str()), (2, ""));
    prepare(folder.path());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let text = fs::read_to_string(folder.path().join("gateway.toml")).unwrap();
    fs::write(folder.path().join("gateway.toml"), text.replacen("127.0.0.1:0", &address, 1)).unwrap();
    let ran = countersign(folder.path(), &["run", "--config", "gateway.toml"], "");
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.complaint.contains(&format!("cannot listen on {address}")), "{ran:?}");
    fs::write(folder.path().join("gateway.toml"), text).unwrap();
    fs::write(folder.path().join("state").join("countersign.db"), "no database, ".repeat(100)).unwrap();
    let ran = countersign(folder.path(), &["run", "--config", "gateway.toml"], "");
    let said = "countersign run: `state/countersign.db` is no SQLite database: restore a backup\n";
    assert_eq!((ran.code, &*ran.complaint), (1, said));
}

#[test]
fn a_file_with_a_fault_is_not_the_running_gateways() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("gateway.toml"), "[sesion]\n").unwrap();
    let said =
        "\nThe running gateway keeps the configuration it has. `--state-dir DIRECTORY` needs no file.\n";
    for command in [&["reload"][..], &["status"], &["keys", "list"], &["revoke", "--subject", "a"]] {
        let ran = countersign(folder.path(), &[command, &["--config", "gateway.toml"]].concat(), "");
        assert!(ran.code == 2 && ran.complaint.ends_with(said), "{ran:?}");
    }
    let ran = countersign(folder.path(), &["run", "--config", "gateway.toml"], "");
    assert!(ran.code == 2 && !ran.complaint.contains("running gateway"), "{ran:?}");
}

#[test]
#[cfg(feature = "demo")]
fn the_demo_does_not_begin_what_it_cannot_end() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, said) in [
        (&["--script", "--browser", "none"][..], "--browser `none`: there is no such file\n"),
        (&["--listen", "0.0.0.0:8080"], "--listen must be on loopback: "),
    ] {
        let ran = countersign(folder.path(), &[&["demo"], arguments].concat(), "");
        assert!(ran.code == 1 && ran.output.is_empty() && ran.complaint.contains(said), "{ran:?}");
    }
}

#[test]
#[cfg(feature = "demo")]
fn the_demo_tells_its_story() {
    let folder = tempfile::tempdir().unwrap();
    let ran = countersign(folder.path(), &["demo", "--script"], "");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.output.ends_with("all as expected\n") && !ran.output.contains("FAIL"), "{ran:?}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ran = countersign(folder.path(), &["demo", "--listen", &taken.local_addr().unwrap().to_string()], "");
    assert!(ran.code == 1 && ran.complaint.contains("give another address with `--listen`"), "{ran:?}");
}
