//! The built binary, running with a configuration of the test.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::{
    client::{Answer, Call},
    process::Process,
};

/// Longest wait for the gateway's end after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with a configuration and its secrets, and the command that reads it.
#[derive(Debug)]
pub(crate) struct Setting {
    folder: TempDir,
    secrets: Vec<String>,
}

impl Setting {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), secrets: Vec::new() }
    }

    /// Writes a secret into a file and returns the path for the configuration.
    pub(crate) fn secret_file(&mut self, name: &str, secret: &str) -> String {
        self.secrets.push(secret.to_owned());
        let path = self.folder.path().join(name);
        fs::write(&path, secret).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// What a secret looks like in `Authorization: Basic`, for every client that the configuration names.
    fn remember_credentials(&mut self, config: &str) {
        let clients = config.split("client_id = \"").skip(1).filter_map(|rest| rest.split('"').next());
        let plain = self.secrets.clone();
        for client in clients {
            for secret in &plain {
                let encoded: String = form_urlencoded(secret);
                for secret in [secret, &encoded] {
                    self.secrets.push(STANDARD.encode(format!("{client}:{secret}")));
                }
            }
        }
    }

    /// The command with a configuration; `admin_listen`, `state_dir` and `workers` are filled in, and `listen` where the
    /// configuration does not begin with it.
    pub(crate) fn command(&self, name: &str, config: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.arg(name).arg("--config").arg(self.write(config));
        command
    }

    /// Writes the configuration and returns its path.
    fn write(&self, config: &str) -> PathBuf {
        let path = self.folder.path().join("gateway.toml");
        let state = self.state_dir();
        // No test waits for it: a machine that is busy with others does.
        let patient = "[session]\ntimeout = \"30s\"\n";
        let config = if config.contains("\ntimeout = ") {
            config.to_owned()
        } else {
            config.replace("[session]\n", patient)
        };
        let listen = if config.starts_with("listen = ") { "" } else { "listen = \"127.0.0.1:0\"\n" };
        let filled =
            format!("{listen}admin_listen = \"127.0.0.1:0\"\nstate_dir = {state:?}\nworkers = 2\n{config}");
        fs::write(&path, filled).unwrap();
        path
    }

    fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }
}

/// A running gateway. Every test ends it with [`Gateway::stop`], which looks for secrets in all it left behind.
#[derive(Debug)]
pub(crate) struct Gateway {
    process: Process,
    setting: Setting,
    stopped: bool,
}

impl Gateway {
    /// Starts `countersign run`.
    pub(crate) fn start(setting: Setting, config: &str) -> Self {
        Self::start_with(setting, config, &[])
    }

    /// The same, with more in its environment.
    pub(crate) fn start_with(mut setting: Setting, config: &str, environment: &[(&str, &str)]) -> Self {
        setting.remember_credentials(config);
        let mut command = setting.command("run", config);
        command.envs(environment.iter().copied());
        // Every other one tells all it can, so that secrets are looked for there too.
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        if STARTED.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            command.arg("--verbose");
        }
        Self { process: Process::start(command), setting, stopped: false }
    }

    /// `http://address` of the public listener with a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// Address of the public listener.
    pub(crate) fn address(&self) -> &str {
        self.process.listening()
    }

    /// `http://address` of the admin listener with a path.
    pub(crate) fn admin_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.process.ready["admin_listening"].as_str().unwrap())
    }

    /// Where it takes commands.
    pub(crate) fn control_socket(&self) -> PathBuf {
        self.setting.state_dir().join("control.sock")
    }

    /// A value that may stand nowhere but in requests.
    pub(crate) fn keep_secret(&mut self, secret: &str) {
        assert!(secret.len() >= 16, "too short to be looked for");
        self.setting.secrets.push(secret.to_owned());
    }

    /// GET with the session in a cookie.
    pub(crate) async fn get(&mut self, path: &str, cookie: &str, session: &str) -> Answer {
        self.keep_secret(session);
        Call::get(self.url(path)).header("cookie", format!("{cookie}={session}")).send().await
    }

    /// Gives the gateway another configuration (SIGHUP).
    pub(crate) fn reload(&self, config: &str) {
        self.setting.write(config);
        self.process.signal("HUP");
    }

    /// Ends the gateway at once (`kill -9`).
    pub(crate) fn kill(mut self) {
        self.stopped = true;
        self.process.kill();
    }

    /// Ends it at once, and keeps its folder for another.
    pub(crate) fn kill_and_keep(mut self) -> Setting {
        self.stopped = true;
        self.process.kill();
        std::mem::replace(&mut self.setting, Setting::new())
    }

    /// Asks the gateway to end.
    pub(crate) fn terminate(&self) {
        self.process.signal("TERM");
    }

    /// Waits until the gateway has ended by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let ended = async {
            loop {
                if let Some(status) = self.process.ended() {
                    return status;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        let Ok(status) = timeout(PATIENCE, ended).await else {
            panic!("the gateway did not end:\n{}", self.process.output())
        };
        status
    }

    /// Ends the gateway and demands that no secret stands in its log, its metrics or its folder.
    pub(crate) async fn stop(mut self) {
        self.stopped = true;
        if self.process.ended().is_none() {
            let metrics = Call::get(self.admin_url("/metrics")).send().await.expect(200);
            self.look_for_secrets("the metrics", &metrics.body);
            self.terminate();
        }
        let status = self.ended().await;
        assert!(status.success(), "{status}:\n{}", self.process.output());
        let log = self.process.output();
        assert!(!log.contains("panicked"), "{log}");
        self.look_for_secrets("the log", log.as_bytes());
        self.look_in(&self.setting.state_dir());
    }

    fn look_in(&self, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.look_in(&path);
            } else if path.is_file() {
                self.look_for_secrets(&path.display().to_string(), &fs::read(&path).unwrap());
            }
        }
    }

    /// Demands that the text holds no planted secret and nothing that looks like a JWT.
    fn look_for_secrets(&self, place: &str, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        for secret in &self.setting.secrets {
            for line in secret.lines().filter(|line| line.len() >= 16 && !line.starts_with("-----")) {
                assert!(!text.contains(line), "a secret stands in {place}");
            }
        }
        assert!(!holds_token(&text), "a token stands in {place}");
    }
}

/// As in a form, which RFC 6749 §2.3.1 wants of both halves.
fn form_urlencoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => char::from(byte).to_string(),
        b' ' => "+".to_owned(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// Whether a text holds what looks like a JWT: a base64url header that begins an object, a full stop, a payload.
fn holds_token(text: &str) -> bool {
    let encoded = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    text.match_indices("eyJ").any(|(at, _)| {
        let rest = text.get(at..).unwrap_or_default();
        let header = rest.find(|c| !encoded(c)).unwrap_or(rest.len());
        header >= 16 && rest.get(header..).is_some_and(|rest| rest.starts_with(".eyJ"))
    })
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.stopped, "a test did not call `stop`");
        } else {
            eprintln!("--- the gateway's log\n{}---", self.process.output());
        }
    }
}
