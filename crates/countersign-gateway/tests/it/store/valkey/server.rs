//! A server of the test's own.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use countersign_gateway::config::resolved::{StoreConfig, StoreServer};
use rcgen::{CertifiedKey, generate_simple_self_signed};

use crate::port::Port;

/// `redis-server` on a free port, without persistence. Killed when dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) folder: tempfile::TempDir,
    lines: String,
    process: Child,
    /// What gateways wait for it at most.
    pub(crate) timeout: Duration,
    /// Over a restart, too.
    _held: Port,
}

/// No test waits for this: it is for a machine that is busy with others.
const LONG: Duration = Duration::from_secs(10);
/// Where a test freezes its server, it is waited for.
pub(crate) const FROZEN: Duration = Duration::from_secs(2);

impl Server {
    pub(crate) fn start() -> Self {
        Self::with("")
    }

    /// With more lines of configuration; `{folder}` is its folder.
    pub(crate) fn with(lines: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let held = Port::reserved();
        let port = held.address.port();
        let lines = lines.replace("{folder}", folder.path().to_str().unwrap());
        let process = run(&folder, port, &lines, &[]);
        Self { port, folder, lines, process, timeout: LONG, _held: held }
    }

    /// One that speaks TLS alone, as `localhost`; and where its certificate is. More lines of configuration, too.
    pub(crate) fn with_tls(folder: &Path, lines: &str) -> (Self, PathBuf) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (certificate, key) = (folder.join("c.pem"), folder.join("k.pem"));
        fs::write(&certificate, cert.pem()).unwrap();
        fs::write(&key, signing_key.serialize_pem()).unwrap();
        let server = Self::with(&format!(
            "tls-port {{port}}\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {0}\ntls-auth-clients no\n{lines}",
            certificate.display(),
            key.display()
        ));
        (server, certificate)
    }

    /// A sentinel that watches a server under the name `shop`.
    pub(super) fn sentinel(watched: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let held = Port::reserved();
        let port = held.address.port();
        let lines = format!(
            "sentinel monitor shop 127.0.0.1 {watched} 1\nsentinel down-after-milliseconds shop 2000\n\
             sentinel failover-timeout shop 3000\n"
        );
        let process = run(&folder, port, &lines, &["--sentinel"]);
        Self { port, folder, lines, process, timeout: LONG, _held: held }
    }

    pub(super) fn config(&self) -> StoreConfig {
        StoreConfig {
            servers: vec![StoreServer { host: "127.0.0.1".to_owned(), port: self.port }],
            tls: false,
            database: 0,
            sentinel: None,
            username: None,
            password: None,
            ca: None,
            name: "test".to_owned(),
            timeout: self.timeout,
            max_alone: None,
            cache: true,
        }
    }

    /// What an attacker, or an operator, does with it.
    pub(crate) fn command(&self, parts: &[&str]) -> redis::Value {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.port)).unwrap();
        let mut command = redis::cmd(parts[0]);
        for part in &parts[1..] {
            command.arg(*part);
        }
        command.query(&mut client.get_connection().unwrap()).unwrap()
    }

    /// `STOP` freezes it, `CONT` lets it go on.
    pub(crate) fn signal(&self, signal: &str) {
        let status =
            Command::new("kill").arg(format!("-{signal}")).arg(self.process.id().to_string()).status();
        assert!(status.unwrap().success());
    }

    /// Ends it at once.
    pub(super) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again on its port, with nothing in it.
    pub(super) fn restart(&mut self) {
        self.process = run(&self.folder, self.port, &self.lines, &[]);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[expect(
    clippy::disallowed_methods,
    clippy::zombie_processes,
    reason = "another process starts in its own time; if it does not, the test ends, and it with it"
)]
fn run(folder: &tempfile::TempDir, port: u16, lines: &str, arguments: &[&str]) -> Child {
    let file = folder.path().join("redis.conf");
    // TLS has the port to itself.
    let clear = if lines.contains("tls-port") { 0 } else { port };
    let common = format!("bind 127.0.0.1\nport {clear}\ndir {}\n", folder.path().display());
    let kept = if arguments.is_empty() { "save \"\"\nappendonly no\n" } else { "" };
    fs::write(&file, format!("{common}{kept}{}", lines.replace("{port}", &port.to_string()))).unwrap();
    let mut command = Command::new("redis-server");
    command.arg(&file).args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    let process = command.spawn().expect("redis-server is installed (apt-get install redis-server)");
    for _ in 0..6_000 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return process;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("redis-server does not answer");
}
