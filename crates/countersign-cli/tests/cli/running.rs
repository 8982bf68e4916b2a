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
struct Gateway {
    child: Child,
    ready: Value,
}

impl Gateway {
    fn start(folder: &Path) -> Self {
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

    /// Ends it with SIGTERM; its exit code and its log.
    fn stop(mut self) -> (Option<i32>, String) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
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
