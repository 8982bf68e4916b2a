//! What an operator sees of an outage at night: the authorization server away, then the store.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{command::countersign, revoking::visit, running::Gateway, server::prepare};

/// `redis-server` on a port. Killed when dropped.
struct Redis(Child);

impl Redis {
    fn start(folder: &Path, port: u16) -> Self {
        let mut command = Command::new("redis-server");
        command.args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]);
        let child = command.current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let redis = Self(child.expect("redis-server is installed (apt-get install redis-server)"));
        until("redis-server answers", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        redis
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Other processes take their own time.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn status(folder: &Path) -> Value {
    let ran = countersign(folder, &["status", "--state-dir", "state", "--json"], "");
    assert_eq!(ran.code, 0, "{ran:?}");
    serde_json::from_str(&ran.output).unwrap()
}

fn has(status: &Value, fault: &str) -> bool {
    status["faults"].as_array().is_some_and(|faults| faults.iter().any(|code| code == fault))
}

#[test]
fn what_is_away_is_told_and_the_gateway_stays_ready() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let [nowhere, port] =
        [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
    let redis = Redis::start(folder, port);
    prepare(folder, nowhere);
    fs::write(folder.join("kek"), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
    fs::set_permissions(folder.join("kek"), fs::Permissions::from_mode(0o600)).unwrap();
    let file = folder.join("gateway.toml");
    let text = fs::read_to_string(&file).unwrap();
    let store = format!("[store]\nurl = \"valkey://127.0.0.1:{port}\"\n");
    fs::write(&file, format!("workers = 1\nencryption_key_file = \"kek\"\n{text}{store}")).unwrap();
    let gateway = Gateway::start(folder);
    let fine = status(folder);
    assert!(fine["ready"] == true && fine.get("faults").is_none(), "{fine}");
    assert_eq!(fine["store"]["at"], format!("127.0.0.1:{port}"));

    assert_eq!(visit(&gateway), (503, Some("source_unavailable".to_owned())));
    let away = status(folder);
    assert!(away["ready"] == true && has(&away, "source_unavailable"), "{away}");
    let server = &away["authorization_server"];
    assert_eq!(server["at"], format!("introspection http://127.0.0.1:{nowhere}/introspect"));
    assert_eq!(server["reason"], "connection refused");

    drop(redis);
    let revoked = countersign(folder, &["revoke", "--subject", "u-1", "--state-dir", "state"], "");
    assert!(revoked.code == 1 && revoked.complaint.contains("holds at this gateway"), "{revoked:?}");
    until("the store is seen to be away", || {
        let away = status(folder);
        assert_eq!(away["ready"], true, "{away}");
        has(&away, "store_unavailable") && has(&away, "revocations_pending")
    });
    let told = countersign(folder, &["status", "--state-dir", "state"], "");
    for part in [
        &format!("store                    127.0.0.1:{port}: away since 20")[..],
        "revocations pending      1\n",
        "/introspect: no usable answer since 20",
        "(connection refused)\n",
        "warn  store_unavailable: ",
    ] {
        assert!(told.output.contains(part), "no `{part}` in {told:?}");
    }

    let _redis = Redis::start(folder, port);
    until("all is written", || {
        let back = status(folder);
        !has(&back, "store_unavailable")
            && !has(&back, "revocations_pending")
            && back["revocations_pending"] == 0
    });
    until("the ring is put back", || {
        let keys = Command::new("redis-cli")
            .args(["-p", &port.to_string(), "exists", "countersign:ring"])
            .output()
            .unwrap();
        keys.stdout.starts_with(b"1")
    });
    let (code, log) = gateway.stop();
    assert_eq!(code, Some(0), "{log}");
    let line = log.lines().find(|line| line.contains("keyring_empty_after_full")).expect(&log);
    assert!(line.contains("WARN") && line.contains("nothing to do") && !line.contains("delete"), "{line}");
    let line = log.lines().find(|line| line.contains("the key ring was put back")).expect(&log);
    assert!(line.contains("INFO"), "{line}");
}
